"""Makes photos.json: what Pillow makes of photographs under the rule of the built-in image encoder, every 151st value.

    python make-photos.py ../../../shared/data/images/imagenet-samples

Needs pillow and numpy.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIZE, CROP = 256, 224
EVERY_PHOTO, EVERY_VALUE = 4, 151


def prepare(path):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    short = min(width, height)
    image = image.resize((width * SIZE // short, height * SIZE // short), Image.BICUBIC)
    left, top = (image.width - CROP) // 2, (image.height - CROP) // 2
    return np.asarray(image.crop((left, top, left + CROP, top + CROP))).reshape(-1)


paths = sorted(Path(sys.argv[1]).iterdir())[::EVERY_PHOTO]
photos = {path.name: base64.b64encode(prepare(path)[::EVERY_VALUE].tobytes()).decode() for path in paths}
with open("photos.json", "w") as target:
    json.dump({"every": EVERY_VALUE, "photos": photos}, target, indent=1)
    target.write("\n")
