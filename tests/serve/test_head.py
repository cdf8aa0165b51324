"""HEAD is GET without a body, on every route; a method that a path does not take is told which it takes."""

import pytest
from tests.serve.served import FRUIT, new_state, served

from vecloom.serve.app import create_app

PLACES = {"{name}": "docs", "{id:path}": "apple", "{token}": "none", "{what}": "mark"}
ASKED = {"/v1/indexes/{name}/documents": "?id=apple", "/v1/indexes/{name}/similar": "?id=apple", "/d/{name}": "?id=apple",
         "/similar/{name}": "?id=apple"}  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with served(new_state(tmp_path_factory.mktemp("head"))) as client:
        client.post("/v1/indexes/docs/documents", json={"documents": FRUIT})
        yield client


def places(state):
    """Every path that GET is answered on, with something in its gaps."""
    for route in create_app(state, state.settings).routes:
        if (
            "GET" in (getattr(route, "methods", None) or ()) and route.path != "/metrics"
        ):  # two answers are never the same
            path = route.path
            for gap, value in PLACES.items():
                path = path.replace(gap, value)
            yield path + ASKED.get(route.path, "")


def test_head_is_get_without_a_body_everywhere(client):
    paths = list(places(client.state))
    assert {"/", "/ready", "/info", "/openapi.json", "/v1/models", "/v1/indexes", "/d/docs?id=apple"} <= set(paths)
    for path in paths:
        get, head = (client.request(method, path, follow_redirects=False) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (get.status_code, b""), path
        same = [{name: value for name, value in one.headers.items() if name != "x-request-id"} for one in (get, head)]
        assert "seconds" in get.text or "milliseconds" in get.text or same[0] == same[1], path


def test_head_of_what_is_not_there_says_so(client):
    for path in ("/nothing", "/v1/nothing", "/d/docs?id=none", "/v1/indexes/docs/documents?id=none"):
        assert (client.head(path).status_code, client.head(path).content) == (404, b"")


def test_head_is_counted_as_head_with_its_route(client):
    client.head("/v1/models")
    assert 'vecloom_http_requests{method="HEAD",route="/v1/models",status="200"}' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/indexes/docs/documents", "DELETE, GET, HEAD, POST"),
        ("GET", "/v1/embeddings", "POST"),
        ("HEAD", "/embed", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_all_that_the_path_takes(client, method, path, allowed):
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert allowed in answer.text
