"""Makes a tiny random encoder of each architecture with the reference library's vectors and gradients.

Each folder of test/golden/architectures has weights in float16, one shared tokenizer, and expected.json: 20 texts in
five scripts of 1 to 512 tokens with their vectors in float32, and the gradients of one batch in float64, both computed
on the CPU. The reference is transformers, save where a published model brings code of its own: nothing of that is run, and
architecture_models.py has an implementation from the papers and the published configuration.

    pip install torch transformers
    python test/golden/make-architectures.py [NAME ...]
"""

import copy
import json
import math
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from architecture_models import MODELS, RENAMED
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

ROOT = Path(__file__).parent / "architectures"
MAX_TOKENS = 512
CLASSES, SAMPLES, ROWS, TOKENS = 5, 12, 10, 24

SCRIPTS = [
    "We can write more than one word, and people would come from the long way down to find water.",
    "你好，世界。今天的天气很好，我们去河边散步，然后回家做饭。",
    "Привет, мир! Сегодня мы идём к реке за водой, а потом домой.",
    "مرحبا بالعالم، نذهب اليوم إلى النهر ثم نعود إلى البيت.",
    "नमस्ते दुनिया, आज हम नदी के किनारे जाएँगे और फिर घर लौटेंगे।",
]
TEXTS = [
    "a",
    "water",
    "世",
    "да",
    "نعم",
    *SCRIPTS,
    *(f"{a} {b}" for a, b in zip(SCRIPTS, SCRIPTS[1:] + SCRIPTS[:1])),
    SCRIPTS[0] * 2 + " Café, naïve, straße — 🎉🙂 50% x^2",
    SCRIPTS[1] * 3,
    " ".join(SCRIPTS),
    SCRIPTS[2] * 6,
    " ".join(reversed(SCRIPTS)) * 3,
]


def make_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SCRIPTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=("</s>", 2), cls_token=("<s>", 0), add_prefix_space=False
    )
    return tokenizer


