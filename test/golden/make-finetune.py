"""Makes finetune.json: losses and gradients of the built-in encoder as PyTorch computes them in float32.

One batch of 16 texts of 32 tokens at most, one entry for each loss. A tensor's gradient is kept as a digest: its
largest absolute value, its L2 norm and 24 elements at positions that the test works out too. Query, key and
value are stacked as the graph stacks them.

    pip install torch transformers
    python test/golden/make-finetune.py
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoTokenizer, BertModel

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "infra/models/all-MiniLM-L6-v2"
ROWS, TOKENS, CLASSES, SAMPLES = 16, 32, 6, 24
SCALE = math.sqrt(384)
COSINE_SCALE = 20.0
SMOOTHING = 0.1
CLASS_WEIGHTS = [0.5, 1.0, 1.5, 2.0, 0.75, 1.25]
# (first row, second row, wanted cosine): one pair counts twice.
PAIRS = [(i, (i * 5 + 3) % ROWS, float(i % 3 == 0)) for i in range(ROWS)] + [(0, 3, 1.0)]


def pick_texts() -> list[str]:
    lines = (ROOT / "infra/calibration/texts.txt").read_text(encoding="utf8").splitlines()
    longest = sorted(lines, key=len)[-2:]
    return longest + lines[3 :: len(lines) // ROWS][: ROWS - len(longest)]


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


def named_gradients(model: BertModel) -> dict[str, torch.Tensor]:
    found = {}
    for index, layer in enumerate(model.encoder.layer):
        at = f"layers.{index}"
        attention = layer.attention
        inner = [attention.self.query, attention.self.key, attention.self.value]
        found[f"{at}.qkv.weight"] = torch.cat([part.weight.grad for part in inner])
        found[f"{at}.qkv.bias"] = torch.cat([part.bias.grad for part in inner])
        for name, module in [
            ("out", attention.output.dense),
            ("ffn_in", layer.intermediate.dense),
            ("ffn_out", layer.output.dense),
        ]:
            found[f"{at}.{name}.weight"] = module.weight.grad
            found[f"{at}.{name}.bias"] = module.bias.grad
        for name, module in [
            ("attention_norm", attention.output.LayerNorm),
            ("output_norm", layer.output.LayerNorm),
        ]:
            found[f"{at}.{name}.gamma"] = module.weight.grad
            found[f"{at}.{name}.beta"] = module.bias.grad
    return found


def compute_loss(kind, embeddings, weight, bias, dtype):
    one_hot = torch.arange(ROWS) % CLASSES
    weights = torch.tensor(CLASS_WEIGHTS, dtype=dtype)
    if kind == "cross-entropy":
        scores = SCALE * embeddings @ weight.T + bias
        return F.cross_entropy(scores, one_hot, weight=weights, label_smoothing=SMOOTHING)
    if kind == "binary-cross-entropy":
        scores = SCALE * embeddings @ weight.T + bias
        targets = torch.zeros(ROWS, CLASSES, dtype=dtype)
        targets[torch.arange(ROWS), one_hot] = 1
        targets[torch.arange(ROWS), (one_hot * 2 + 1) % CLASSES] = 1
        return F.binary_cross_entropy_with_logits(scores, targets, pos_weight=weights)
    if kind == "cosine-softmax":
        return F.cross_entropy(COSINE_SCALE * embeddings @ F.normalize(weight).T, one_hot)
    first, second, wanted = zip(*PAIRS)
    cosines = F.cosine_similarity(embeddings[list(first)], embeddings[list(second)])
    return F.mse_loss(cosines, torch.tensor(wanted, dtype=dtype))


def run(kind: str, ids: torch.Tensor, mask: torch.Tensor, dtype: torch.dtype):
    model = BertModel.from_pretrained(MODEL, add_pooling_layer=False, dtype=dtype).eval()
    scale = 1 if kind == "cosine-softmax" else SCALE
    weight = torch.from_numpy(pseudo_random(CLASSES * 384, 1.0)).to(dtype).reshape(CLASSES, 384) / scale
    bias = torch.from_numpy(pseudo_random(CLASSES, 0.2)).to(dtype)
    weight.requires_grad_(True)
    bias.requires_grad_(True)
    states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    spread = mask.unsqueeze(-1).to(dtype)
    embeddings = F.normalize((states * spread).sum(1) / spread.sum(1))
    loss = compute_loss(kind, embeddings, weight, bias, dtype)
    loss.backward()
    gradients = named_gradients(model)
    if weight.grad is not None:
        gradients["head.weight"] = weight.grad
    if bias.grad is not None:
        gradients["head.bias"] = bias.grad
    return loss.item(), gradients


def worst_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(((a[n] - b[n]).abs().max() / b[n].abs().max()).item() for n in a)


def main() -> None:
    torch.set_num_threads(1)
    texts = pick_texts()
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    batch = tokenizer(
        texts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
    )
    ids, mask = batch["input_ids"], batch["attention_mask"]
    entries = []
    for kind in ["cross-entropy", "binary-cross-entropy", "cosine-softmax", "contrastive"]:
        loss, gradients = run(kind, ids, mask, torch.float32)
        exact_loss, exact = run(kind, ids, mask, torch.float64)
        exact = {name: value.float() for name, value in exact.items()}
        print(kind, loss, exact_loss, "float32 against float64:", worst_difference(gradients, exact))
        total = math.sqrt(sum((g.double() ** 2).sum().item() for g in gradients.values()))
        entries.append(
            {
                "loss": kind,
                "value": loss,
                "gradientNorm": total,
                "gradients": {name: digest(value) for name, value in gradients.items()},
            }
        )
    golden = {
        "torch": torch.__version__.split("+")[0],
        "texts": texts,
        "ids": ids.tolist(),
        "lengths": mask.sum(1).tolist(),
        "classWeights": CLASS_WEIGHTS,
        "smoothing": SMOOTHING,
        "cosineScale": COSINE_SCALE,
        "pairs": PAIRS,
        "entries": entries,
    }
    path = Path(__file__).parent / "finetune.json"
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf8")
    print(path.stat().st_size, "bytes; lengths", golden["lengths"])


if __name__ == "__main__":
    main()
