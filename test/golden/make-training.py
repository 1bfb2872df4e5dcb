"""Writes training.json: what scikit-learn computes on a small fixture. Needs numpy and scikit-learn.

    python test/golden/make-training.py > test/golden/training.json
"""

import json
import sys
import warnings

import numpy as np
import sklearn
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import NearestCentroid

warnings.simplefilter("ignore")
rng = np.random.default_rng(7)
rows, dimension, classes = 90, 12, 4
targets = np.arange(rows) % classes
targets[rows - 12 :] = 0  # not balanced
centres = rng.normal(size=(classes, dimension))
x = centres[targets] * 0.5 + rng.normal(size=(rows, dimension)) * rng.uniform(0.2, 1.5, dimension)
x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)


def rounded(values):
    return [float(f"{v:.9g}") for v in np.asarray(values).ravel()]


logistic = []
for c in (0.1, 1.0, 30.0):
    model = LogisticRegression(C=c, solver="lbfgs", tol=1e-8, max_iter=10_000).fit(x, targets)
    logistic.append({"lambda": 1 / (c * rows), "weights": rounded(model.coef_), "bias": rounded(model.intercept_)})

binary = (targets % 2 == 0).astype(int)
model = LogisticRegression(C=2.0, solver="lbfgs", tol=1e-8, max_iter=10_000).fit(x, binary)
sigmoid = {"lambda": 1 / (2.0 * rows), "weights": rounded(model.coef_), "bias": rounded(model.intercept_)}

# Rows weighed so that every class counts alike.
balanced = []
for c in (0.1, 1.0, 30.0):
    model = LogisticRegression(C=c, class_weight="balanced", solver="lbfgs", tol=1e-8, max_iter=10_000).fit(x, targets)
    balanced.append({"lambda": 1 / (c * rows), "weights": rounded(model.coef_), "bias": rounded(model.intercept_)})
rare = (targets == 3).astype(int)
model = LogisticRegression(C=2.0, class_weight="balanced", solver="lbfgs", tol=1e-8, max_iter=10_000).fit(x, rare)
balanced_sigmoid = {"lambda": 1 / (2.0 * rows), "weights": rounded(model.coef_), "bias": rounded(model.intercept_)}

lda = []
for shrinkage in (0.1, 0.5, 0.8):
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, targets)
    lda.append({"shrinkage": shrinkage, "weights": rounded(model.coef_), "bias": rounded(model.intercept_)})

# Classes of one row each but one: little variance within classes, and more classes than directions of it.
few = np.array([0, 0, 1, 2, 3, 4, 5])
few_x = rng.normal(size=(7, 8))
few_x[1] = few_x[0] + 0.3 * rng.normal(size=8)
few_x = (few_x / np.linalg.norm(few_x, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
single_rows = []
for shrinkage in (0.2, 0.5, 0.95):
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(few_x, few)
    single_rows.append({"shrinkage": shrinkage, "weights": rounded(model.coef_), "bias": rounded(model.intercept_)})

# Two equal rows in each class: scikit-learn's discriminant analysis has no covariance to go by; nearest centroids remain.
equal_x = np.repeat(few_x[1:], 2, axis=0)
equal_queries = rng.normal(size=(40, 8))
equal_queries = equal_queries / np.linalg.norm(equal_queries, axis=1, keepdims=True)
equal_queries = equal_queries.astype(np.float32).astype(np.float64)
nearest = NearestCentroid().fit(equal_x, np.repeat(np.arange(6), 2)).predict(equal_queries)

residuals = x - np.stack([x[targets == c].mean(axis=0) for c in range(classes)])[targets]
ridge = RidgeClassifierCV(alphas=[0.5], store_cv_results=True).fit(x, targets)

json.dump(
    {
        "madeWith": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}",
        "rows": rows,
        "dimension": dimension,
        "classes": classes,
        "embeddings": rounded(x),
        "targets": targets.tolist(),
        "logistic": logistic,
        "sigmoid": sigmoid,
        "balanced": balanced,
        "balancedSigmoid": balanced_sigmoid,
        "lda": lda,
        "singleRows": {"embeddings": rounded(few_x), "targets": few.tolist(), "lda": single_rows},
        "equalRows": {
            "embeddings": rounded(equal_x),
            "queries": rounded(equal_queries),
            "nearest": nearest.tolist(),
        },
        "ledoitWolf": float(ledoit_wolf_shrinkage(residuals, assume_centered=True)),
        # scikit-learn's targets are -1 and 1: twice ours, less one.
        "ridge": {"alpha": 0.5, "weights": rounded(ridge.coef_ / 2), "bias": rounded((ridge.intercept_ + 1) / 2)},
    },
    sys.stdout,
)
