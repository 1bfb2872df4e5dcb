"""Makes folders whose tokenizers lie in vocab.txt or in a model of SentencePiece, with what transformers makes of them.

    pip install transformers sentencepiece protobuf tokenizers
    python test/golden/make-vocabularies.py
"""

import json
import random
import shutil
import tempfile
from pathlib import Path

import sentencepiece
import transformers
from transformers import AutoTokenizer

ROOT = Path(__file__).parent
TARGET = ROOT / "vocabularies"

TEXTS = [
    "",
    " ",
    "the",
    "The first people could find water by the long way down.",
    "  two  spaces   and\ttabs\nand lines  ",
    "Café, naïve ÉCOLE, straße and señor",
    "你好世界。これは日本語の文です",
    "ｆｕｌｌ ｗｉｄｔｈ ｶﾞｷﾞ か\u3099 ﬁ ½ ①",
    "ПРИВЕТ, абв! 한글 עברית العربية ไทย",
    "a-b/c_d (e) [f] {g} #1 @2 50% $3.99 x^2 <s> </s> </w> <mask> [MASK] [CLS] new1 NEW2x",
    "unbelievablylongwordwithoutanyspacesinitatall" * 3,
    "e\u0301 e\u0301\u0302 \u200b\ufeff\u00ad zero",
    "emoji 🎉🙂 👩‍💻 🇫🇷",
    "ΣΊΣΥΦΟΣ İstanbul ǅ",
    "don't can't it's I'm",
    "'quoted' ``ticks'' \"double\"",
    "１２３，４５６",
    "▁under▁lines▁",
]


def random_texts(count: int) -> list[str]:
    source = random.Random(5)
    pools = ["abcdefgh the ing ", "éßñÀ ", "中文你好 ", "кирилл ", "かなカナ ", " .,!?-'\"", "  ", "12３４ ", "ABC "]
    return ["".join(source.choice(source.choice(pools)) for _ in range(source.randint(1, 40))) for _ in range(count)]


def train(folder: Path, name: str, **options) -> None:
    """A model of a few hundred pieces, with the normalisation of sentencepiece's own default."""
    corpus = folder / "corpus.txt"
    words = json.loads((ROOT / "checkpoints/bert-mean/tokenizer.json").read_text())["model"]["vocab"]
    plain = [w.replace("##", "") for w in words if not w.startswith("[")]
    source = random.Random(1)
    lines = [" ".join(source.choice(plain) for _ in range(12)) for _ in range(600)] + TEXTS[3:] * 3
    corpus.write_text("\n".join(line.replace("\n", " ") for line in lines))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "spm"), vocab_size=320, model_type="unigram",
        hard_vocab_limit=False, minloglevel=2, num_threads=1, character_coverage=0.995, **options)
    (folder / "spm.model").rename(folder / name)
    (folder / "spm.vocab").unlink()
    corpus.unlink()


def write(folder: Path, name: str, value: object) -> None:
    (folder / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def expect(folder: Path) -> None:
    # What transformers keeps beside the files would be read in their place: it works on a copy.
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        tokenizer = AutoTokenizer.from_pretrained(copy)
    items = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in TEXTS + random_texts(60)]
    made_with = f"transformers {transformers.__version__}, {type(tokenizer).__name__}"
    lines = ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in items)
    text = '{"made_with": %s, "items": [\n  %s\n]}\n' % (json.dumps(made_with), lines)
    (folder / "expected.json").write_text(text)
    print(folder.name, made_with, items[3]["ids"])


def bert(name: str, config: dict, words: list[str], more: dict | None = None) -> None:
    folder = TARGET / name
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    write(folder, "config.json", {"model_type": "bert"})
    write(folder, "tokenizer_config.json", config)
    for file, value in (more or {}).items():
        write(folder, file, value)
    expect(folder)


def main() -> None:
    shutil.rmtree(TARGET, ignore_errors=True)
    vocabulary = json.loads((ROOT / "checkpoints/bert-mean/tokenizer.json").read_text())["model"]["vocab"]
    words = [word for word, _ in sorted(vocabulary.items(), key=lambda item: item[1])]
    upper = words + ["The", "A", "##B", "É", "ÉCOLE"]
    bert("bert", {"tokenizer_class": "BertTokenizer", "do_lower_case": True}, words)
    bert("bert-cased", {"tokenizer_class": "BertTokenizer", "do_lower_case": False}, upper)
    bert("bert-accents", {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "strip_accents": False}, words)
    bert("bert-whole-chinese", {"tokenizer_class": "BertTokenizer", "do_lower_case": True,
                                "tokenize_chinese_chars": False}, words)
    bert("bert-duplicates", {"tokenizer_class": "BertTokenizer", "do_lower_case": True}, words + ["the", "", "of"])
    bert("distilbert", {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": True}, words)
    names = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "[UNK]", "mask_token": "<mask>"}
    swap = {"[CLS]": "<s>", "[SEP]": "</s>", "[PAD]": "<pad>", "[MASK]": "<mask>"}
    bert("mpnet", {"tokenizer_class": "MPNetTokenizer", "do_lower_case": True, **names},
         [swap.get(word, word) for word in words])
    for name, kind, file in [("xlm-roberta", "XLMRobertaTokenizer", "sentencepiece.bpe.model"),
                             ("camembert", "CamembertTokenizer", "sentencepiece.bpe.model"),
                             ("t5", "T5Tokenizer", "spiece.model")]:
        folder = TARGET / name
        folder.mkdir(parents=True)
        write(folder, "config.json", {"model_type": name})
        extra = {"extra_ids": 4} if name == "t5" else {}
        write(folder, "tokenizer_config.json", {"tokenizer_class": kind, **extra})
        ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1} if name == "t5" else {}
        train(folder, file, **ids)
        expect(folder)


if __name__ == "__main__":
    main()
