"""text-embeddings-inference's and Cohere's formats, held to what the models themselves compute."""

import httpx
import numpy as np
import pytest
from sentence_transformers import CrossEncoder

import vecloom as vl

TEXTS = ["the cat sat on the mat", "a dog ran over the river", "stone and cloud"]


@pytest.fixture
def ask(server):
    with httpx.Client(base_url=server.url) as client:
        yield lambda path, body: client.post(path, json=body)


@pytest.fixture(scope="module")
def logits(cross):
    model = CrossEncoder(str(cross), device="cpu")
    import torch

    return model.predict([("cat", text) for text in TEXTS], activation_fn=torch.nn.Identity())


def test_embed_gives_unit_vectors_or_those_before_scaling(ask):
    made = np.array(ask("/embed", {"inputs": TEXTS}).json())
    raw = np.array(ask("/embed", {"inputs": TEXTS, "normalize": False}).json())
    wanted = vl.load("minilm").encode(TEXTS)
    assert ((made * wanted).sum(axis=1) > 0.9995).all()
    assert np.linalg.norm(raw, axis=1).min() > 2  # MiniLM's are several long
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1, keepdims=True), made, atol=2e-3)


def test_embed_takes_one_text_and_cuts_dimensions(ask):
    made = np.array(ask("/embed", {"inputs": TEXTS[0], "dimensions": 16}).json())
    assert made.shape == (1, 16)
    assert np.linalg.norm(made) == pytest.approx(1, abs=1e-5)


def test_embed_refuses_or_cuts_a_long_text_on_the_side_asked_for(ask):
    long = "cat " * 300 + "dog " * 200  # a token each; 254 fit between [CLS] and [SEP]
    refused = ask("/embed", {"inputs": ["a", long]})
    assert refused.status_code == 413
    assert refused.json()["error_type"] == "Validation"
    assert "Text 1 is longer than the 256 tokens" in refused.json()["error"]
    right, left = (
        np.array(ask("/embed", {"inputs": long, "truncate": True, "truncation_direction": side}).json()[0])
        for side in ("Right", "Left")
    )
    head, tail = vl.load("minilm").encode(["cat " * 254, "cat " * 54 + "dog " * 200])
    assert right @ head > 0.9995
    assert left @ tail > 0.9995
    assert head @ tail < 0.9


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": []}, 400),
        ({"inputs": ""}, 400),
        ({"inputs": ["a", ""]}, 400),
        ({"inputs": None}, 422),
        ({"inputs": 1}, 422),
        ({}, 422),
        ({"inputs": "a", "truncate": "yes"}, 422),
        ({"inputs": "a", "dimensions": 400}, 422),
        ({"inputs": "a", "prompt_name": "query"}, 404),  # the bundled model has no prompts
        ({"inputs": ["a"] * 301}, 413),
        ({"inputs": "a", "model": "nope"}, 404),
    ],
)
def test_errors_have_teis_shape(ask, body, status):
    answer = ask("/embed", body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "error_type"}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/embed", {"inputs": ""}, "inputs cannot be empty"),
        ("/embed", {"inputs": ["a", ""]}, "inputs.1 cannot be empty"),
        ("/embed_sparse", {"inputs": []}, "inputs cannot be empty"),
        ("/tokenize", {"inputs": [""]}, "inputs.0 cannot be empty"),
        ("/decode", {"ids": []}, "ids cannot be empty"),
        ("/decode", {"ids": [[]]}, "ids.0 cannot be empty"),
        ("/similarity", {"inputs": {"source_sentence": "", "sentences": ["a"]}}, "source_sentence cannot be empty"),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, "sentences cannot be empty"),
        ("/rerank", {"query": "a", "texts": []}, "texts cannot be empty"),
        ("/rerank", {"query": "", "texts": ["a", ""]}, "texts.1 cannot be empty"),
    ],
)
def test_what_is_empty_is_refused_as_tei_does(ask, path, body, told):
    """TEI's ``is_empty`` looks at characters, so a blank is a text; of a pair one side may be empty."""
    answer = ask(path, body)
    assert (answer.status_code, answer.json()["error_type"]) == (400, "Empty")
    assert told in answer.json()["error"]


def test_blanks_are_a_text(ask):
    assert len(ask("/embed", {"inputs": [" ", "\n"]}).json()) == 2
    assert len(ask("/rerank", {"query": "", "texts": ["a"]}).json()) == 1
    assert len(ask("/rerank", {"query": "a", "texts": ["", "b"]}).json()) == 2


