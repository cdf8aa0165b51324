"""Pipelines of modules, each with something that is not Transformer, Pooling, plain Dense and Normalize in this order."""

import numpy as np
from sentence_transformers.sentence_transformer import modules
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer
from tests.encoders import tiny
from tests.encoders.zoo.parts import VOCABULARY, WIDTH, bare, edited, random, save, transformer
from torch import nn


def stack(*tail, pooling="mean", **settings):
    def build(folder):
        made = [part() for part in tail]
        return save(folder, transformer(folder, **settings), modules.Pooling(WIDTH, pooling), *made)

    return build


def dense(**settings):
    return lambda: modules.Dense(**({"in_features": WIDTH, "out_features": 16} | settings))


def router(folder):
    """Two sides after pooling."""
    sides = {"query": [random(dense()())], "document": [modules.Dense(WIDTH, 16)]}
    sides["document"] = [random(modules.Dense(WIDTH, 16, activation_function=nn.ReLU()))]
    made = modules.Router(sides, default_route="document")
    return save(folder, transformer(folder), modules.Pooling(WIDTH), made, modules.Normalize())


def router_first(folder):
    """Two whole encoders: a static table for queries, a transformer for documents."""
    document = [transformer(folder), modules.Pooling(WIDTH)]
    return save(folder, modules.Router({"query": [static(WIDTH)], "document": document}, default_route="document"))


def legacy_asym(folder):
    """Asym, as releases before 5 saved it."""
    model = router(folder)
    edited_modules = (model / "modules.json").read_text()
    (model / "modules.json").write_text(
        edited_modules.replace("sentence_transformers.base.modules.router.Router", "sentence_transformers.models.Asym")
    )
    return model


def static(width, seed=4):
    weights = np.random.default_rng(seed).normal(size=(VOCABULARY, width)).astype(np.float32)
    return modules.StaticEmbedding(tiny.tokenizer(), embedding_weights=weights)


def words(width=16):
    weights = np.random.default_rng(4).normal(size=(len(tiny.WORDS) + 1, width)).astype(np.float32)
    splitter = WhitespaceTokenizer(["", *tiny.WORDS], stop_words=[], do_lower_case=True)
    return modules.WordEmbeddings(splitter, weights, max_seq_length=20)


def of_words(*tail, width=16):
    def build(folder):
        return save(folder, words(), *[part() for part in tail])

    return build


def bag_of_words(folder):
    weights = {word: 1 + place / 10 for place, word in enumerate(tiny.WORDS)}
    return save(folder, modules.BoW(vocab=list(tiny.WORDS), word_weights=weights, cumulative_term_frequency=True))


def word_weights(folder):
    weights = {word: 1 + place / 10 for place, word in enumerate(tiny.WORDS)}
    table = words()
    return save(folder, table, modules.WordWeights(vocab=["", *tiny.WORDS], word_weights=weights), modules.Pooling(16))


def side_lengths(folder):
    made = transformer(folder, query_length=6, document_length=9)
    return save(folder, made, modules.Pooling(WIDTH), modules.Normalize())


def processing(folder):
    made = transformer(folder, processing_kwargs={"text": {"max_length": 7, "truncation": True}})
    return save(folder, made, modules.Pooling(WIDTH))


def cut_on_the_left(folder):
    path = bare(folder, truncation_side="left")
    made = modules.Transformer(str(path), max_seq_length=8)
    return save(folder, made, modules.Pooling(WIDTH))


def truncated(folder):
    model = stack(modules.Normalize)(folder)
    edited(model / "config_sentence_transformers.json", truncate_dim=8)
    return model


def normalised_tokens(folder):
    unit = modules.Normalize(module_input_name="token_embeddings")
    return save(folder, transformer(folder), unit, modules.Pooling(WIDTH))


def dense_on_tokens(folder):
    first = modules.Dense(WIDTH, 16, module_input_name="token_embeddings")
    return save(folder, transformer(folder), first, modules.Pooling(16), modules.Normalize())


def weighted_layers(folder):
    made = transformer(folder, config_kwargs={"output_hidden_states": True})
    return save(
        folder, made, modules.WeightedLayerPooling(WIDTH, num_hidden_layers=2, layer_start=1), modules.Pooling(WIDTH)
    )


PIPELINES = {
    "dense, tanh": stack(dense(), modules.Normalize),
    "dense, identity, no bias": stack(dense(bias=False, activation_function=None)),
    "dense, gelu": stack(dense(activation_function=nn.GELU())),
    "dense, residual": stack(dense(out_features=WIDTH, use_residual=True), modules.Normalize),
    "dense, residual of another width": stack(dense(use_residual=True)),
    "dense to another output": stack(dense(module_output_name="other")),
    "normalize, then dense": stack(modules.Normalize, dense()),
    "normalize twice": stack(modules.Normalize, dense(), modules.Normalize),
    "layer norm": stack(lambda: modules.LayerNorm(WIDTH)),
    "dropout": stack(lambda: modules.Dropout(0.5)),
    "two poolings joined": stack(pooling=("cls", "mean")),
    "max pooling": stack(pooling="max"),
    "normalised tokens": normalised_tokens,
    "dense on tokens": dense_on_tokens,
    "weighted layers": weighted_layers,
    "router after pooling": router,
    "router first": router_first,
    "asym (legacy router)": legacy_asym,
    "static": lambda folder: save(folder, static(WIDTH)),
    "static, dense": lambda folder: save(folder, static(WIDTH), dense()(), modules.Normalize()),
    "word vectors": of_words(lambda: modules.Pooling(16)),
    "word vectors, lstm": of_words(lambda: modules.LSTM(16, 8), lambda: modules.Pooling(16)),
    "word vectors, cnn": of_words(lambda: modules.CNN(16, 8), lambda: modules.Pooling(24)),
    "word vectors, weights": word_weights,
    "bag of words": bag_of_words,
    "lengths by side": side_lengths,
    "processing settings": processing,
    "cut on the left": cut_on_the_left,
    "truncate_dim in the settings": truncated,
}
