"""Makes images.json: small images in many formats, what Pillow makes of them under the rules of an encoder's
preprocessing, and what ONNX Runtime gives for some of them with the built-in image encoder.

    python make-images.py ../../infra/models/efficientnet-lite0/model.onnx

Needs pillow, numpy, onnx and onnxruntime.
"""

import base64
import io
import json
import struct
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from PIL import Image, ImageOps

RESAMPLE = {"cubic": Image.BICUBIC, "linear": Image.BILINEAR, "lanczos3": Image.LANCZOS}
RULES = {
    "crop": {"rule": "shortest-edge", "size": 40, "interpolation": "cubic", "crop": "center", "width": 32, "height": 32},
    "exact": {"rule": "exact", "size": 36, "interpolation": "linear", "crop": "none", "width": 24, "height": 36},
    "sharp": {"rule": "shortest-edge", "size": 30, "interpolation": "lanczos3", "crop": "center", "width": 30, "height": 20},
}
BUILT_IN = {"rule": "shortest-edge", "size": 256, "interpolation": "cubic", "crop": "center", "width": 224, "height": 224}


def draw(width, height, seed):
    """A slope, rings and squares: smooth parts and edges, about as much of each as in a photo."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    blocks = np.random.default_rng(seed).integers(64, 192, (height // 24 + 1, width // 24 + 1))
    red = x * 255 / (width - 1)
    green = 127.5 + 127.5 * np.cos(np.hypot(x - width / 2, y - height / 2) / 12)
    blue = np.kron(blocks, np.ones((24, 24)))[:height, :width]
    return np.stack([red, green, blue], -1).round().astype(np.uint8)


def save(image, form, **options):
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def images():
    wide, tall = draw(143, 96, 1), draw(75, 160, 2)
    rgb = Image.fromarray(wide)
    alpha = np.random.default_rng(3).integers(0, 2, wide.shape[:2]) * 255
    rgba = Image.fromarray(np.dstack([wide, alpha.astype(np.uint8)]))
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "png": save(rgb, "PNG"),
        "jpeg": save(Image.fromarray(tall), "JPEG", quality=92),
        "progressive jpeg": save(rgb, "JPEG", quality=90, progressive=True),
        "webp": save(rgb, "WEBP", lossless=True),
        "turned jpeg": save(rgb, "JPEG", quality=95, exif=turned),
        "grey": save(rgb.convert("L"), "PNG"),
        "alpha": save(rgba, "PNG"),
        "palette": save(rgb.quantize(64), "PNG"),
        "tiny": save(rgb.resize((9, 7)), "PNG"),
    }


def prepare(data, spec):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    width, height = image.size
    size = spec["size"]
    if spec["rule"] == "exact":
        target = (spec["width"], spec["height"])
    elif width <= height:
        target = (size, size * height // width)
    else:
        target = (size * width // height, size)
    image = image.resize(target, RESAMPLE[spec["interpolation"]])
    left, top = (target[0] - spec["width"]) // 2, (target[1] - spec["height"]) // 2
    return np.asarray(image.crop((left, top, left + spec["width"], top + spec["height"])))


def widen(path):
    """The built-in network in float32, its weights as they are stored."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return onnxruntime.InferenceSession(model.SerializeToString())


def encode(data):
    return base64.b64encode(bytes(data)).decode()


def main(path):
    made = images()
    session = widen(path)
    vectors = {}
    for name in ("png", "jpeg", "alpha"):
        pixels = (prepare(made[name], BUILT_IN).astype(np.float32) - 127) / 128
        (pooled,) = session.run(["pooled"], {"pixel_values": pixels.transpose(2, 0, 1)[None]})
        norm = float(np.linalg.norm(pooled))
        vectors[name] = {"norm": round(norm, 4), "embedding": encode(struct.pack("<1280e", *(pooled[0] / norm)))}
    result = {
        "rules": RULES,
        "images": {
            name: {
                "file": encode(data),
                "expected": {rule: encode(prepare(data, spec).tobytes()) for rule, spec in RULES.items()},
            }
            for name, data in made.items()
        },
        "vectors": vectors,
    }
    with open("images.json", "w") as target:
        json.dump(result, target, indent=1)
        target.write("\n")


main(sys.argv[1])
