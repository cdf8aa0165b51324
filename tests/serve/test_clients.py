"""Programs written for OpenAI's API, pointed at a running server, without a change beside the address."""

import numpy as np
import openai
import pytest
import tiktoken
from langchain_openai import OpenAIEmbeddings
from llama_index.embeddings.openai import OpenAIEmbedding

import vecloom as vl

TEXTS = ["how to read a file", "a cat sat on the mat", "how to read a file", " "]


@pytest.fixture(scope="module")
def expected():
    return vl.load("minilm").encode(TEXTS)


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="not needed", max_retries=0) as made:
        yield made


def close(got, wanted):
    """Equal up to bfloat16: batches differ, so rounding does."""
    return bool((np.sum(np.asarray(got) * wanted, axis=1) > 0.9995).all())


def test_openai_gives_the_vectors_of_the_library(client, expected):
    answer = client.embeddings.create(model="minilm", input=TEXTS)  # the client asks for base64 by itself
    assert close([each.embedding for each in answer.data], expected)
    assert [each.index for each in answer.data] == [0, 1, 2, 3]
    assert (answer.object, answer.model) == ("list", "minilm")


def test_openai_counts_tokens_special_ones_and_repeated_texts_included(client):
    usage = client.embeddings.create(model="minilm", input=["cat", "cat", "the cat"]).usage
    assert (usage.prompt_tokens, usage.total_tokens) == (3 + 3 + 4, 3 + 3 + 4)  # [CLS] ... [SEP]


def test_openai_base64_and_numbers_are_the_same(client):
    packed = client.embeddings.create(model="minilm", input="cat", encoding_format="base64").data[0].embedding
    numbers = client.embeddings.create(model="minilm", input="cat", encoding_format="float").data[0].embedding
    import base64

    assert np.frombuffer(base64.b64decode(packed), "<f4").tolist() == pytest.approx(numbers, abs=1e-7)


def test_openai_gets_smaller_numbers_where_it_names_the_encoding(client, expected):
    def asked(dtype, encoding):
        answer = client.embeddings.create(
            model="minilm", input=TEXTS, encoding_format=encoding, extra_body={"output_dtype": dtype}
        )
        return [each.embedding for each in answer.data]

    assert close(np.array(asked("int8", "float")) * (8 / 384**0.5 / 127), expected)
    bits = np.array(asked("ubinary", "float"), np.uint8)
    assert (np.unpackbits(bits, axis=1) == (expected > 0)).mean() > 0.99  # rounding turns a few signs
    import base64

    halves = [np.frombuffer(base64.b64decode(text), "<f2") for text in asked("float16", "base64")]
    assert close(np.array(halves, np.float32), expected)


def test_openai_dimensions_are_cut_and_scaled(client, expected):
    answer = client.embeddings.create(model="minilm", input=TEXTS, dimensions=32)
    cut = expected[:, :32] / np.linalg.norm(expected[:, :32], axis=1, keepdims=True)
    assert close([each.embedding for each in answer.data], cut)


def test_openai_takes_token_ids_and_lists_of_them(client, expected):
    ids = vl.load("minilm").tokenizer.encode(TEXTS[0]).ids
    one = client.embeddings.create(model="minilm", input=ids)
    two = client.embeddings.create(model="minilm", input=[ids, [101, 102]])
    assert close([one.data[0].embedding], expected[:1])
    assert close([each.embedding for each in two.data], expected[[0, 3]])  # a text without words is [CLS] [SEP]
    assert two.usage.prompt_tokens == len(ids) + 2


@pytest.mark.parametrize("ids", [[2129, 2000], [101, 2129, 2000], [2129, 2000, 102], [101], [102, 101], [0]])
def test_token_ids_of_another_tokenizer_are_refused(client, ids):
    """The bundled model's sequences begin with [CLS], 101, and end with [SEP], 102; no other tokenizer's do."""
    for given in (ids, [ids], [[101, 2129, 102], ids]):
        with pytest.raises(openai.BadRequestError) as raised:
            client.embeddings.create(model="minilm", input=given)
        assert "begin with 101 and end with 102" in raised.value.message
        assert "check_embedding_ctx_length=False" in raised.value.message


def test_all_that_is_said_of_token_ids_names_the_clients_switch(client):
    for model, ids in (("minilm", [101, 10**6, 102]), ("words", [101, 102])):
        with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
            client.embeddings.create(model=model, input=ids)


def test_token_ids_beyond_the_models_length_are_cut_as_their_text_is(client):
    long = "cat " * 400
    ids = vl.load("minilm").tokenizer
    ids.no_truncation()
    raw = client.embeddings.with_raw_response.create(model="minilm", input=ids.encode(long).ids)
    cut = client.embeddings.create(model="minilm", input=long)
    assert (raw.headers["x-truncated"], raw.parse().usage.prompt_tokens) == ("1", 256)
    assert close([raw.parse().data[0].embedding], np.array([cut.data[0].embedding]))


