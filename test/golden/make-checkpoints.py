"""Makes tiny random encoders of every supported shape, with the reference library's own vectors.

Each folder of test/golden/checkpoints is what sentence-transformers (or transformers) saves, plus an
expected.json: texts, token ids and vectors as sentence-transformers computes them in float32 on the CPU.

    pip install torch transformers sentence-transformers onnx onnxscript
    python test/golden/make-checkpoints.py
"""

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

ROOT = Path(__file__).parent / "checkpoints"
HIDDEN, HEADS, MAX_TOKENS = 32, 4, 48

WORDS = """the a of to and in is it that was for on are with as at be this have from or one had by word but not
what all were we when your can said there use each which she do how their if will up other about out many then
them these so some her would make like him into time has look two more write go see number no way could people
my than first water been call who its now find long down day did get come made may part""".split()
PIECES = "s ing ed er ly tion al es ment able est ness".split()
EXTRA = "é ß ñ 中 文 你 好 世 界 日 本 語 한 글 а б в 𠮷 𠀋 🙂 🎉 👩 💻 € ½".split()

TEXTS = [
    ".",
    "the",
    "We can write more than one word.",
    "What number of people would come in from the long way down to find water this time?",
    "Café, naïve ÉCOLE, straße and señor",
    "你好世界。これは日本語の文です",
    "𠮷野家 and 𠀋𠀀𡃁 are made of astral characters",
    "party 🎉🙂 time 👩‍💻 with emoji 🇫🇷",
    "ПРИВЕТ, абв! 한글 עברית العربية ไทย",
    "a\tb\nc  d   e -- f/g_h (i) [j] {k} #1 @2 50% $3.99 x^2 <s> </s> </w>",
    "unbelievablylongwordwithoutanyspacesinitatall" * 3,
    "So many people said it was not the first time that they could see the water." * 8,
]


@dataclass
class Spec:
    """One folder: architecture, pooling and what is special about it."""

    name: str
    kind: str
    pooling: str = "mean"
    dtype: torch.dtype = torch.float32
    normalize: bool = True
    dense: tuple[int, str, bool] | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    modules: bool = True
    onnx: bool = False
    layers: int = 2
    # The layout that sentence-transformers wrote up to its version 5, as most published folders have it.
    legacy: bool = False


SPECS = [
    Spec("bert-mean", "bert"),
    Spec("bert-cls-f16", "bert", "cls", dtype=torch.float16, legacy=True),
    Spec("bert-max-bf16", "bert", "max", dtype=torch.bfloat16, layers=3),
    Spec("bert-mean-dense", "bert", dense=(24, "tanh", True), legacy=True),
    Spec("bert-mean-unnormalized", "bert", normalize=False),
    Spec(
        "bert-cls-prompts",
        "bert",
        "cls",
        prompts={"query": "find the word: ", "document": ""},
        default_prompt="query",
        legacy=True,
    ),
    Spec("bert-plain", "bert", normalize=False, modules=False),
    Spec("distilbert-mean", "distilbert", legacy=True),
    Spec("distilbert-cls", "distilbert", "cls"),
    Spec("roberta-mean", "roberta", legacy=True),
    Spec("roberta-max-dense", "roberta", "max", dense=(40, "identity", False)),
    Spec("onnx-mean", "bert", onnx=True),
]


def make_wordpiece() -> PreTrainedTokenizerFast:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    letters += [letter for letter in EXTRA if letter not in letters]
    continued = ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"] + ["##" + p for p in PIECES]
    vocab = list(dict.fromkeys(special + letters + WORDS + continued))
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=MAX_TOKENS,
    )


def make_byte_bpe() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 4 + EXTRA, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=("</s>", 2), cls_token=("<s>", 0), add_prefix_space=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=MAX_TOKENS,
    )


def make_model(spec: Spec, vocab_size: int) -> torch.nn.Module:
    common = {"vocab_size": vocab_size}
    bert = {
        "hidden_size": HIDDEN,
        "num_attention_heads": HEADS,
        "num_hidden_layers": spec.layers,
        "intermediate_size": 48,
    }
    if spec.kind == "distilbert":
        config = DistilBertConfig(
            dim=HIDDEN,
            n_heads=HEADS,
            n_layers=spec.layers,
            hidden_dim=48,
            max_position_embeddings=64,
            **common,
        )
        return DistilBertModel(config)
    if spec.kind == "roberta":
        # Positions start at pad_token_id + 1: two rows more than the longest text.
        config = RobertaConfig(
            max_position_embeddings=MAX_TOKENS + 2,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            **common,
            **bert,
        )
        return RobertaModel(config)
    config = BertConfig(max_position_embeddings=64, **common, **bert)
    # A folder saved from a task model carries the `bert.` prefix and tensors that an encoder ignores.
    return BertModel(config) if spec.modules else BertForMaskedLM(config)


