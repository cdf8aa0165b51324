"""Prompts of a model directory, prompt name by prompt name, as sentence-transformers applies them."""

import json

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tests.encoders import tiny

import vecloom as vl

TEXTS = ["the cat sat on the mat", "stone river"]
SETTINGS = [  # prompts, default_prompt_name; "query :", "search" and the like are words of the tiny tokenizer
    ({"query": "query : "}, "query"),
    ({"document": "search : "}, "document"),
    ({"query": "query : ", "document": "search : "}, None),
    ({"query": "query : ", "passage": "search : "}, None),
    ({"query": "query : ", "passage": "search : ", "corpus": "book "}, "passage"),
    ({"corpus": "book "}, None),
    ({"query": "", "document": "search : "}, "document"),
    ({"query": None, "document": None, "passage": "search : "}, None),
    ({"clustering": "book "}, "clustering"),
    ({}, None),
]


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("transformer"))


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static") / "model"
    weights = np.random.default_rng(3).normal(size=(len(tiny.SPECIAL) + len(tiny.WORDS), 8)).astype(np.float32)
    tokenizer = tiny.tokenizer()
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu").save(str(folder))
    return folder


@pytest.mark.parametrize(("prompts", "default"), SETTINGS, ids=lambda value: json.dumps(value))
@pytest.mark.parametrize("model", ["transformer", "static"])
def test_queries_and_documents_get_the_prompts_that_sentence_transformers_gives_them(model, prompts, default, request):
    folder = request.getfixturevalue(model)
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(
        json.dumps({**json.loads(settings.read_text()), "prompts": prompts, "default_prompt_name": default})
    )
    theirs = SentenceTransformer(str(folder), device="cpu")
    ours = vl.load(folder, backend="torch") if model == "transformer" else vl.load(folder)
    for kind, encode in (("query", theirs.encode_query), ("document", theirs.encode_document)):
        expected = encode(TEXTS, normalize_embeddings=True)
        np.testing.assert_allclose(ours.encode(TEXTS, kind=kind), expected, atol=1e-5, err_msg=kind)


def test_prompts_of_the_table_change_vectors(transformer):
    # or the comparison above could not fail
    ours = vl.load(transformer, backend="torch")
    plain = ours.encode(TEXTS, prompt="")
    for prompt in ("query : ", "search : ", "book "):
        assert np.abs(ours.encode(TEXTS, prompt=prompt) - plain).max() > 0.01
