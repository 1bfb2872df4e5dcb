"""Writes adamw.json: what torch.optim.AdamW makes of given gradients. Needs numpy and torch.

    python test/golden/make-adamw.py > test/golden/adamw.json
"""

import json
import sys

import numpy as np
import torch

rng = np.random.default_rng(11)
sizes = {"weight": 37, "bias": 5, "head": 12}
decay = 0.05
rates = [2e-3, 4e-3, 3e-3, 2e-3, 1e-3, 0.0]
start = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
# Of very different sizes, so that epsilon matters for some.
gradients = [
    {name: (rng.normal(size=size) * 10.0 ** rng.uniform(-7, 1, size)).astype(np.float32) for name, size in sizes.items()}
    for _ in rates
]

tensors = {name: torch.nn.Parameter(torch.tensor(values)) for name, values in start.items()}
optimiser = torch.optim.AdamW(
    [
        {"params": [tensors["weight"]], "weight_decay": decay},
        {"params": [tensors["bias"]], "weight_decay": 0.0},
        {"params": [tensors["head"]], "weight_decay": decay},
    ],
    lr=1.0,
)
steps = []
for rate, grads in zip(rates, gradients):
    for group, factor in zip(optimiser.param_groups, (1, 1, 10)):
        group["lr"] = rate * factor
    for name, tensor in tensors.items():
        tensor.grad = torch.tensor(grads[name])
    optimiser.step()
    steps.append({name: [float(f"{v:.9g}") for v in tensor.detach().numpy()] for name, tensor in tensors.items()})


def plain(values):
    return {name: [float(f"{v:.9g}") for v in array] for name, array in values.items()}


json.dump(
    {
        "madeWith": f"torch {torch.__version__}",
        "decay": decay,
        "rates": rates,
        "headFactor": 10,
        "start": plain(start),
        "gradients": [plain(grads) for grads in gradients],
        "weights": steps,
    },
    sys.stdout,
)