def randomize(module: torch.nn.Module) -> None:
    """Fills every parameter, biases and LayerNorm included, so that none can be forgotten unseen."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "LayerNorm.weight" in name or "layer_norm.weight" in name:
                parameter.copy_(1 + 0.3 * torch.randn_like(parameter))
            elif "word_embeddings" in name:
                parameter.copy_(torch.randn_like(parameter))
            else:
                scale = 0.3 if name.endswith("bias") else 0.25
                parameter.copy_(scale * torch.randn_like(parameter))


def save_folder(spec: Spec, folder: Path) -> None:
    tokenizer = make_byte_bpe() if spec.kind == "roberta" else make_wordpiece()
    model = make_model(spec, len(tokenizer)).eval()
    randomize(model)
    plain = folder.with_name(folder.name + ".plain")
    model.to(spec.dtype).save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    if not spec.modules:
        plain.rename(folder)
        return
    transformer = Transformer(
        str(plain), max_seq_length=MAX_TOKENS, model_kwargs={"dtype": spec.dtype}
    )
    modules = [transformer, Pooling(HIDDEN, pooling_mode=spec.pooling)]
    if spec.dense is not None:
        size, activation, bias = spec.dense
        function = torch.nn.Tanh() if activation == "tanh" else torch.nn.Identity()
        dense = Dense(HIDDEN, size, bias=bias, activation_function=function)
        randomize(dense)
        modules.append(dense)
    if spec.normalize:
        modules.append(Normalize())
    SentenceTransformer(
        modules=modules, prompts=spec.prompts or None, default_prompt_name=spec.default_prompt
    ).save(str(folder), create_model_card=False)
    shutil.rmtree(plain)
    if spec.legacy:
        rewrite_layout(folder)


def rewrite_layout(folder: Path) -> None:
    """Turns the newest layout into the older one: module names, pooling flags, length in its own file."""
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules:
        module["type"] = "sentence_transformers.models." + module["type"].rsplit(".", 1)[1]
        path = folder / module["path"] / "config.json"
        if module["type"].endswith("Normalize"):
            path.unlink()
        elif module["type"].endswith("Dense"):
            keep = ("in_features", "out_features", "bias", "activation_function")
            dense = json.loads(path.read_text())
            write_json(path, {key: dense[key] for key in keep})
        elif module["type"].endswith("Pooling"):
            pooling = json.loads(path.read_text())
            modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
            flags = {
                f"pooling_mode_{mode}": mode in (f"{pooling['pooling_mode']}_{end}" for end in ("token", "tokens"))
                for mode in modes
            }
            size = pooling["embedding_dimension"]
            write_json(path, {"word_embedding_dimension": size, **flags, "include_prompt": True})
    write_json(folder / "modules.json", modules)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": MAX_TOKENS, "do_lower_case": False})
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    write_json(folder / "tokenizer_config.json", {**tokenizer, "model_max_length": MAX_TOKENS + 8})


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


class HiddenStates(torch.nn.Module):
    """The usual interface of an exported encoder: ids, mask and types in, hidden states out."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        output = self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        )
        return output.last_hidden_state


def replace_by_onnx(folder: Path) -> None:
    model = BertModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    (folder / "onnx").mkdir()
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 7, 3, 0, 0]])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    dynamic = {0: "batch_size", 1: "sequence_length"}
    torch.onnx.export(
        HiddenStates(model.eval()),
        (ids, (ids != 0).long(), torch.zeros_like(ids)),
        str(folder / "onnx" / "model.onnx"),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: dynamic for name in [*names, "last_hidden_state"]},
        opset_version=17,
        dynamo=False,
    )
    (folder / "model.safetensors").unlink()


def compute_expected(spec: Spec, folder: Path) -> dict:
    # Half-precision weights are widened: the reference computes in float32 like everything else here.
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    if not spec.modules:
        model.max_seq_length = MAX_TOKENS
    items = []
    for text in TEXTS:
        prompted = spec.prompts.get(spec.default_prompt or "", "") + text
        ids = model.tokenize([prompted])["input_ids"][0].tolist()
        vector = model.encode([text], batch_size=1, convert_to_numpy=True)[0]
        items.append({"text": text, "ids": ids, "vector": [float(f"{x:.9g}") for x in vector]})
    vectors = np.array([item["vector"] for item in items])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    closest = (unit @ unit.T - 2 * np.eye(len(unit))).max()
    print(f"{spec.name}: dimension {vectors.shape[1]}, closest pair has cosine {closest:.4f}")
    if closest > 0.999:
        sys.exit(f"{spec.name}: vectors are too alike to prove anything")
    return {
        "made_with": f"sentence-transformers {sentence_transformers.__version__}, "
        f"transformers {transformers.__version__}, float32 on the CPU, one text at a time",
        "pooling": spec.pooling,
        "normalize": spec.normalize,
        "dimension": vectors.shape[1],
        "max_tokens": MAX_TOKENS,
        "default_prompt": spec.default_prompt,
        "items": items,
    }


def write_expected(path: Path, expected: dict) -> None:
    """Pretty JSON with one line per item."""
    items = ",\n    ".join(json.dumps(item, ensure_ascii=False) for item in expected.pop("items"))
    head = json.dumps(expected, indent=2)
    path.write_text(head[:-2] + ',\n  "items": [\n    ' + items + "\n  ]\n}\n", encoding="utf-8")


def main() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    for seed, spec in enumerate(SPECS):
        torch.manual_seed(1000 + seed)
        folder = ROOT / spec.name
        save_folder(spec, folder)
        expected = compute_expected(spec, folder)
        if spec.onnx:
            replace_by_onnx(folder)
        write_expected(folder / "expected.json", expected)


if __name__ == "__main__":
    main()
