"""Makes files as torch.save writes them, of the encoder in checkpoints/bert-mean and of odd tensors.

    pip install torch safetensors numpy
    python test/golden/make-torch.py
"""

import collections
import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parent
TARGET = ROOT / "torch"


def odd_tensors() -> dict[str, torch.Tensor]:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    return collections.OrderedDict(
        plain=base,
        transposed=base.t(),
        slice=base[1:3, 2:5],
        column=base[:, 3],
        half=(base * 3).half(),
        bfloat=(base * 5).bfloat16(),
        double=base.double(),
        count=torch.tensor(7, dtype=torch.int64),
        flags=torch.tensor([True, False]),
        empty=torch.zeros(0, 3),
        scalar=torch.tensor(0.5),
        one_row=base[2:3],
        parameter=torch.nn.Parameter(torch.ones(2, 2) / 3, requires_grad=True),
    )


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/espalier-pickle-was-run",)


def save(name: str, value: object, zipped: bool) -> None:
    torch.save(value, TARGET / name, _use_new_zipfile_serialization=zipped)


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    weights = collections.OrderedDict(load_file(ROOT / "checkpoints/bert-mean/model.safetensors"))
    # What a Module's state_dict carries beside its tensors.
    weights._metadata = collections.OrderedDict({"": {"version": 1}})
    save("weights-zip.bin", weights, True)
    save("weights-legacy.bin", weights, False)
    odd = odd_tensors()
    save("odd-zip.bin", odd, True)
    save("odd-legacy.bin", odd, False)
    save("evil-zip.bin", {"weight": Evil()}, True)
    save("evil-legacy.bin", {"weight": Evil()}, False)
    save("module.bin", torch.nn.Linear(2, 2), True)
    save("numbers.bin", {"epoch": 3, "names": ["a"]}, True)
    kinds = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    expected = {
        name: {
            "type": kinds.get(tensor.dtype, str(tensor.dtype)),
            "shape": list(tensor.shape),
            "values": tensor.detach().double().reshape(-1).tolist(),
        }
        for name, tensor in odd.items()
    }
    made_with = f"torch {torch.__version__.split('+')[0]}"
    text = json.dumps({"made_with": made_with, "tensors": expected}, indent=1)
    (TARGET / "odd.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
