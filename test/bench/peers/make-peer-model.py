"""Exports all-MiniLM-L6-v2 the usual way, for the engines that Espalier is measured against.

    pip install torch transformers onnx onnxruntime
    python test/bench/peers/make-peer-model.py PATH_TO/all-MiniLM-L6-v2 OUTPUT_FOLDER
    PEER_MODEL=OUTPUT_FOLDER npm run bench

Writes onnx/model.onnx (float32, hidden states) and onnx/model_quantized.onnx (dynamic int8, per channel).
"""

import shutil
import sys
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import BertModel

FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]


class HiddenStates(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        output = self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        )
        return output.last_hidden_state


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    model = BertModel.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.tensor([[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {0: "batch_size", 1: "sequence_length"}
    path = target / "onnx" / "model.onnx"
    torch.onnx.export(
        HiddenStates(model),
        (ids, (ids != 0).long(), torch.zeros_like(ids)),
        str(path),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: axes for name in [*names, "last_hidden_state"]},
        opset_version=17,
        dynamo=False,
    )
    # Per channel: per tensor costs this encoder a lot of accuracy (cosine 0.91 instead of 0.99) and is no faster.
    quantized = path.with_name("model_quantized.onnx")
    quantize_dynamic(str(path), str(quantized), weight_type=QuantType.QInt8, per_channel=True)


if __name__ == "__main__":
    main()