def randomize(module: torch.nn.Module, spread: float) -> None:
    """Fills every parameter, biases and normalisations included, so that none can be forgotten unseen."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn_like(parameter)
            if "norm" in name.lower() and name.endswith("weight") and parameter.dim() == 1:
                parameter.copy_(1 + 0.3 * noise)
            elif parameter.dim() == 2 and parameter.shape[0] >= 300:
                parameter.copy_(noise)
            else:
                parameter.copy_((0.3 if name.endswith("bias") else spread) * noise)
            parameter.copy_(parameter.half().float())


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    if pooling == "cls":
        return states[:, 0]
    if pooling == "lasttoken":
        return states[torch.arange(len(states)), mask.sum(1) - 1]
    spread = mask.unsqueeze(-1).to(states.dtype)
    return (states * spread).sum(1) / spread.sum(1)


def number(value: float) -> float:
    return float(f"{value:.8e}")


def digest(gradient: torch.Tensor) -> dict:
    flat = gradient.detach().reshape(-1).double().numpy()
    positions = [(k * 104729 + 31) % flat.size for k in range(SAMPLES)]
    return {
        "max": number(np.abs(flat).max()),
        "norm": number(np.sqrt((flat**2).sum())),
        "samples": [number(flat[p]) for p in positions],
    }


def pseudo_random(count: int, spread: float) -> torch.Tensor:
    values = [((i * 7919 + 12345) % 20011) / 20011 - 0.5 for i in range(count)]
    return torch.from_numpy((np.array(values) * spread).astype(np.float32))


def compute_gradients(model, ids: list[list[int]], pooling: str, pad: int) -> dict:
    """Cross-entropy behind an output layer of known weights, as test/golden/make-finetune.py has it."""
    rows = [row[:TOKENS] for row in ids[-ROWS:]]
    rows = [row[: max(1, len(row) - i)] for i, row in enumerate(rows)]
    width = max(len(row) for row in rows)
    batch = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    model.double().zero_grad(set_to_none=True)
    states = model(input_ids=batch, attention_mask=mask).last_hidden_state
    embeddings = F.normalize(pool(states, mask, pooling))
    size = embeddings.shape[1]
    scale = math.sqrt(size)
    weight = pseudo_random(CLASSES * size, 1.0).double().reshape(CLASSES, size) / scale
    scores = scale * embeddings @ weight.T + pseudo_random(CLASSES, 0.2).double()
    loss = F.cross_entropy(scores, torch.arange(len(rows)) % CLASSES)
    loss.backward()
    stored: dict[str, list[torch.Tensor]] = {}
    for name, parameter in model.named_parameters():
        for pattern, text in RENAMED.get(model.config.model_type, []):
            name = re.sub(pattern, text, name)
        if parameter.grad is not None:
            stored.setdefault(name, []).append(parameter.grad)
    named = {name: digest(torch.cat(parts)) for name, parts in stored.items()}
    return {"rows": rows, "loss": number(loss.item()), "tensors": named}


@torch.no_grad()
def embed(model, ids: list[int], pooling: str) -> np.ndarray:
    batch = torch.tensor([ids])
    mask = torch.ones_like(batch)
    states = model(input_ids=batch, attention_mask=mask).last_hidden_state
    return F.normalize(pool(states, mask, pooling))[0].numpy()


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def save_folder(folder: Path, model, tokenizer: Tokenizer, pooling: str, hidden: int) -> None:
    # A copy: half() would round the wavelengths of rotary positions too, which are no weights.
    copy.deepcopy(model).half().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    modes = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken"}
    flags = {f"pooling_mode_{name}": name == modes[pooling] for name in modes.values()}
    write_json(folder / "1_Pooling/config.json", {"word_embedding_dimension": hidden, **flags})
    kinds = ["Transformer", "Pooling", "Normalize"]
    write_json(
        folder / "modules.json",
        [
            {
                "idx": i,
                "name": str(i),
                "path": f"{i}_{kind}" if i else "",
                "type": f"sentence_transformers.models.{kind}",
            }
            for i, kind in enumerate(kinds)
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": MAX_TOKENS, "do_lower_case": False})


def make(seed: int, name: str, tokenizer: Tokenizer) -> None:
    build, pooling, spread, reference = MODELS[name]
    torch.manual_seed(2000 + seed)
    model = build(tokenizer.get_vocab_size()).eval()
    randomize(model, spread)
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    hidden = model.config.hidden_size
    save_folder(folder, model, tokenizer, pooling, hidden)
    tokenizer.enable_truncation(MAX_TOKENS)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]
    tokenizer.no_truncation()
    vectors = np.stack([embed(model, row, pooling) for row in ids])
    closest = (vectors @ vectors.T - 2 * np.eye(len(vectors))).max()
    lengths = [len(row) for row in ids]
    gradients = compute_gradients(model, ids, pooling, 1)
    print(f"{name}: tokens {min(lengths)} to {max(lengths)}, closest pair has cosine {closest:.4f}")
    if closest > 0.9995:
        sys.exit(f"{name}: vectors are too alike to prove anything")
    items = ",\n".join(
        json.dumps({"text": text, "tokens": n, "vector": [float(f"{x:.8g}") for x in vector]}, ensure_ascii=False)
        for text, n, vector in zip(TEXTS, lengths, vectors)
    )
    tensors = ",\n".join(f"{json.dumps(n)}: {json.dumps(d)}" for n, d in gradients["tensors"].items())
    made = f"{reference or 'transformers ' + transformers.__version__}, float32 on the CPU, one text at a time"
    (folder / "expected.json").write_text(
        f'{{"made_with": {json.dumps(made)}, "pooling": {json.dumps(pooling)},\n"items": [\n{items}\n],\n'
        f'"gradients": {{"rows": {json.dumps(gradients["rows"])}, "loss": {gradients["loss"]}, "tensors": {{\n'
        f"{tensors}\n}}}}}}\n",
        encoding="utf-8",
    )


def main() -> None:
    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    wanted = sys.argv[1:] or list(MODELS)
    for seed, name in enumerate(MODELS):
        if name in wanted:
            make(seed, name, tokenizer)


if __name__ == "__main__":
    main()
