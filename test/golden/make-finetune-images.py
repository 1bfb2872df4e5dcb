"""Makes finetune-images.json: loss and gradients of the last three blocks of the built-in image network as PyTorch
computes them in float32, on features that need no images. Of a few spreads of these the one is taken that keeps
values farthest from the bounds of the activations, where rounding would decide on a slope. Digests are those of make-finetune.py.

    pip install torch onnx
    python test/golden/make-finetune-images.py
"""

import json
import math
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

ROOT = Path(__file__).parents[2]
BELOW = "/_blocks.13/Add_output_0"
ROWS, CHANNELS, SIDE, CLASSES, DIMENSION, SAMPLES = 2, 192, 7, 3, 1280, 24
SPREADS = [6 + 0.02 * i for i in range(400)]
TINY = 1e-12


def pseudo_random(count: int, spread: float) -> np.ndarray:
    """Numbers that need no library: the test makes the same ones."""
    values = [((i * 7919 + 12345) % 20011) / 20011 - 0.5 for i in range(count)]
    return (np.array(values) * spread).astype(np.float32)


def digest(gradient: torch.Tensor) -> dict:
    flat = gradient.detach().reshape(-1).double().numpy()
    positions = [(k * 104729 + 31) % flat.size for k in range(SAMPLES)]
    number = lambda value: float(f"{value:.8e}")
    return {
        "max": number(np.abs(flat).max()),
        "norm": number(np.sqrt((flat**2).sum())),
        "samples": [number(flat[p]) for p in positions],
    }


def run_node(node, values):
    take = lambda name: values[name]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Conv":
        top, left, bottom, right = attributes["pads"]
        padded = F.pad(take(node.input[0]), (left, right, top, bottom))
        return F.conv2d(
            padded,
            take(node.input[1]),
            take(node.input[2]),
            stride=attributes["strides"],
            groups=attributes["group"],
        )
    if node.op_type == "Clip":
        low, high = (take(name).item() for name in node.input[1:])
        return torch.clamp(take(node.input[0]), low, high)
    if node.op_type == "Add":
        return take(node.input[0]) + take(node.input[1])
    if node.op_type == "ReduceMean":
        return take(node.input[0]).mean(attributes["axes"])
    raise ValueError(node.op_type)


def run_nodes(nodes, constants, spread: float) -> dict[str, torch.Tensor]:
    features = pseudo_random(ROWS * CHANNELS * SIDE * SIDE, spread)
    values = {**constants, BELOW: torch.from_numpy(features.reshape(ROWS, CHANNELS, SIDE, SIDE))}
    for node in nodes:
        values[node.output[0]] = run_node(node, values)
    return values


def measure_margin(nodes, values) -> float:
    """Least distance of a value from a bound of its activation."""
    clips = [node for node in nodes if node.op_type == "Clip"]
    return min(
        float((values[node.input[0]] - values[bound].item()).abs().min())
        for node in clips
        for bound in node.input[1:]
    )


def main() -> None:
    torch.set_num_threads(1)
    graph = onnx.load(ROOT / "infra/models/efficientnet-lite0/model.onnx").graph
    constants = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32).copy())
        for tensor in graph.initializer
    }
    for node in graph.node:
        if node.op_type == "Constant":
            array = numpy_helper.to_array(node.attribute[0].t).astype(np.float32)
            constants[node.output[0]] = torch.from_numpy(array.copy())
    places = [node.output[0] for node in graph.node]
    nodes = graph.node[places.index(BELOW) + 1 :]
    trained = [name for node in nodes if node.op_type == "Conv" for name in node.input[1:]]
    for name in trained:
        constants[name].requires_grad_()
    spread = max(SPREADS, key=lambda each: measure_margin(nodes, run_nodes(nodes, constants, each)))
    values = run_nodes(nodes, constants, spread)
    pooled = values["pooled"]
    embedding = pooled / (pooled.norm(dim=1, keepdim=True) + TINY)
    weight = pseudo_random(CLASSES * DIMENSION, 1).reshape(CLASSES, DIMENSION)
    weight = torch.from_numpy(weight / math.sqrt(DIMENSION)).requires_grad_()
    bias = torch.from_numpy(pseudo_random(CLASSES, 0.2)).requires_grad_()
    scores = math.sqrt(DIMENSION) * embedding @ weight.T + bias
    loss = F.cross_entropy(scores, torch.arange(ROWS) % CLASSES)
    loss.backward()
    found = {f"layers.{name}": constants[name].grad for name in trained}
    found |= {"head.weight": weight.grad, "head.bias": bias.grad}
    norm = math.sqrt(sum(float((g.double() ** 2).sum()) for g in found.values()))
    golden = {
        "below": BELOW,
        "spread": spread,
        "loss": loss.item(),
        "gradientNorm": norm,
        "gradients": {name: digest(gradient) for name, gradient in found.items()},
    }
    print(f"spread {spread}, margin {measure_margin(nodes, values):.1e}")
    target = Path(__file__).parent / "finetune-images.json"
    target.write_text(json.dumps(golden) + "\n", encoding="utf8")


main()
