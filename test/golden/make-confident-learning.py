"""Golden numbers of confident learning, from cleanlab 2.9.0.

    pip install cleanlab==2.9.0 numpy
    python test/golden/make-confident-learning.py > test/golden/confident-learning.json

Probabilities are synthetic and seeded; they are stored with six decimals, and cleanlab reads what is stored.
"""

import json

import numpy as np
from cleanlab.count import compute_confident_joint, estimate_joint, estimate_latent
from cleanlab.count import get_confident_thresholds
from cleanlab.filter import find_label_issues
from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
from cleanlab.rank import get_normalized_margin_for_each_label, get_self_confidence_for_each_label


def draw(seed, rows, labels, noise, spread):
    """True labels, labels of which a share is another one, and probabilities that follow the true ones."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(labels, 5.0))
    true = rng.choice(labels, size=rows, p=shares)
    given = true.copy()
    for i in np.flatnonzero(rng.random(rows) < noise):
        given[i] = rng.choice([label for label in range(labels) if label != true[i]])
    given[:labels] = np.arange(labels)
    scores = rng.normal(size=(rows, labels)) * spread
    scores[np.arange(rows), true] += 2.5
    p = np.exp(scores)
    p = np.round(p / p.sum(axis=1, keepdims=True), 6)
    return given, p.astype(np.float32).astype(np.float64)


def golden(seed, rows, labels, noise, spread):
    given, p = draw(seed, rows, labels, noise, spread)
    issues = {}
    for name, method in (("by-pair", "prune_by_noise_rate"), ("by-label", "prune_by_class"), ("both", "both")):
        found = find_label_issues(given, p, filter_by=method, min_examples_per_class=0, n_jobs=1)
        issues[name] = [int(i) for i in np.flatnonzero(found)]
    counts = compute_confident_joint(given, p, calibrate=True)
    _, noise_matrix, _ = estimate_latent(counts, given)
    margin = get_normalized_margin_for_each_label(given, p)
    own = get_self_confidence_for_each_label(given, p)
    return {
        "labels": labels,
        "given": given.tolist(),
        "probabilities": [[round(float(x), 6) for x in row] for row in p],
        "thresholds": get_confident_thresholds(given, p).tolist(),
        "joint": compute_confident_joint(given, p, calibrate=False).tolist(),
        "calibratedJoint": estimate_joint(given, p).tolist(),
        "noiseMatrix": [[round(float(x), 6) for x in row] for row in noise_matrix.T],
        "issues": issues,
        "margins": [round(float(x), 6) for x in margin],
        "byMargin": np.argsort(margin, kind="stable")[:20].tolist(),
        "bySelfConfidence": np.argsort(own, kind="stable")[:20].tolist(),
    }


def several(seed, rows, labels, noise):
    """Labels of rows that have several, and what cleanlab doubts of each label for itself."""
    rng = np.random.default_rng(seed)
    true = rng.random((rows, labels)) < rng.uniform(0.2, 0.5, labels)
    given = true ^ (rng.random((rows, labels)) < noise)
    p = 1 / (1 + np.exp(-(rng.normal(size=(rows, labels)) + np.where(true, 2.5, -2.5))))
    p = np.round(p, 6).astype(np.float32).astype(np.float64)
    sets = [np.flatnonzero(row).tolist() for row in given]
    issues = {}
    for name, method in (("by-pair", "prune_by_noise_rate"), ("by-label", "prune_by_class"), ("both", "both")):
        found = find_multilabel_issues_per_class(sets, p, filter_by=method, min_examples_per_class=0, n_jobs=1)
        issues[name] = [np.flatnonzero(of_label).tolist() for of_label in np.asarray(found).T]
    return {
        "labels": labels,
        "given": sets,
        "probabilities": [[round(float(x), 6) for x in row] for row in p],
        "issues": issues,
    }


cases = [golden(1, 150, 3, 0.2, 1.0), golden(11, 160, 5, 0.1, 0.7), golden(3, 90, 2, 0.3, 0.8)]
print(json.dumps({"cleanlab": "2.9.0", "cases": cases, "several": several(5, 120, 4, 0.08)}, separators=(",", ":")))
