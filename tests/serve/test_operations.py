"""A server as it runs for others: keys, limits, logs, counts and an orderly end, over real connections."""

import json
import signal
import threading
import time

import httpx
import pytest
from tests.serve.running import running
from tests.serve.test_metrics import parsed

import vecloom
from vecloom.search import Index
from vecloom.serve.keys import add_key, remove_key

SECRET = "Xylophon-4711"
SEARCH, DOCUMENTS = "/v1/indexes/docs/search", "/v1/indexes/docs/documents"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("operations")


@pytest.fixture(scope="module")
def server(place):
    """With an index, keys, and its log in a file."""
    Index.create(place / "docs.index", vecloom.load("minilm"))
    place.joinpath("secrets.json").write_text(
        json.dumps({name: add_key(place / "keys.json", name, [name]) for name in ("read", "write")})
    )
    with open(place / "log", "w") as log:
        told = ("-i", place / "docs.index", "--keys", place / "keys.json", "--cors-origin", "https://app.example")
        with running(*told, stderr=log) as found:
            found.log = place / "log"
            yield found


@pytest.fixture
def reader(server, place):
    return client(server, json.loads((place / "secrets.json").read_text())["read"])


@pytest.fixture
def writer(server, place):
    return client(server, json.loads((place / "secrets.json").read_text())["write"])


def client(server, secret):
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60)


def lines(server):
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_keys_open_what_their_scopes_say(server, reader, writer):
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    assert httpx.get(f"{server.url}/ready").status_code == 200
    documents = {"documents": [{"id": "a", "text": f"a text about {SECRET}"}]}
    assert reader.post(DOCUMENTS, json=documents).status_code == 403
    assert writer.post(DOCUMENTS, json=documents).json()["added"] == 1
    assert writer.post(SEARCH, json={"query": "text"}).status_code == 403
    (hit,) = reader.post(SEARCH, json={"query": SECRET}).json()["hits"]
    assert hit["document_id"] == "a"
    assert reader.get("/metrics").status_code == 200


def test_a_key_that_is_taken_out_is_refused_by_the_running_server(server, place):
    guest = client(server, add_key(place / "keys.json", "guest", ["read"]))
    assert guest.get("/v1/models").status_code == 200
    remove_key(place / "keys.json", "guest")
    assert guest.get("/v1/models").status_code == 401


def test_a_stream_without_an_end_is_cut_at_the_limit(reader):
    limit, sent = reader.get("/info").json()["limits"]["max_body_bytes"], 0

    def body():
        nonlocal sent
        while sent < 2 * limit:
            sent += 2**20
            yield b" " * 2**20

    try:
        answer = reader.post("/v1/embeddings", content=body(), headers={"Content-Type": "application/json"})
    except httpx.WriteError:  # the server hung up while the client was still sending; it may
        pass
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert sent < 2 * limit
    assert reader.get("/ready").status_code == 200


def test_nothing_that_a_client_writes_is_in_the_log(server, reader, writer):
    reader.post("/v1/embeddings", json={"input": SECRET, "model": SECRET})
    reader.post("/v1/embeddings", json={"input": SECRET})
    reader.post("/embed", json={"inputs": [SECRET], "prompt_name": SECRET})
    reader.post("/embed", content=SECRET, headers={"Content-Type": "application/json"})
    reader.post(SEARCH, json={"query": SECRET, "where": f"{SECRET} = 1"})
    reader.post(f"/v1/indexes/{SECRET}/search", json={"query": SECRET})
    reader.get(f"/v1/indexes/docs/similar/{SECRET}", params={"where": f"text = '{SECRET}'"})
    writer.delete(f"{DOCUMENTS}/{SECRET}")
    reader.get(f"/{SECRET}?q={SECRET}", headers={"X-Request-ID": f"{SECRET} {SECRET}", "User-Agent": SECRET})
    answer = reader.post("/v1/embeddings", json={"input": "a"}, headers={"X-Request-ID": "the-last-one"})
    assert answer.headers["x-request-id"] == "the-last-one"
    for _ in range(100):  # the line is written after the answer
        if "the-last-one" in server.log.read_text():
            break
        time.sleep(0.05)
    assert SECRET not in server.log.read_text()
    last = next(line for line in lines(server) if line.get("request_id") == "the-last-one")
    assert (last["route"], last["status"], last["key"]) == ("/v1/embeddings", 200, "read")


