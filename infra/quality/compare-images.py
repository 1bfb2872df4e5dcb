"""Trains scikit-learn on the vectors that `npm run quality:images -- FOLDER --export OUT` wrote, beside our heads.

    python infra/quality/compare-images.py OUT

Needs numpy and scikit-learn. Logistic regression with C by 5-fold cross-validation, as our softmax chooses lambda,
and nearest class means.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.neighbors import NearestCentroid

warnings.filterwarnings("ignore")


def read(folder, name):
    rows = np.load(folder / f"{name}.npy").astype(np.float64)
    return rows, np.array(json.loads((folder / f"{name}.json").read_text()))


def main():
    folder = Path(sys.argv[1])
    pairs = [("amazon", "webcam"), ("webcam", "amazon"), ("pets-train", "pets-test")]
    for train, test in pairs:
        x, y = read(folder, train)
        u, v = read(folder, test)
        grid = [1 / (lam * len(y)) for lam in 10.0 ** np.arange(-7, 0)]
        logistic = LogisticRegressionCV(
            Cs=grid, cv=5, max_iter=300, scoring="neg_log_loss"
        )
        logistic.fit(x, y)
        right = 100 * np.mean(logistic.predict(u) == v)
        means = NearestCentroid().fit(x, y)
        print(
            f"{train} -> {test}: logistic {right:.1f}, "
            f"class means {100 * means.score(u, v):.1f}"
        )


main()
