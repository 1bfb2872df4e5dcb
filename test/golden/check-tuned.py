"""Loads a fine-tuned folder in transformers: every tensor must find its place, and the vectors be numbers.
Needs torch and transformers.

    python test/golden/check-tuned.py FOLDER
"""

import sys

import torch
from transformers import AutoModel, AutoTokenizer

folder = sys.argv[1]
model, info = AutoModel.from_pretrained(folder, output_loading_info=True)
print({name: sorted(found) if isinstance(found, (set, list)) else found for name, found in info.items()})
assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")), "keys differ"
assert all(tensor.dtype == torch.float32 for tensor in model.state_dict().values() if tensor.is_floating_point())

tokenizer = AutoTokenizer.from_pretrained(folder)
batch = tokenizer(["A cat sleeps on the mat.", "Der Zug kommt um acht."], padding=True, return_tensors="pt")
with torch.no_grad():
    states = model.eval()(**batch).last_hidden_state
mask = batch["attention_mask"].unsqueeze(-1).float()
vectors = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
assert torch.isfinite(vectors).all()
print("all keys matched; first numbers", [round(float(value), 6) for value in vectors[0, :4]])
