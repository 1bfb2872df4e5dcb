"""The models of make-architectures.py.

Each name has how it is built for a vocabulary, pooling, the spread of its random weights, and the reference where it is
not transformers.
"""

import transformers as t

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 48}
IDS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
LEARNED = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}


def roberta(config, model):
    return lambda vocabulary: model(
        config(vocab_size=vocabulary, **SIZES, **IDS, **LEARNED), add_pooling_layer=False
    )


def mpnet(vocabulary):
    config = t.MPNetConfig(vocab_size=vocabulary, max_position_embeddings=514, **SIZES, **IDS)
    return t.MPNetModel(config, add_pooling_layer=False)


def modernbert(vocabulary):
    config = t.ModernBertConfig(
        vocab_size=vocabulary,
        local_attention=24,
        global_attn_every_n_layers=2,
        cls_token_id=0,
        sep_token_id=2,
        **SIZES,
        **IDS,
    )
    config._attn_implementation = "eager"
    return t.ModernBertModel(config)


def nomic_bert(vocabulary):
    config = t.NomicBertConfig(vocab_size=vocabulary, layer_norm_eps=1e-12, **SIZES, **IDS)
    return t.NomicBertModel(config, add_pooling_layer=False)


# What transformers renames as it saves, as patterns of names; parts that it stacks are joined in this order.
RENAMED = {
    "nomic_bert": [
        (r"^layers", "encoder.layers"),
        (r"embeddings\.LayerNorm", "emb_ln"),
        (r"self_attn\.o_proj", "attn.out_proj"),
        (r"self_attn\.[qkv]_proj", "attn.Wqkv"),
        (r"up_proj", "fc11"),
        (r"gate_proj", "fc12"),
        (r"down_proj", "fc2"),
        (r"post_attention_layernorm", "norm1"),
        (r"post_mlp_layernorm", "norm2"),
    ],
}

MODELS = {
    "xlm-roberta": (roberta(t.XLMRobertaConfig, t.XLMRobertaModel), "cls", 0.25, None),
    "camembert": (roberta(t.CamembertConfig, t.CamembertModel), "mean", 0.25, None),
    "mpnet": (mpnet, "mean", 0.25, None),
    "modernbert": (modernbert, "mean", 0.15, None),
    "nomic_bert": (nomic_bert, "mean", 0.25, None),
}