def test_openai_lists_the_models_the_default_first(client):
    assert [each.id for each in client.models.list()] == ["minilm", "words"]
    assert client.models.retrieve("minilm").owned_by == "vecloom"


@pytest.mark.parametrize(
    ("wrong", "kind", "param", "code"),
    [
        ({"model": "gpt-9", "input": "a"}, openai.NotFoundError, "model", "model_not_found"),
        ({"model": "minilm", "input": []}, openai.BadRequestError, "input", "invalid_value"),
        ({"model": "minilm", "input": 7}, openai.BadRequestError, "input", "invalid_value"),
        ({"model": "minilm", "input": ""}, openai.BadRequestError, "input", "invalid_value"),
        ({"model": "minilm", "input": [""]}, openai.BadRequestError, "input.0", "invalid_value"),
        ({"model": "minilm", "input": ["a", ""]}, openai.BadRequestError, "input.1", "invalid_value"),
        ({"model": "minilm", "input": [[]]}, openai.BadRequestError, "input.0", "invalid_value"),
        ({"model": "minilm", "input": None}, openai.BadRequestError, "input", "invalid_value"),
        ({"model": "minilm", "input": [10**9]}, openai.BadRequestError, "input", "invalid_value"),
        ({"model": "minilm", "input": "a", "dimensions": 385}, openai.BadRequestError, None, None),
        ({"model": "minilm", "input": "a", "dimensions": 0}, openai.BadRequestError, "dimensions", "invalid_value"),
    ],
)
def test_openai_errors_have_openais_shape(client, wrong, kind, param, code):
    with pytest.raises(kind) as raised:
        client.embeddings.create(**wrong)
    assert (raised.value.param, raised.value.code) == (param, code)
    assert raised.value.type == "invalid_request_error"
    assert "Traceback" not in raised.value.message


def test_openai_too_many_texts_are_413(client):
    with pytest.raises(openai.APIStatusError) as raised:
        client.embeddings.create(model="minilm", input=["a"] * 301)
    assert raised.value.status_code == 413
    assert "301 texts are more than the 300 of one request" in raised.value.message


def test_openai_a_long_text_is_cut_and_counted_or_refused(client):
    long = "cat " * 400
    raw = client.embeddings.with_raw_response.create(model="minilm", input=[long, "cat"])
    assert raw.headers["x-truncated"] == "1"
    assert raw.parse().usage.prompt_tokens == 256 + 3
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(model="minilm", input=["cat", long], extra_body={"truncate": False})
    assert raised.value.code == "context_length_exceeded"
    assert "Text 1 " in raised.value.message


async def _asynchronously(url, texts):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as client:
        import asyncio

        answers = await asyncio.gather(*[client.embeddings.create(model="minilm", input=text) for text in texts])
    return [answer.data[0].embedding for answer in answers]


def test_openai_many_at_once_get_their_own_vectors(server):
    import asyncio

    texts = [f"question number {i}" for i in range(60)]
    assert close(asyncio.run(_asynchronously(server.url, texts)), vl.load("minilm").encode(texts))


def test_langchain(server, expected):
    embeddings = OpenAIEmbeddings(
        base_url=f"{server.url}/v1", api_key="x", model="minilm", check_embedding_ctx_length=False
    )
    assert close(embeddings.embed_documents(TEXTS), expected)
    assert close([embeddings.embed_query(TEXTS[1])], expected[1:2])


@pytest.fixture
def tiktoken_without_a_download(monkeypatch):
    """An encoding whose tokens are bytes stands in for OpenAI's, which tiktoken would have to download."""
    bytes_only = tiktoken.Encoding(
        "bytes", pat_str=r"\S+|\s+", mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={}
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: bytes_only)
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: bytes_only)


@pytest.mark.usefixtures("tiktoken_without_a_download")
def test_langchain_at_its_defaults_is_told_its_switch_and_gets_no_vectors_of_other_words(server):
    embeddings = OpenAIEmbeddings(base_url=f"{server.url}/v1", api_key="x", model="minilm")
    for ask in (embeddings.embed_query, lambda text: embeddings.embed_documents([text])):
        for text in TEXTS[:3]:
            with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
                ask(text)


def test_llama_index(server, expected):
    embedding = OpenAIEmbedding(model_name="minilm", api_base=f"{server.url}/v1", api_key="x")
    assert close(embedding.get_text_embedding_batch(TEXTS[:3]), expected[:3])
    assert close([embedding.get_query_embedding(TEXTS[1])], expected[1:2])


def test_the_librarys_own_remote_encoder(server, expected):
    settings = vl.RemoteSettings("minilm", endpoint=f"{server.url}/v1", dimensions=384)
    assert close(vl.RemoteEncoder(settings).encode(TEXTS[:3]), expected[:3])  # it does not send empty texts
