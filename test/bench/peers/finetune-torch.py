"""Takes training steps of a BERT encoder in PyTorch: the peer of the bench's part "finetune".

    python finetune-torch.py MODEL_FOLDER '{"threads": 2, "layers": 6}'

Reads one request a line, {"batch": 16, "tokens": 32, "count": 5}, and answers with medians as one line of JSON.
The first line says how fast PyTorch multiplies matrices on one thread: on processors of other makers Intel's
library takes a slow path, less than half as fast as oneDNN. To compare fairly there, preload one function:

    echo 'int mkl_serv_intel_cpu_true(void) { return 1; }' | cc -shared -fPIC -xc - -o unlock-mkl.so
    LD_PRELOAD=$PWD/unlock-mkl.so npm run bench -- finetune
"""

import json
import math
import statistics
import sys
import time

import torch
import torch.nn.functional as F
import transformers
from transformers import BertModel

CLASSES = 6


def gemm_speed() -> float:
    """GFLOP/s of one of the encoder's own products on one thread."""
    torch.set_num_threads(1)
    a, b = torch.randn(512, 384), torch.randn(384, 1536)
    best = math.inf
    for _ in range(30):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * 512 * 384 * 1536 / best / 1e9


class Trainer:
    def __init__(self, folder: str, layers: int):
        self.model = BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32)
        # Training mode without dropout, as our graph has none.
        self.model.eval()
        self.first = self.model.config.num_hidden_layers - layers
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        self.layers = self.model.encoder.layer[self.first :]
        trained = [p for layer in self.layers for p in layer.parameters()]
        for parameter in trained:
            parameter.requires_grad_(True)
        self.head = torch.nn.Linear(self.model.config.hidden_size, CLASSES)
        self.trained = trained + list(self.head.parameters())
        self.optimiser = torch.optim.AdamW(self.trained, lr=1e-4, weight_decay=0.01, fused=True)
        self.inputs = {}

    def batch(self, rows: int, tokens: int):
        key = (rows, tokens)
        if key not in self.inputs:
            ids = torch.tensor([1000 + (i * 7919) % 20000 for i in range(rows * tokens)])
            states = torch.rand(rows, tokens, self.model.config.hidden_size) - 0.5
            self.inputs[key] = (ids.reshape(rows, tokens), states)
        return self.inputs[key]

    def step(self, rows: int, tokens: int):
        ids, states = self.batch(rows, tokens)
        mask = torch.ones(rows, tokens, dtype=torch.long)
        labels = torch.arange(rows) % CLASSES
        start = time.perf_counter()
        if self.first == 0:
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        else:
            # As the product trains upper layers: on states that the lower ones left, computed before.
            for layer in self.layers:
                states = layer(states)
                states = states[0] if isinstance(states, tuple) else states
        spread = mask.unsqueeze(-1).float()
        embeddings = F.normalize((states * spread).sum(1) / spread.sum(1))
        loss = F.cross_entropy(self.head(embeddings * math.sqrt(embeddings.shape[1])), labels)
        loss.backward()
        passed = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0, foreach=True)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        done = time.perf_counter()
        return 1000 * (passed - start), 1000 * (done - start), loss.item()


def main() -> None:
    folder, options = sys.argv[1], json.loads(sys.argv[2])
    transformers.logging.set_verbosity_error()
    speed = gemm_speed()
    torch.set_num_threads(options["threads"])
    trainer = Trainer(folder, options["layers"])
    version = torch.__version__.split("+")[0]
    print(json.dumps({"detail": f"PyTorch {version}, {speed:.0f} GFLOP/s on one thread"}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        steps = [trainer.step(request["batch"], request["tokens"]) for _ in range(request["count"])]
        answer = {
            "passMs": statistics.median(step[0] for step in steps),
            "stepMs": statistics.median(step[1] for step in steps),
            "loss": steps[-1][2],
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
