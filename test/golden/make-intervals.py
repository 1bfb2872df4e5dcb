"""Writes intervals.json: what scipy and statsmodels say of shares, paired differences and bootstraps. Needs both.

    python test/golden/make-intervals.py > test/golden/intervals.json
"""

import json
import math
import sys
import warnings

import numpy as np
import scipy
import statsmodels
from scipy import integrate, optimize, special, stats
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

warnings.simplefilter("ignore")
rng = np.random.default_rng(11)

beta = [
    {"x": x, "a": a, "b": b, "cdf": float(special.betainc(a, b, x))}
    for a, b in ((0.5, 0.5), (1, 1), (3, 1), (2.5, 7), (40, 3), (700, 51), (9000, 1001), (24.5, 0.5))
    for x in (0.001, 0.05, 0.3, 0.5, 0.9, 0.95, 0.999)
]
beta_quantiles = [
    {"p": p, "a": a, "b": b, "x": float(special.betaincinv(a, b, p))}
    for a, b in ((1, 3), (3, 1), (2, 5), (40, 3), (700, 51))
    for p in (0.025, 0.5, 0.975)
]
student = [
    {"p": p, "freedom": f, "t": float(stats.t.ppf(p, f))} for f in (1, 2, 4, 14, 49) for p in (0.6, 0.975, 0.01)
]
normal = [{"x": x, "cdf": float(special.ndtr(x))} for x in (-6, -3, -1.96, -0.1, 0, 0.5, 2.2, 5)]
normal_quantiles = [{"p": p, "x": float(special.ndtri(p))} for p in (0.001, 0.025, 0.31, 0.5, 0.8, 0.975)]

shares = []
for right, rows in ((3, 3), (0, 4), (20, 22), (22, 22), (17, 40), (93, 100), (735, 750), (9321, 10003)):
    low, high = proportion_confint(right, rows, alpha=0.05, method="beta")
    shares.append({"right": right, "rows": rows, "low": float(low), "high": float(high)})

tests = [
    {"onlyA": a, "onlyB": b, "pValue": float(mcnemar([[0, a], [b, 0]], exact=True).pvalue)}
    for a, b in ((0, 5), (1, 9), (6, 0), (12, 12), (30, 14), (3, 4))
]


def paired_limit(wins, losses, rows):
    """Lower limit of Fay and Lumbard (2021) by adaptive quadrature over the share of wins."""
    m = wins + losses

    def below(limit):
        def given(share):
            lean = 2 * share - 1
            if lean < 0:
                rate = min(1.0, max(0.0, limit / lean)) if limit < 0 else 0.0
                return 1.0 - (stats.beta.cdf(rate, m + 1, rows - m) if m < rows else float(rate >= 1))
            if limit < 0:
                return 0.0
            if m == 0:
                return 1.0
            return stats.beta.cdf(min(1.0, limit / lean) if lean > 0 else 1.0, m, rows - m + 1)

        if wins == 0:
            return given(0.0)
        density = stats.beta(wins, losses + 1)
        total = 0.0
        for low, high in ((0.0, 0.5), (0.5, 1.0)):
            total += integrate.quad(lambda t: density.pdf(t) * given(t), low, high, limit=400, epsabs=1e-11)[0]
        return total

    return optimize.brentq(lambda limit: below(limit) - 0.025, -1 + 1e-12, 1 - 1e-12, xtol=1e-10)


paired = []
for a, b, rows in ((0, 0, 22), (0, 5, 22), (6, 0, 40), (1, 9, 40), (12, 12, 100), (30, 14, 750), (2, 3, 6), (80, 45, 3080)):
    paired.append(
        {"onlyA": a, "onlyB": b, "rows": rows, "low": paired_limit(a, b, rows), "high": -paired_limit(b, a, rows)}
    )

# BCa: our own draws cannot be scipy's, so that the distribution itself is stored.
bootstraps = []


def bootstrap(name, measure, rows):
    data = (np.arange(rows),)
    drawn = stats.bootstrap(
        data, lambda index: measure(index), n_resamples=999, method="BCa", vectorized=False, rng=np.random.default_rng(3)
    )
    everything = np.arange(rows)
    bootstraps.append(
        {
            "name": name,
            "value": float(measure(everything)),
            "drawn": [float(f"{v:.12g}") for v in drawn.bootstrap_distribution],
            "left": [float(f"{measure(np.delete(everything, i)):.12g}") for i in range(rows)],
            "low": float(drawn.confidence_interval.low),
            "high": float(drawn.confidence_interval.high),
        }
    )


losses = rng.exponential(size=40) ** 2
bootstrap("mean of skewed losses", lambda index: losses[index].mean(), 40)
truth = rng.integers(0, 3, 60)
said = np.where(rng.random(60) < 0.75, truth, rng.integers(0, 3, 60))
bootstrap("macro-F1", lambda index: f1_score(truth[index], said[index], average="macro"), 60)

json.dump(
    {
        "madeWith": f"scipy {scipy.__version__}, statsmodels {statsmodels.__version__}, numpy {np.__version__}",
        "beta": beta,
        "betaQuantiles": beta_quantiles,
        "student": student,
        "normal": normal,
        "normalQuantiles": normal_quantiles,
        "shares": shares,
        "tests": tests,
        "paired": paired,
        "bootstraps": bootstraps,
        "macroF1": {"truth": truth.tolist(), "said": said.tolist()},
    },
    sys.stdout,
)
