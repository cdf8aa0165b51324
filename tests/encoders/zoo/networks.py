"""Families of networks, each with mean pooling unless the family has another."""

import transformers
from sentence_transformers.sentence_transformer import modules
from tests.encoders import tiny
from tests.encoders.zoo.parts import SHAPE, VOCABULARY, WIDTH, bare, save, transformer


def pooled(config, mode="mean", **settings):
    def build(folder):
        return save(
            folder, transformer(folder, config(), **settings), modules.Pooling(WIDTH, mode), modules.Normalize()
        )

    return build


def modernbert():
    return transformers.ModernBertConfig(
        **SHAPE, global_attn_every_n_layers=2, local_attention=8, cls_token_id=0, sep_token_id=2
    )


def mistral():
    return transformers.MistralConfig(**SHAPE, num_key_value_heads=1, sliding_window=8)


def gemma3():
    return transformers.Gemma3TextConfig(
        **SHAPE, num_key_value_heads=1, head_dim=16, sliding_window=8, use_bidirectional_attention=True,
        layer_types=["sliding_attention", "full_attention"], query_pre_attn_scalar=16,
    )  # fmt: skip


def t5():
    return transformers.T5Config(
        vocab_size=VOCABULARY, d_model=WIDTH, d_kv=16, d_ff=64, num_layers=2, num_heads=2, pad_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip


def gpt2():
    return transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=WIDTH,
        n_layer=2,
        n_head=2,
        n_positions=70,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )


def embedding_gemma(folder):
    """EmbeddingGemma: Gemma 3 without a causal mask, mean pooling, two Dense modules, prompts."""
    dense = [modules.Dense(WIDTH, 64, bias=False, activation_function=None),
             modules.Dense(64, WIDTH, bias=False, activation_function=None)]  # fmt: skip
    prompts = {"query": "query : ", "document": "book : "}
    stack = [transformer(folder, gemma3()), modules.Pooling(WIDTH, "mean"), *dense, modules.Normalize()]
    return save(folder, *stack, prompts=prompts)


def clip_text(folder):
    """The text half of CLIP, as today's releases save it."""
    config = transformers.CLIPTextConfig(**SHAPE, projection_dim=WIDTH)
    network = transformers.CLIPTextModelWithProjection(config)
    path = bare(folder, network=network)
    return save(folder, modules.Transformer(str(path)), modules.Pooling(WIDTH, "mean"))


def sentence_t5(folder):
    """GTR and sentence-t5: the encoder half, a Dense module without bias, and unit length."""
    dense = modules.Dense(WIDTH, WIDTH, bias=False, activation_function=None)
    return save(folder, transformer(folder, t5()), modules.Pooling(WIDTH, "mean"), dense, modules.Normalize())


NETWORKS = {
    **{family: pooled(lambda family=family: tiny.config(family)) for family in tiny.CONFIGS if family != "modernbert"},
    "modernbert, local attention": pooled(modernbert),
    "mistral, sliding window": pooled(mistral, "lasttoken"),
    "qwen3": pooled(lambda: transformers.Qwen3Config(**SHAPE, num_key_value_heads=1, head_dim=16), "lasttoken"),
    "llama": pooled(lambda: transformers.LlamaConfig(**SHAPE, num_key_value_heads=1)),
    "gemma3, both sides": pooled(gemma3),
    "gpt2": pooled(gpt2, "weightedmean"),
    "t5 encoder": pooled(t5),
    "electra": pooled(lambda: transformers.ElectraConfig(**SHAPE, embedding_size=16)),
    "deberta-v2": pooled(
        lambda: transformers.DebertaV2Config(**SHAPE, relative_attention=True, pos_att_type=["c2p", "p2c"])
    ),
    "modernbert": pooled(lambda: transformers.ModernBertConfig(**SHAPE, cls_token_id=0, sep_token_id=2)),
    "albert": pooled(lambda: transformers.AlbertConfig(**SHAPE, embedding_size=16)),
    "embedding gemma": embedding_gemma,
    "sentence-t5, gtr": sentence_t5,
    "clip text": clip_text,
}
