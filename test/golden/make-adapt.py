"""Writes adapt.json: reference values for domain adaptation, LogME and MAT files.

LogME by numpy's SVD after You et al. 2021 with the full log-determinant; CORAL by scipy's matrix powers;
EasyTL's programme by scipy's linear programming; MAT files by scipy.

    python make-adapt.py        numpy, scipy
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
import scipy.io
from scipy.linalg import fractional_matrix_power
from scipy.optimize import linprog


def logme(features, targets):
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    n, d = features.shape
    squares = s**2
    scores = []
    for c in range(targets.max() + 1):
        y = (targets == c).astype(float)
        products = (u.T @ y) ** 2
        outside = max((y**2).sum() - products.sum(), 0)
        a = b = 1.0
        for _ in range(11):
            ratio = a / b
            gamma = (squares / (squares + ratio)).sum()
            weights = (squares * products / (ratio + squares) ** 2).sum()
            residual = (products / (1 + squares / ratio) ** 2).sum() + outside
            a = gamma / (weights + 1e-5)
            b = (n - gamma) / (residual + 1e-5)
            determinant = np.log(a + b * squares).sum() + (d - len(s)) * np.log(a)
            evidence = (d * np.log(a) + n * np.log(b) - determinant - b * residual - a * weights - n * np.log(2 * np.pi)) / 2
            if abs(a / b - ratio) / ratio <= 1e-3:
                break
        scores.append(evidence / n)
    return float(np.mean(scores))


def standardise(x):
    sd = x.std(axis=0)
    return np.where(sd > 0, (x - x.mean(axis=0)) / np.where(sd > 0, sd, 1), 0)


def coral(source, target, ridge):
    cs = np.cov(source, rowvar=False) + ridge * np.eye(source.shape[1])
    ct = np.cov(target, rowvar=False) + ridge * np.eye(source.shape[1])
    return source @ fractional_matrix_power(cs, -0.5).real @ fractional_matrix_power(ct, 0.5).real


def distances(rows, centres):
    return np.sqrt(((rows[:, None, :] - centres[None]) ** 2).sum(-1))


def programme(cost):
    """EasyTL's intra-domain programming as it is published: a linear programme over all rows and classes."""
    rows, classes = cost.shape
    sums = np.kron(np.eye(rows), np.ones((1, classes)))
    each = -np.kron(np.ones((1, rows)), np.eye(classes))
    found = linprog(cost.ravel(), A_ub=each, b_ub=-np.ones(classes), A_eq=sums, b_eq=np.ones(rows), bounds=(0, 1), method="highs")
    return found.x.reshape(rows, classes).argmax(1), float(found.fun)


def rounded(array):
    return [float(f"{value:.9g}") for value in np.asarray(array).ravel()]


def make_domains(rng, rows_s, rows_t, dimension, classes):
    centres = rng.normal(size=(classes, dimension)) * 2
    mix = rng.normal(size=(dimension, dimension)) / np.sqrt(dimension)
    ys = np.arange(rows_s) % classes
    yt = np.arange(rows_t) % classes
    xs = centres[ys] + rng.normal(size=(rows_s, dimension))
    xt = (centres[yt] + rng.normal(size=(rows_t, dimension))) @ (np.eye(dimension) + 0.5 * mix) + 1.5
    # A column that never varies in the target, as sparse counts have.
    xt[:, 0] = 3
    return np.round(xs, 6), ys, np.round(xt, 6), yt


def main():
    rng = np.random.default_rng(7)
    out = {"logme": [], "align": [], "programme": [], "mat": []}
    for rows, dimension, classes in ((40, 6, 3), (12, 30, 2)):
        x = np.round(rng.normal(size=(rows, dimension)), 6)
        y = np.arange(rows) % classes
        x[:, 0] += y
        out["logme"].append({"rows": rows, "columns": dimension, "classes": classes, "data": rounded(x), "targets": y.tolist(), "score": logme(x, y)})
    for rows_s, rows_t, dimension, classes, ridge in ((60, 50, 8, 4, 1.0), (12, 9, 20, 3, 1.0), (60, 50, 8, 4, 0.1)):
        xs, ys, xt, yt = make_domains(rng, rows_s, rows_t, dimension, classes)
        zs, zt = standardise(xs), standardise(xt)
        aligned = coral(zs, zt, ridge)
        centres = np.stack([aligned[ys == c].mean(0) for c in range(classes)])
        raw = np.stack([zs[ys == c].mean(0) for c in range(classes)])
        out["align"].append({
            "rowsSource": rows_s, "rowsTarget": rows_t, "columns": dimension, "classes": classes, "ridge": ridge,
            "source": rounded(xs), "sourceTargets": ys.tolist(), "target": rounded(xt),
            "centres": rounded(centres), "labels": distances(zt, centres).argmin(1).tolist(),
            "centresRaw": rounded(raw), "labelsRaw": distances(zt, raw).argmin(1).tolist(),
        })
    # Classes that nearest means leave empty: by far centres, several at once, with chains over others.
    for rows, classes, far in ((9, 4, 1), (14, 5, 2), (6, 6, 3), (30, 8, 4)):
        cost = np.round(rng.random((rows, classes)) * 2 + 0.1, 6)
        cost[:, :far] += 5
        labels, value = programme(cost)
        out["programme"].append({"rows": rows, "classes": classes, "cost": rounded(cost), "labels": labels.tolist(), "value": value})
    fts = np.array([[1.5, -2, 3], [0, 0.25, 1e-3]])
    for name, compress, arrays in (
        ("packed", True, {"fts": fts, "labels": np.array([[1], [2]])}),
        ("plain", False, {"fts": fts.astype(np.float32), "labels": np.array([[1, 2]], dtype=np.int64), "note": "hello"}),
        ("counts", True, {"fts": np.array([[0, 255], [3, 70000]], dtype=np.int32), "labels": np.array([[1], [2]], dtype=np.uint8), "x": np.zeros((200, 200))}),
        ("sparse", True, {"fts": scipy.sparse.csc_matrix(fts), "labels": np.array([[1 + 2j], [2]])}),
    ):
        file = io.BytesIO()
        scipy.io.savemat(file, arrays, do_compression=compress)
        dense = arrays["fts"] if isinstance(arrays["fts"], np.ndarray) else None
        out["mat"].append({
            "name": name, "base64": base64.b64encode(file.getvalue()).decode(),
            "fts": None if dense is None else {"rows": dense.shape[0], "columns": dense.shape[1], "data": rounded(dense)},
        })
    Path(__file__).with_name("adapt.json").write_text(json.dumps(out) + "\n")


main()