def test_what_is_computed_is_counted(reader):
    before, _ = parsed(reader.get("/metrics").text)
    texts = [f"a text that was never sent {n}" for n in range(5)]
    reader.post("/v1/embeddings", json={"input": texts})
    reader.post("/v1/embeddings", json={"input": texts[0]})
    reader.post("/v1/embeddings", json={"input": []})
    after, _ = parsed(reader.get("/metrics").text)

    def grown(name, *labels):
        return after.get((name, labels), 0) - before.get((name, labels), 0)

    answered = [key[1] for key in after if key[0] == "te_request_success"]
    assert sum(grown("te_request_success", *labels) for labels in answered) == 2
    assert grown("te_request_failure", ("err", "validation")) == 1
    assert grown("te_batch_next_size_sum") == 5
    assert grown("vecloom_cache_hits", ("where", "cache")) == 1
    assert grown("vecloom_cache_misses") == 5
    # "a text that was never sent N": 7 words, each one token of the model, and [CLS], [SEP]
    assert grown("vecloom_tokens") == 5 * 9
    assert grown("te_batch_next_tokens_sum") == 5 * 9
    assert grown("te_request_queue_duration_count") == 1
    assert after["te_queue_size", ()] == 0


def test_pages_of_the_named_origin_may_ask_and_others_may_not(server, reader):
    asked = {"Origin": "https://app.example"}
    answer = reader.post("/v1/embeddings", json={"input": "a"}, headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")
    other = reader.post("/v1/embeddings", json={"input": "a"}, headers={"Origin": "https://evil.example"})
    assert other.status_code == 403
    preflight = asked | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert httpx.options(f"{server.url}/v1/embeddings", headers=preflight).status_code == 200  # it carries no key


def test_many_searches_beside_writes_are_all_answered(server, reader, writer):
    failures, found = [], []

    def search(number):
        for turn in range(10):
            answer = reader.post(
                SEARCH, json={"query": f"text {number} {turn}", "mode": ["hybrid", "vector"][turn % 2]}
            )
            (found if answer.status_code == 200 else failures).append(answer.text)

    def write(number):
        for turn in range(5):
            sent = [{"id": f"w{number}-{turn}-{n}", "text": f"word {number} {turn} {n}"} for n in range(4)]
            answer = writer.post(DOCUMENTS, json={"documents": sent})
            if answer.status_code != 200 or answer.json()["added"] != 4:
                failures.append(answer.text)

    work = [threading.Thread(target=search, args=(n,)) for n in range(8)]
    work += [threading.Thread(target=write, args=(n,)) for n in range(3)]
    [thread.start() for thread in work]
    [thread.join() for thread in work]
    assert failures == []
    assert len(found) == 80
    (docs,) = reader.get("/v1/indexes").json()["data"]
    assert docs["documents"] >= 60


def test_a_server_that_ends_finishes_the_write_that_it_took(tmp_path):
    Index.create(tmp_path / "docs.index", vecloom.load("minilm"))
    answers = []
    with running("-i", tmp_path / "docs.index") as server:
        texts = [{"id": str(n), "text": f"document number {n} of a long list " * 8} for n in range(400)]

        def write():
            answers.append(httpx.post(server.url + DOCUMENTS, json={"documents": texts}, timeout=120))

        thread = threading.Thread(target=write)
        thread.start()
        while httpx.get(server.url + "/metrics").text.find("te_batch_next_size_count 0\n") >= 0:
            time.sleep(0.02)
        server.terminate()
        thread.join()
        assert server.process.wait(60) in (0, -signal.SIGTERM)  # uvicorn ends by the signal that it was sent
    assert (answers[0].status_code, answers[0].json()["added"]) == (200, 400)
    assert Index.open(tmp_path / "docs.index").info().documents == 400