@pytest.mark.parametrize("path", ["/", "/invocations"])
def test_the_root_is_embed_as_teis_is(ask, path):
    body = {"inputs": TEXTS, "dimensions": 8}
    np.testing.assert_allclose(ask(path, body).json(), ask("/embed", body).json(), atol=1e-6)
    assert ask(path, {"inputs": 1}).json().keys() == {"error", "error_type"}


def test_teis_other_names_are_there(ask, server):
    assert httpx.get(f"{server.url}/ping").status_code == 200
    assert ask("/embeddings", {"input": "a"}).json()["data"][0]["object"] == "embedding"
    assert ask("/embeddings", {"input": ""}).json()["error"]["type"] == "invalid_request_error"


def test_sides_may_be_written_small_as_teis_document_has_them(ask):
    body = {"inputs": "cat " * 300 + "dog " * 200, "truncate": True}
    small, large = (ask("/embed", {**body, "truncation_direction": side}).json() for side in ("left", "Left"))
    np.testing.assert_allclose(small, large, atol=1e-6)


def test_a_body_that_is_not_json_is_refused_before_it_is_read(server):
    answer = httpx.post(f"{server.url}/embed", content=b'{"inputs": "a"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 415


def test_embed_sparse_is_the_lexical_models(ask):
    made = ask("/embed_sparse", {"inputs": ["the cat", " "]}).json()
    assert made[1] == []
    wanted = vl.LexicalEncoder.hashed(384).encode_sparse(["the cat"], normalize=False)
    assert {each["index"]: each["value"] for each in made[0]} == pytest.approx(
        dict(zip(wanted.indices.tolist(), wanted.data.tolist(), strict=True))
    )


def test_similarity_is_the_cosine(ask):
    made = ask("/similarity", {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS}}).json()
    unit = vl.load("minilm").encode(TEXTS)
    np.testing.assert_allclose(made, unit @ unit[0], atol=5e-3)


def test_tokens_stand_where_they_say(ask):
    text = "Ein Käse, please"
    (tokens,) = ask("/tokenize", {"inputs": text}).json()
    assert [token["special"] for token in tokens] == [True] + [False] * (len(tokens) - 2) + [True]
    assert all(token["text"] == text[token["start"] : token["stop"]] for token in tokens[1:-1])
    (bare,) = ask("/tokenize", {"inputs": text, "add_special_tokens": False}).json()
    assert [token["id"] for token in bare] == [token["id"] for token in tokens[1:-1]]
    assert ask("/decode", {"ids": [token["id"] for token in tokens]}).json() == ["ein kase, please"]


def test_rerank_is_the_cross_encoders_order(ask, logits):
    made = ask("/rerank", {"query": "cat", "texts": TEXTS, "raw_scores": True, "return_text": True}).json()
    order = np.argsort(-logits)
    assert [each["index"] for each in made] == order.tolist()
    assert [each["text"] for each in made] == [TEXTS[i] for i in order]
    np.testing.assert_allclose([each["score"] for each in made], logits[order], atol=1e-4)
    scaled = ask("/rerank", {"query": "cat", "texts": TEXTS}).json()
    np.testing.assert_allclose([each["score"] for each in scaled], 1 / (1 + np.exp(-logits[order])), atol=1e-4)
    assert "text" not in scaled[0]


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_coheres_rerank(ask, logits, path):
    documents = [TEXTS[0], {"text": TEXTS[1]}, TEXTS[2]]
    made = ask(
        path, {"model": "tiny", "query": "cat", "documents": documents, "top_n": 2, "return_documents": True}
    ).json()
    order = np.argsort(-logits)[:2]
    assert [each["index"] for each in made["results"]] == order.tolist()
    assert [each["document"]["text"] for each in made["results"]] == [TEXTS[i] for i in order]
    np.testing.assert_allclose(
        [each["relevance_score"] for each in made["results"]], 1 / (1 + np.exp(-logits[order])), atol=1e-4
    )
    # <s> cat </s> text </s>: 3 special tokens, 1 of the query, 6, 6 and 3 words
    assert made["usage"]["total_tokens"] == 3 * 4 + 6 + 6 + 3
    assert ask(path, {"model": "other", "query": "a", "documents": ["b"]}).status_code == 404


def test_info_says_what_is_served_and_every_limit(server):
    found = httpx.get(f"{server.url}/info").json()
    assert (found["model_id"], found["max_input_length"], found["max_client_batch_size"]) == ("minilm", 256, 300)
    assert (found["models"], found["reranker"]) == (["minilm", "words"], "tiny")
    assert found["limits"]["max_body_bytes"] == 2**26
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert document["info"]["x-limits"] == found["limits"]
    inputs = document["components"]["schemas"]["EmbedRequest"]["properties"]["inputs"]["anyOf"]
    assert {each.get("maxItems") or each.get("maxLength") for each in inputs} == {300, 1_000_000}
