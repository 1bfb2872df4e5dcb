"""Writes minilm-goldens.json: token ids and vectors of the built-in encoder's original, by the reference library.

    pip install torch transformers sentence-transformers
    python test/golden/make-minilm-goldens.py PATH_TO/all-MiniLM-L6-v2

The weights are the published float32 ones; the product's are the same rounded to 16 bits.
"""

import json
import sys
from pathlib import Path

import sentence_transformers
import torch
from sentence_transformers import SentenceTransformer

TEXTS = [
    "Hello",
    "The kettle is on and the bread is still warm.",
    "How do I change the address on my library card?",
    "Café naïve: ÅNGSTRÖM, señor, œuvre!",
    "图书馆今天几点开门？ 𠮷野 𡃁",
    "Train 42 leaves at 07:15 — platform 3b, £12.50 🚆🙂",
    "unquestionably counterrevolutionary floccinaucinihilipilification",
    "A gardener plants a row of beans in spring, waters them every second evening, and by late summer "
    "there is enough for the whole street.",
    "Write the result to disk first, then rename the file: a reader sees the old version or the new one, "
    "never half of either. If the machine stops between the two steps, the next start finds a stray "
    "temporary file and removes it. Nothing else needs to know that anything happened.",
]


def main() -> None:
    torch.set_num_threads(1)
    model = SentenceTransformer(sys.argv[1], device="cpu", model_kwargs={"dtype": torch.float32})
    lines = []
    for text in TEXTS:
        ids = model.tokenize([text])["input_ids"][0].tolist()
        vector = model.encode([text], batch_size=1, convert_to_numpy=True)[0]
        item = {"text": text, "ids": ids, "vector": [float(f"{x:.9g}") for x in vector]}
        lines.append(json.dumps(item, ensure_ascii=False))
    head = {
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "made_with": f"sentence-transformers {sentence_transformers.__version__}, "
        "float32 on the CPU, one text at a time",
        "pooling": "mean",
        "normalize": True,
    }
    text = json.dumps(head, indent=2)[:-2] + ',\n  "items": [\n    ' + ",\n    ".join(lines) + "\n  ]\n}\n"
    Path(__file__).with_name("minilm-goldens.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
