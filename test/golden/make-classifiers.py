"""Makes tiny random classifiers of every architecture that has them, with the probabilities of transformers.

Each folder of test/golden/classifiers is what transformers saves, plus an expected.json: texts and probabilities as a
`…ForSequenceClassification` computes them in float32 on the CPU, one text at a time.

    pip install torch transformers sentence-transformers onnx onnxscript
    python test/golden/make-classifiers.py
"""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import torch
import transformers

HERE = Path(__file__).parent
ROOT = HERE / "classifiers"
spec = importlib.util.spec_from_file_location("checkpoints", HERE / "make-checkpoints.py")
checkpoints = importlib.util.module_from_spec(spec)
sys.modules["checkpoints"] = checkpoints
spec.loader.exec_module(checkpoints)

HIDDEN, HEADS, LAYERS = checkpoints.HIDDEN, checkpoints.HEADS, 2
SENTIMENT = ["negative", "neutral", "positive"]
TOPICS = ["sport", "news", "weather", "travel"]
LABELS = {
    "bert-sentiment": (SENTIMENT, "single_label_classification"),
    "distilbert-topics": (TOPICS, "multi_label_classification"),
    # Two labels that nobody named, and no problem_type: the form of many published folders.
    "roberta-plain": (None, None),
    "mpnet-topics": (TOPICS, "single_label_classification"),
}


def make_config(name: str, vocab_size: int):
    labels, problem = LABELS[name]
    named = {"id2label": dict(enumerate(labels)), "label2id": {l: i for i, l in enumerate(labels)}} if labels else {}
    common = {"vocab_size": vocab_size, "problem_type": problem, **named}
    sizes = {
        "hidden_size": HIDDEN,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "intermediate_size": 48,
    }
    if name.startswith("distilbert"):
        return transformers.DistilBertConfig(
            dim=HIDDEN, n_heads=HEADS, n_layers=LAYERS, hidden_dim=48, max_position_embeddings=64, **common
        )
    if name.startswith("roberta"):
        return transformers.RobertaConfig(
            max_position_embeddings=checkpoints.MAX_TOKENS + 2,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            **common,
            **sizes,
        )
    if name.startswith("mpnet"):
        return transformers.MPNetConfig(
            max_position_embeddings=checkpoints.MAX_TOKENS + 2,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            **common,
            **sizes,
        )
    return transformers.BertConfig(max_position_embeddings=64, **common, **sizes)


def main() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    for seed, name in enumerate(LABELS):
        torch.manual_seed(2000 + seed)
        folder = ROOT / name
        tokenizer = checkpoints.make_byte_bpe() if name.startswith(("roberta", "mpnet")) else checkpoints.make_wordpiece()
        model = transformers.AutoModelForSequenceClassification.from_config(make_config(name, len(tokenizer))).eval()
        checkpoints.randomize(model)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        items = []
        for text in checkpoints.TEXTS:
            batch = tokenizer(text, truncation=True, return_tensors="pt")
            batch.pop("token_type_ids", None)
            with torch.no_grad():
                logits = model(**batch).logits[0]
            several = LABELS[name][1] == "multi_label_classification"
            found = torch.sigmoid(logits) if several else torch.softmax(logits, -1)
            items.append({"text": text, "probabilities": [float(f"{x:.9g}") for x in found.tolist()]})
        expected = {
            "made_with": f"transformers {transformers.__version__}, float32 on the CPU, one text at a time",
            "labels": [model.config.id2label[i] for i in range(model.config.num_labels)],
            "several": several,
            "items": items,
        }
        checkpoints.write_expected(folder / "expected.json", expected)
        spread = torch.tensor([item["probabilities"] for item in items]).std(0).max()
        print(f"{name}: {len(expected['labels'])} labels, largest spread of a probability {spread:.3f}")
        if spread < 0.05:
            sys.exit(f"{name}: answers are too alike to prove anything")


if __name__ == "__main__":
    main()
