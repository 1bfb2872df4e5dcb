"""Times scikit-learn's LogisticRegressionCV beside `espalier`'s softmax on the same embeddings, folds' number and grid.

    npm run build && python infra/quality/compare-logistic.py TRAIN.csv [--repeats 3]

Needs numpy and scikit-learn. TRAIN.csv has a header and the columns text and label (or category). Both start from
embeddings that are made once, choose lambda by 5-fold cross-validated likelihood and fit all rows at the end; they
take turns, so that a slow moment of the machine falls on both. scikit-learn's C is 1 / (lambda * rows).
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegressionCV

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with options.train.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    label = "label" if "label" in rows[0] else "category"
    names = sorted({row[label] for row in rows})
    targets = np.array([names.index(row[label]) for row in rows])
    with tempfile.TemporaryDirectory() as folder:
        vectors = Path(folder, "rows.npy")
        command = ["node", str(ROOT / "dist" / "cli.js"), "embed", str(options.train), "--to", "npy", "-o", str(vectors)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        Path(folder, "targets.json").write_text(json.dumps({"labels": names, "targets": targets.tolist()}))
        embeddings = np.load(vectors)
        for repeat in range(options.repeats):
            ours = time_ours(folder)
            theirs = time_sklearn(embeddings, targets, ours["lambdas"])
            print(
                f"run {repeat + 1}: espalier softmax {ours['seconds']:.1f} s (lambda {ours['lambda']:.0e}), "
                f"LogisticRegressionCV {theirs['seconds']:.1f} s (lambda {theirs['lambda']:.0e}), "
                f"ratio {theirs['seconds'] / ours['seconds']:.2f}",
                flush=True,
            )


def time_ours(folder: str) -> dict:
    script = ROOT / "infra" / "quality" / "time-softmax.ts"
    command = ["npx", "--no-install", "tsx", str(script), folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(done.stdout.strip().splitlines()[-1])


def time_sklearn(embeddings: np.ndarray, targets: np.ndarray, lambdas: list[float]) -> dict:
    rows = len(targets)
    strengths = [1 / (value * rows) for value in sorted(lambdas, reverse=True)]
    model = LogisticRegressionCV(
        Cs=strengths, cv=5, scoring="neg_log_loss", solver="lbfgs", max_iter=1000, n_jobs=2, use_legacy_attributes=False
    )
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(embeddings, targets)
    return {"seconds": time.perf_counter() - started, "lambda": 1 / (float(np.ravel(model.C_)[0]) * rows)}


if __name__ == "__main__":
    sys.exit(main())
