"""RemoteEncoder against a real HTTP server in a thread that can be told to misbehave."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.encoders.conformance import check_encoder

from vecloom.encoders.remote import RemoteEncoder, RemoteSettings, batches, estimate_tokens, parse_answer
from vecloom.encoders.remote_calls import LONGEST_WAIT, Pace, backoff, retry_after
from vecloom.errors import ModelError, OutputError, RemoteError, UsageError

DIM = 8
KEY = "sk-very-secret-1234"


def vector(text: str, dim: int = DIM) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


Reply = tuple[int, dict[str, str], bytes]


class Server:
    """An embeddings endpoint; ``faults`` are used up first, one for each request."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[Callable[[dict], Reply | None]] = []
        self.always: Callable[[dict], Reply | None] | None = None
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers, content = outer.reply(body, dict(self.headers), self.path)
                try:
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(content)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def reply(self, body: dict, headers: dict[str, str], path: str) -> Reply:
        with self.lock:
            self.requests.append(body)
            self.headers.append(headers)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            fault = self.faults.pop(0) if self.faults else self.always
        try:
            found = fault(body) if fault else None
            return found or (answer(body) if path.endswith("/v1/embeddings") else (404, {}, b"{}"))
        finally:
            with self.lock:
                self.in_flight -= 1


def rows(body: dict, dim: int = DIM) -> list[dict]:
    vectors = [vector(text, body.get("dimensions", dim)) for text in body["input"]]
    as_text = body.get("encoding_format") == "base64"
    return [
        {"index": i, "embedding": base64.b64encode(v.tobytes()).decode() if as_text else [float(x) for x in v]}
        for i, v in enumerate(vectors)
    ]


def said(status: int, content: object, headers: dict[str, str] | None = None) -> Reply:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return status, headers or {}, raw


def answer(body: dict) -> Reply:
    return said(200, {"data": rows(body), "model": body["model"]})


def failing(status: int, message: str = "sorry", headers: dict[str, str] | None = None) -> Callable[[dict], Reply]:
    return lambda _: said(status, {"error": {"message": message}}, headers)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def encoder(server: Server, dim: int | None = None, **settings) -> RemoteEncoder:
    defaults = {"model": "tiny", "endpoint": server.address, "first_wait": 0.005, "timeout": 5.0, "tries": 4}
    return RemoteEncoder(RemoteSettings(**{**defaults, **settings}), dim=dim)


TEXTS = [f"text {i}" for i in range(50)]


