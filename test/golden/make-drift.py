"""Writes drift.json: what scipy says of two samples of counts. Needs scipy.

    python test/golden/make-drift.py > test/golden/drift.json
"""

import json
import sys

import numpy as np
import scipy
from scipy import special, stats

rng = np.random.default_rng(5)

chi_square = [
    {"x": x, "freedom": f, "p": float(stats.chi2.sf(x, f))}
    for f in (1, 2, 5, 14, 76, 149)
    for x in (0.01, 0.5, 3.84, 12.0, 40.0, 90.0, 250.0)
]
kolmogorov = [{"x": x, "p": float(special.kolmogorov(x))} for x in (0.2, 0.4, 0.7, 0.99, 1.0, 1.36, 1.9, 2.4, 3.5)]

fisher = [
    {"a": a, "n": n, "b": b, "m": m, "p": float(stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue)}
    for a, n, b, m in (
        (2, 3, 190, 200),
        (0, 3, 190, 200),
        (3, 3, 200, 200),
        (880, 1000, 190, 200),
        (950, 1000, 190, 200),
        (910, 1000, 1900, 2000),
        (870, 1000, 5700, 6000),
        (0, 50, 12, 40),
        (41, 41, 0, 7),
        (91000, 100000, 950, 1000),
        (500, 1000, 480, 1000),
    )
]

homogeneity = []
for cells, n, m in ((3, 100, 80), (7, 1000, 300), (15, 1000, 2000), (77, 1000, 3000)):
    share = rng.dirichlet(np.full(cells, 20.0))
    for shift in (0.0, 0.5):
        other = share.copy()
        other[0] *= 1 + shift
        a, b = rng.multinomial(n, other / other.sum()), rng.multinomial(m, share)
        result = stats.chi2_contingency(np.array([a, b]), correction=False)
        if result.expected_freq.min() < 5:
            continue
        homogeneity.append(
            {"a": a.tolist(), "b": b.tolist(), "statistic": float(result.statistic), "p": float(result.pvalue)}
        )

ordered = []
for n, m, shift in ((50, 40, 0.0), (1000, 300, 0.0), (1000, 300, 0.1), (1000, 2000, 0.05)):
    bins = 15
    x = np.clip(rng.beta(5 - 20 * shift, 2, n) * bins, 0, bins - 1e-9).astype(int)
    y = np.clip(rng.beta(5, 2, m) * bins, 0, bins - 1e-9).astype(int)
    d = stats.ks_2samp(x, y, method="asymp").statistic
    ordered.append(
        {
            "a": np.bincount(x, minlength=bins).tolist(),
            "b": np.bincount(y, minlength=bins).tolist(),
            "statistic": float(d),
            # ks_2samp itself rounds n m / (n + m) and takes the finite distribution of one sample.
            "p": float(special.kolmogorov(d * np.sqrt(n * m / (n + m)))),
        }
    )

json.dump(
    {
        "madeWith": f"scipy {scipy.__version__}, numpy {np.__version__}",
        "chiSquare": chi_square,
        "kolmogorov": kolmogorov,
        "fisher": fisher,
        "homogeneity": homogeneity,
        "ordered": ordered,
    },
    sys.stdout,
)
