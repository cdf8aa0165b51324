"""The door: who comes in with which key."""

import asyncio

import pytest
from tests.serve.plain import ask, echo, refuse
from tests.serve.served import new_state

from vecloom.serve.app import create_app
from vecloom.serve.gate import DOOR, READING, KeyGate, needed
from vecloom.serve.keys import KeyRing, add_key


@pytest.fixture
def secrets(tmp_path):
    path = tmp_path / "keys.json"
    return path, {name: add_key(path, name, scopes) for name, scopes in SCOPES.items()}


SCOPES = {"reader": ["read"], "feeder": ["write"], "both": ["read", "write"]}


@pytest.fixture
def call(secrets):
    path, made = secrets
    app = KeyGate(echo, KeyRing(path), refuse)

    def call(method, target, who=None):
        headers = {} if who is None else {"Authorization": f"Bearer {made.get(who, who)}"}
        return ask(app, method, target, headers=headers)

    return call


def test_nobody_comes_in_without_a_key(call):
    answer = call("POST", "/v1/embeddings")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "A key is needed" in answer.json()["refused"]


def test_a_key_that_is_not_known_is_told_so(call):
    answer = call("GET", "/metrics", "vl_guess")
    assert (answer.status_code, answer.json()["refused"]) == (401, "This key is not known here.")


@pytest.mark.parametrize(("who", "reads", "writes"), [("reader", 200, 403), ("feeder", 403, 200), ("both", 200, 200)])
def test_a_key_may_what_its_scopes_say(call, who, reads, writes):
    assert call("POST", "/v1/indexes/docs/search", who).status_code == reads
    assert call("GET", "/v1/indexes", who).status_code == reads
    assert call("POST", "/v1/indexes/docs/documents", who).status_code == writes
    assert call("DELETE", "/v1/indexes/docs/documents/a", who).status_code == writes


def test_a_refusal_names_the_key_and_what_is_missing(call):
    assert call("GET", "/v1/indexes", "feeder").json()["refused"] == "The key 'feeder' may write; this needs 'read'."


@pytest.mark.parametrize("path", ["/health", "/live", "/ready"])
def test_probes_need_no_key(call, path):
    assert call("GET", path).status_code == 200


@pytest.mark.parametrize("path", ["/health/", "//health", "/Health", "/health/../metrics", "/%68ealth2"])
def test_what_only_looks_like_a_probe_needs_one(call, path):
    assert call("GET", path).status_code == 401


def test_the_key_is_known_inside(call):
    assert call("GET", "/v1/indexes", "reader").json()["state"] == ["key"]


def test_the_body_is_not_read_before_the_key(secrets):
    heard, sent = [], []

    async def receive():
        heard.append(1)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/embed", "headers": []}
    asyncio.run(KeyGate(echo, KeyRing(secrets[0]), refuse)(scope, receive, send))
    assert (heard, sent[0]["status"]) == ([], 401)


def test_websockets_are_closed(secrets):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(KeyGate(echo, KeyRing(secrets[0]), refuse)({"type": "websocket", "path": "/"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


CHANGING = {
    ("POST", "/v1/indexes/{name}/documents"),
    ("DELETE", "/v1/indexes/{name}/documents"),
    ("DELETE", "/v1/indexes/{name}/documents/{id:path}"),
    ("POST", "/desk/{what}"),
}
ASKING = {
    "/embed", "/embed_all", "/embed_sparse", "/rerank", "/similarity", "/tokenize", "/decode", "/v1/embeddings",
    "/v1/rerank", "/v2/rerank", "/", "/invocations", "/embeddings",
    "/v1/indexes/{name}/search", "/login",
    "/c/{token}", "/l/{token}", "/u/{token}",  # a signed token is all that these ask for
}  # fmt: skip


def test_every_route_of_the_server_is_known_to_ask_or_to_change(tmp_path):
    """A new route has to be put into one of the two sets above, by somebody who thought about it."""
    state = new_state(tmp_path)
    for route in create_app(state, state.settings).routes:
        for method in getattr(route, "methods", ()) or ():
            if method in READING:
                continue
            if (method, route.path) in CHANGING:
                assert needed(method, route.path) == "write"
            else:
                assert (method, route.path in ASKING) == ("POST", True), route.path
                assert needed(method, route.path) == "read" or DOOR.fullmatch(route.path)
