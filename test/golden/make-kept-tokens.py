"""Writes kept-tokens.json: a small Unigram tokenizer, tokens that stay, and what Hugging Face's tokenizers make of texts
with a model that has those alone.  pip install tokenizers==0.23.1; python make-kept-tokens.py"""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "the weather in the northern mountains was wonderful yesterday",
    "weathering northernmost wonders",
    "das Wetter in den Bergen war gestern wunderbar",
    "la météo était merveilleuse hier dans les montagnes",
    "昨天山里的天气很好",
    "вчера в горах была чудесная погода",
    "the the the mountain, mountains; wonder!",
    "xylophone jazz 12345",
]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def build(model):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


first = build(models.Unigram())
trainer = trainers.UnigramTrainer(vocab_size=220, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
first.train_from_iterator(TEXTS * 20, trainer)
vocabulary = [(piece, score) for piece, score in json.loads(first.to_str())["model"]["vocab"]]
# At the end, so that its id changes.
vocabulary = [entry for entry in vocabulary if entry[0] != "</s>"] + [("</s>", 0.0)]
LAST = len(vocabulary) - 1
whole = build(models.Unigram(vocabulary, 2))
whole.add_special_tokens(SPECIAL)
whole.post_processor = processors.TemplateProcessing(
    single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", LAST)]
)
longer = [piece for piece, _ in vocabulary if len(piece) > 1 and piece not in SPECIAL]
keep = longer[::3]
stay = [(p, s) for p, s in vocabulary if p in SPECIAL or len(p) == 1 or p in keep]
pruned = build(models.Unigram(stay, [p for p, _ in stay].index("<unk>")))
pruned.add_special_tokens(SPECIAL)
golden = {
    "tokenizer": json.loads(whole.to_str()),
    "keep": keep,
    "texts": [
        {"text": text, "before": whole.encode(text).tokens[1:-1], "after": pruned.encode(text).tokens}
        for text in TEXTS
    ],
    "vocabulary": [piece for piece, _ in stay],
}
path = Path(__file__).with_name("kept-tokens.json")
path.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
