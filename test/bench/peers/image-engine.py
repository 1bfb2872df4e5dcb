"""Encodes the pictures of a folder with Pillow and ONNX Runtime, as a script would: for comparison with Espalier.

    python image-engine.py MODEL.onnx FOLDER THREADS

Speaks lines: prints "ready" once it is loaded, then the milliseconds of a pass over all pictures for each line
that it reads. With one thread, pictures run one after the other and ONNX Runtime has its default threads; with
more, each thread decodes and runs pictures with one intra-op thread of its own.

Needs numpy, onnxruntime and pillow.
"""

import io
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

SIZE, CROP = 256, 224


def main(model, folder, threads):
    files = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    options = onnxruntime.SessionOptions()
    if threads > 1:
        options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    name = session.get_inputs()[0].name

    def encode(data):
        image = Image.open(io.BytesIO(data)).convert("RGB")
        width, height = image.size
        short = min(width, height)
        image = image.resize((width * SIZE // short, height * SIZE // short), Image.BICUBIC)
        left, top = (image.width - CROP) // 2, (image.height - CROP) // 2
        pixels = np.asarray(image.crop((left, top, left + CROP, top + CROP)), dtype=np.float32)
        tensor = ((pixels - 127) / 128).transpose(2, 0, 1)[None]
        return session.run(["espalier.embedding"], {name: np.ascontiguousarray(tensor)})[0][0]

    pool = ThreadPoolExecutor(threads) if threads > 1 else None
    run = pool.map if pool else map
    list(run(encode, files[:4]))
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        vectors = list(run(encode, files))
        print(1000 * (time.perf_counter() - start), len(vectors), flush=True)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