def expected(texts: list[str], dim: int = DIM) -> np.ndarray:
    vectors = np.stack([vector(text, dim) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# What is sent and what comes back


def test_it_conforms(server):
    check_encoder(encoder(server), examples=3)


def test_requests_are_as_the_interface_says(server):
    remote = encoder(server, dimensions=4, prompts={"query": "find: "})
    found = remote.encode(["a", "b", "a"], kind="query")
    assert found == pytest.approx(expected(["find: a", "find: b", "find: a"], 4), abs=1e-6)
    body = {"model": "tiny", "input": ["find: a", "find: b"], "encoding_format": "base64", "dimensions": 4}
    assert server.requests == [body]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_order_holds_over_many_requests_at_once(server):
    def slow_first(body: dict) -> None:
        time.sleep(0.05 if "text 0" in body["input"] else 0)

    server.always = slow_first
    steps: list[int] = []
    found = encoder(server, batch_texts=3, in_flight=3).encode(TEXTS, progress=steps.append)
    assert found == pytest.approx(expected(TEXTS), abs=1e-6)
    assert len(server.requests) == 17
    assert server.most_in_flight <= 3
    assert sum(steps) == 50


def test_order_follows_the_index(server):
    server.always = lambda body: said(200, {"data": rows(body)[::-1]})
    assert encoder(server).encode(TEXTS) == pytest.approx(expected(TEXTS), abs=1e-6)


def test_an_endpoint_without_base64_is_asked_for_numbers(server):
    def numbers_only(body: dict) -> Reply | None:
        refused = body["encoding_format"] == "base64"
        return said(400, {"detail": "unknown encoding_format"}) if refused else None

    server.always = numbers_only
    remote = encoder(server, batch_texts=10, in_flight=1)
    assert remote.encode(TEXTS) == pytest.approx(expected(TEXTS), abs=1e-6)
    assert [body["encoding_format"] for body in server.requests] == ["base64"] + ["float"] * 5


def test_an_endpoint_that_ignores_base64_is_understood(server):
    server.always = lambda body: said(200, {"data": rows({**body, "encoding_format": "float"})})
    assert encoder(server).encode(TEXTS) == pytest.approx(expected(TEXTS), abs=1e-6)


def test_a_request_that_is_too_large_is_halved(server):
    server.always = lambda body: said(413, b"too large") if len(body["input"]) > 20 else None
    assert encoder(server).encode(TEXTS) == pytest.approx(expected(TEXTS), abs=1e-6)
    assert [len(body["input"]) for body in server.requests] == [50, 25, 12, 13, 25, 12, 13]


def test_empty_texts_are_not_sent(server):
    found = encoder(server).encode(["", "a", ""])
    assert server.requests[0]["input"] == ["a"]
    assert np.array_equal(found.any(axis=1), [False, True, False])


def test_dimensions_are_learned_once(server):
    remote = encoder(server)
    assert remote.encode([]).shape == (0, DIM)
    assert remote.dim == DIM
    assert len(server.requests) == 1
    assert encoder(server, dim=5).dim == 5
    assert encoder(server, dimensions=4).dim == 4
    assert len(server.requests) == 1


def test_an_impossible_dim_costs_nothing(server):
    with pytest.raises(UsageError):
        encoder(server, dim=DIM).encode(TEXTS, dim=9)
    assert not server.requests


@given(st.lists(st.text(max_size=30), max_size=20), st.integers(1, 5), st.integers(1, 30))
def test_batches_hold_both_limits_and_lose_nothing(texts, most_texts, most_tokens):
    runs = batches(texts, most_texts, most_tokens)
    assert [place for run in runs for place in run] == list(range(len(texts)))
    for run in runs:
        assert 1 <= len(run) <= most_texts
        assert len(run) == 1 or sum(estimate_tokens(texts[place]) for place in run) <= most_tokens


# Faults that pass


def test_429_then_an_answer(server):
    server.faults = [failing(429, headers={"Retry-After": "0.1"}), failing(503)]
    start = time.monotonic()
    assert encoder(server).encode(["a"]) == pytest.approx(expected(["a"]), abs=1e-6)
    assert time.monotonic() - start >= 0.1  # what the server asked for
    assert len(server.requests) == 3


def test_a_slow_answer_is_asked_for_again(server):
    server.faults = [lambda _: time.sleep(0.6)]
    assert encoder(server, timeout=0.2).encode(["a"]) == pytest.approx(expected(["a"]), abs=1e-6)


def test_an_answer_that_is_cut_off_is_asked_for_again(server):
    server.faults = [lambda body: said(200, b'{"data": [', {"Content-Length": "1000", "Connection": "close"})]
    remote = encoder(server, timeout=0.3)
    assert remote.encode(["a"]) == pytest.approx(expected(["a"]), abs=1e-6)
    assert len(server.requests) == 2


def test_a_closed_encoder_opens_again(server):
    remote = encoder(server)
    remote.encode(["a"])
    remote.close()
    assert remote.encode(["b"]) == pytest.approx(expected(["b"]), abs=1e-6)


# Faults that do not


def test_500s_end_after_all_tries(server):
    server.always = failing(500, "out of order")
    with pytest.raises(RemoteError, match=r"4 tries.*500 out of order"):
        encoder(server).encode(["a"])
    assert len(server.requests) == 4


def test_the_first_failure_ends_all_requests(server):
    server.always = lambda body: said(400, {"error": "bad text"}) if "text 0" in body["input"] else None
    with pytest.raises(RemoteError, match="bad text"):
        encoder(server, batch_texts=1, in_flight=2).encode(TEXTS)
    assert len(server.requests) < 50


def test_a_used_up_budget_is_not_waited_for(server):
    server.always = lambda _: said(429, {"error": {"message": "no credit", "code": "insufficient_quota"}})
    with pytest.raises(RemoteError, match="no credit"):
        encoder(server).encode(["a"])
    assert len(server.requests) == 1


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server):
    server.always = failing(429, headers={"Retry-After": "3600"})
    with pytest.raises(RemoteError, match="3600 s"):
        encoder(server).encode(["a"])
    assert len(server.requests) == 1


def test_timeouts_end_after_all_tries(server):
    server.always = lambda _: time.sleep(0.3)
    with pytest.raises(RemoteError, match="Timeout"):
        encoder(server, timeout=0.05, tries=2).encode(["a"])


def test_a_refused_connection_is_named(server):
    server.http.server_close()
    with pytest.raises(RemoteError, match="ConnectError"):
        encoder(server, tries=2).encode(["a"])


def test_a_wrong_address_is_named(server):
    with pytest.raises(RemoteError, match="404"):
        encoder(server, endpoint=server.address.replace("/v1", "/v2")).encode(["a"])
    assert len(server.requests) == 1


NONSENSE = {
    "not json": lambda body: said(200, b"<html>hello</html>"),
    "no data": lambda body: said(200, {"vectors": []}),
    "a list": lambda body: said(200, [1, 2]),
    "too few": lambda body: said(200, {"data": rows(body)[1:]}),
    "repeated index": lambda body: said(200, {"data": [{**row, "index": 0} for row in rows(body)]}),
    "odd index": lambda body: said(200, {"data": [{**row, "index": "x"} for row in rows(body)]}),
    "unequal": lambda body: said(200, {"data": [{"embedding": [1.0] * (i + 1)} for i in range(len(body["input"]))]}),
    "empty": lambda body: said(200, {"data": [{"embedding": []} for _ in body["input"]]}),
    "nan": lambda body: said(200, {"data": [{"embedding": [float("nan")] * DIM} for _ in body["input"]]}),
    "words": lambda body: said(200, {"data": [{"embedding": ["x"]} for _ in body["input"]]}),
    "bad base64": lambda body: said(200, {"data": [{"embedding": "???"} for _ in body["input"]]}),
    "torn base64": lambda body: said(200, {"data": [{"embedding": "AAA="} for _ in body["input"]]}),
    "nested": lambda body: said(200, {"data": [{"embedding": [[1.0]]} for _ in body["input"]]}),
    "null": lambda body: said(200, {"data": [{"embedding": None} for _ in body["input"]]}),
}


@pytest.mark.parametrize("name", list(NONSENSE))
def test_nonsense_is_named(server, name):
    server.always = NONSENSE[name]
    with pytest.raises(RemoteError) as caught:
        encoder(server).encode(["a", "b"])
    assert caught.value.todo
    assert len(server.requests) == 1


def test_other_dimensions_than_before_are_refused(server):
    remote = encoder(server)
    remote.encode(["a"])
    server.always = lambda body: said(200, {"data": rows(body, dim=DIM + 1)})
    with pytest.raises(RemoteError, match="9 dimensions, not 8"):
        remote.encode(["b"])


def test_an_answer_without_indices_is_in_order():
    assert parse_answer({"data": [{"embedding": [1]}, {"embedding": [2]}]}, 2).tolist() == [[1], [2]]


# The key


def test_the_key_is_nowhere(server, tmp_path, capfd, caplog):
    caplog.set_level("DEBUG")
    remote = encoder(server)
    remote.encode(["a"])
    remote.save(tmp_path)
    server.always = failing(401, f"Incorrect API key provided: {KEY}")
    with pytest.raises(RemoteError, match="OPENAI_API_KEY") as caught:
        remote.encode(["b"])
    seen = [str(caught.value), repr(caught.value.args), repr(remote), str(remote.__dict__), remote.fingerprint]
    seen += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    seen += [caplog.text, *capfd.readouterr()]
    assert not any(KEY in text for text in seen)
    assert any("***" in text for text in seen)


def test_without_a_key_none_is_sent(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    encoder(server).encode(["a"])
    assert "Authorization" not in server.headers[0]


def test_a_key_from_another_variable(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "other")
    encoder(server, key_variable="MY_KEY").encode(["a"])
    assert server.headers[0]["Authorization"] == "Bearer other"


def test_a_key_that_cannot_be_sent_is_not_shown(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\u2026secret")
    with pytest.raises(UsageError, match="characters") as caught:
        encoder(server).encode(["a"])
    assert "secret" not in str(caught.value)


def test_an_endpoint_with_a_password_is_refused():
    with pytest.raises(UsageError) as caught:
        RemoteSettings(model="m", endpoint="https://me:hidden@host/v1")
    assert "hidden" not in str(caught.value)


# Saving, settings, waiting


def test_what_is_saved_loads_to_the_same_encoder(server, tmp_path):
    remote = encoder(server, prompts={"query": "find: "}, requests_per_minute=1e6)
    remote.encode(["a"])
    remote.save(tmp_path)
    loaded = RemoteEncoder.load(tmp_path)
    assert (loaded.settings, loaded.dim, loaded.name) == (remote.settings, DIM, "tiny")
    assert loaded.fingerprint == remote.fingerprint
    assert np.array_equal(loaded.encode(["a"], kind="query"), remote.encode(["a"], kind="query"))


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other"}', '{"format": "vecloom-remote-1"}'])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "vecloom_remote.json").write_text(content)
    with pytest.raises(ModelError, match="vecloom_remote"):
        RemoteEncoder.load(tmp_path)
    with pytest.raises(ModelError):
        RemoteEncoder.load(tmp_path / "missing")


def test_a_place_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        encoder(server).save(tmp_path / "file" / "model")


@pytest.mark.parametrize("wrong", [{"endpoint": "host/v1"}, {"batch_texts": 0}, {"tries": 0}, {"timeout": -1}])
def test_bad_settings_are_named(wrong):
    with pytest.raises(UsageError):
        RemoteSettings(**{"model": "m", **wrong})


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://h/v1", "http://h/v1/embeddings"),
        ("http://h/v1/", "http://h/v1/embeddings"),
        ("http://h/x/embeddings", "http://h/x/embeddings"),
        ("https://h/d?api-version=1", "https://h/d/embeddings?api-version=1"),
    ],
)
def test_addresses(endpoint, url):
    assert RemoteSettings(model="m", endpoint=endpoint).url == url


def test_backoff_doubles_to_a_limit_and_honours_the_server():
    assert [backoff(k, 0.5, 0, 1.0) for k in range(4)] == [0.5, 1, 2, 4]
    assert backoff(0, 0.5, 0, 0.5) == 0.25
    assert backoff(99, 0.5, 0, 1.0) == LONGEST_WAIT
    assert backoff(0, 0.5, 7, 1.0) == 7


def test_retry_after_in_seconds_and_as_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after({"retry-after": "1.5"}, now) == 1.5
    assert retry_after({"retry-after": format_datetime(now + timedelta(seconds=30), usegmt=True)}, now) == 30
    assert retry_after({"retry-after": format_datetime(now - timedelta(seconds=30), usegmt=True)}, now) == 0
    assert retry_after({"retry-after": "soon"}, now) == retry_after({}, now) == 0


def test_pace_spaces_starts_evenly_and_can_be_held():
    pace = Pace(60)
    assert [pace.reserve(100.0), pace.reserve(100.0), pace.reserve(100.5)] == pytest.approx([0, 1, 1.5])
    pace.hold(110)
    assert [pace.reserve(104.0), pace.reserve(120.0)] == pytest.approx([6, 0])
    assert [Pace(None).reserve(5.0)] * 2 == [0, 0]


def test_the_rate_limit_holds_over_threads(server):
    start = time.monotonic()
    encoder(server, dim=DIM, batch_texts=1, in_flight=4, requests_per_minute=1200).encode(TEXTS[:5])
    assert time.monotonic() - start >= 4 * 60 / 1200
