"""Writes tokenizers.json.gz: small tokenizers of every kind, texts, and the ids that Hugging Face's library gives.

    python test/golden/make-tokenizers.py

Needs tokenizers (0.23) and sentencepiece (0.2). The pieces are learnt from infra/examples/intents.csv and the texts.
"""

import base64
import csv
import gzip
import io
import json
import random
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

here = Path(__file__).parent
examples = [row[0] for row in csv.reader(open(here / "../../infra/examples/intents.csv"))][1:]

ODD = [
    "ΣΊΣΥΦΟΣ", "ΑΣ ΟΔΟΣ", "ｶﾞｷﾞ", "か\u3099 ハ\u309a ば ﾞ", "\u1112\u1161\u11ab \u1100\u1161\u11a8", "한국어 가나",
    "à\u0316\u0301 ä\u0308 e\u0301\u0302\u0303", "ﬁ\u0301 ﬃ", "İstanbul ß ẞ ŉ ΐ ǆ ſ", "\r\n\r\na\r\nb\r", "a\u200bb\u200dc",
    "👨\u200d👩\u200d👧 🇩🇪🇫🇷 ❤\ufe0f 1\ufe0f\u20e3", "①②③ ㍿ ½ ™ ℡ x²", "ﷺ ﷽", "\u0000a\ufeffx a\u00adb", "Å A\u030a Å \u2126",
    "１２３ ＡＢＣ ～~", "“quoted” ``q''", "a\u3000b\u00a0c\u0085d\u2028e", "tab\tnew\nline", "  lead", "trail  ", "x" * 120,
    "नमस्ते क\u094dष", "ไทยภาษา กำ \u0e33", "কি \u0f77", "𝔘𝔫𝔦 𝟙 \U0001d15e", "\u0345\u03b1 \u115f \u3164 \u034f", "؝ ،؟ \u166d",
    "我想听音乐。中文，没有空格", "日本語のテキスト、テスト", "don't can't we'll I'M", "\ufeff", "\u0085", "<s> x </s>", "a  b   c",
    "Größe Äpfel café naïve", "¡Hola! ¿Qué tal?", "привет мир, Ёлка", "שלום עולם", "مرحبا بالعالم", "\u2581x ▁ y",
]
BLOCKS = [
    (0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x400), (0x400, 0x460), (0x5D0, 0x5EB), (0x600, 0x660),
    (0x900, 0x970), (0xE00, 0xE5C), (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2100, 0x2190),
    (0x3000, 0x3100), (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFB00, 0xFB10), (0xFF00, 0xFFF0), (0x1F600, 0x1F640),
]
draw = random.Random(5)
pool = [chr(code) for block in BLOCKS for code in range(*block)]


def noise() -> str:
    mark = lambda: chr(draw.randint(0x300, 0x36F)) if draw.random() < 0.15 else ""
    space = lambda: " " if draw.random() < 0.1 else ""
    return "".join(draw.choice(pool) + mark() + space() for _ in range(draw.randint(1, 12)))


texts = ODD + examples[:60] + [noise() for _ in range(200)]
corpus = examples + ODD


def charsmap() -> bytes:
    """The map of nmt_nfkc, which published Unigram models carry, out of a model that is trained for it."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(examples * 4), model_writer=model, vocab_size=200, hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc", minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


CHARSMAP = charsmap()


def finish(tokenizer: Tokenizer, around: str | None) -> dict:
    if around:
        names = sorted(set(around.split()) - {"$A"})
        special = [(name, tokenizer.token_to_id(name)) for name in names]
        tokenizer.post_processor = processors.TemplateProcessing(single=around, special_tokens=special)
    return json.loads(tokenizer.to_str())


def unigram(normalizer, pre_tokenizer, special: list[str], around: str, unknown: str = "<unk>") -> dict:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.train_from_iterator(
        corpus, trainers.UnigramTrainer(vocab_size=700, special_tokens=special, unk_token=unknown, show_progress=False)
    )
    return finish(tokenizer, around)


def bpe(normalizer, pre_tokenizer, special: list[str], around: str | None, **options) -> dict:
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    suffix = options.get("end_of_word_suffix")
    alphabet = {} if pre_tokenizer is None else {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, show_progress=False, max_token_length=16, **alphabet,
        **({"end_of_word_suffix": suffix} if suffix else {}),
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return finish(tokenizer, around)


def wordpiece(lowercase: bool) -> dict:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        corpus, trainers.WordPieceTrainer(vocab_size=700, special_tokens=special, show_progress=False)
    )
    return finish(tokenizer, "[CLS] $A [SEP]")


def fallback(normalizer) -> dict:
    names = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    made = bpe(normalizer, None, names, None, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    made["added_tokens"] = [token for token in made["added_tokens"] if not token["content"].startswith("<0x")]
    return made


QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
precompiled = normalizers.Precompiled(CHARSMAP)
space = normalizers.Replace(" ", "▁")
by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)

tokenizers = {
    "wordpiece": wordpiece(True),
    "wordpiece, cased": wordpiece(False),
    "unigram of xlm-roberta": unigram(
        precompiled,
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        "<s> $A </s>",
    ),
    "unigram of t5": unigram(precompiled, pre_tokenizers.Metaspace(), ["<pad>", "</s>", "<unk>"], "$A </s>"),
    "unigram of deberta": unigram(
        normalizers.Sequence([normalizers.Strip(), precompiled, normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizers.Metaspace(),
        ["[PAD]", "[CLS]", "[SEP]", "[UNK]"],
        "[CLS] $A [SEP]",
        "[UNK]",
    ),
    "unigram of albert": unigram(
        normalizers.Sequence(
            [
                normalizers.Replace("``", '"'),
                normalizers.Replace("''", '"'),
                normalizers.NFKD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                precompiled,
            ]
        ),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        ["<pad>", "<unk>", "[CLS]", "[SEP]"],
        "[CLS] $A [SEP]",
    ),
    "bpe of qwen2": bpe(
        normalizers.NFC(),
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        ["<|endoftext|>"],
        "$A <|endoftext|>",
    ),
    "bpe of roberta": bpe(None, by_bytes, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>"),
    "bpe of clip": bpe(
        normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        ),
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), by_bytes]),
        ["<|startoftext|>", "<|endoftext|>"],
        "<|startoftext|> $A <|endoftext|>",
        end_of_word_suffix="</w>",
        unk_token="<|endoftext|>",
    ),
    "bpe of gemma": fallback(space),
    "bpe of mistral": fallback(normalizers.Sequence([normalizers.Prepend("▁"), space])),
}

MAP = base64.b64encode(CHARSMAP).decode()
ids = {}
for name, made in tokenizers.items():
    reference = Tokenizer.from_str(json.dumps(made))
    ids[name] = [reference.encode(text).ids for text in texts]
# The map stands once in the file; the tokenizers name it.
files = {name: json.dumps(made, ensure_ascii=False).replace(MAP, "CHARSMAP") for name, made in tokenizers.items()}
content = json.dumps({"charsmap": MAP, "texts": texts, "tokenizers": files, "ids": ids}, ensure_ascii=False)
(here / "tokenizers.json.gz").write_bytes(gzip.compress(content.encode("utf8", "surrogatepass"), 9, mtime=0))
