"""The models of make-architectures.py: name, how it is built for a vocabulary, pooling, reference where not transformers."""

import transformers as t

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 48}
IDS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
LEARNED = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}


def roberta(config, model):
    return lambda vocabulary: model(
        config(vocab_size=vocabulary, **SIZES, **IDS, **LEARNED), add_pooling_layer=False
    )


MODELS = {
    "xlm-roberta": (roberta(t.XLMRobertaConfig, t.XLMRobertaModel), "cls", None),
    "camembert": (roberta(t.CamembertConfig, t.CamembertModel), "mean", None),
}
