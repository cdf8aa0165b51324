"""What every route makes of null, of numbers that cannot be, and of wrong types, from the OpenAPI document itself."""

import copy
import json

import pytest
from tests.serve.served import FRUIT, new_state, served

BODIES = {
    "/v1/embeddings": {"input": ["a"]},
    "/embeddings": {"input": "a"},
    "/embed": {"inputs": ["a"]},
    "/invocations": {"inputs": "a"},
    "/embed_sparse": {"inputs": ["a"]},
    "/similarity": {"inputs": {"source_sentence": "a", "sentences": ["a", "b"]}, "parameters": {}},
    "/tokenize": {"inputs": ["a"]},
    "/decode": {"ids": [1, 2]},
    "/rerank": {"query": "a", "texts": ["a"]},
    "/v1/rerank": {"query": "a", "documents": ["a", {"text": "b"}]},
    "/v2/rerank": {"query": "a", "documents": ["a"]},
    "/v1/indexes/{name}/search": {"query": "red"},
    "/v1/indexes/{name}/documents": {"documents": [{"id": "apple", "text": "red apples are sweet", "title": "t"}]},
}
"""A body for each route; parts in it that hold optional fields are there, so that these are found."""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with served(new_state(tmp_path_factory.mktemp("bodies"))) as client:
        client.post("/v1/indexes/docs/documents", json={"documents": FRUIT})
        yield client


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def resolved(schema, document):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def optional(schema, body, document, place=()):
    """Places of all fields that may be left out, in the parts that the body has."""
    schema = resolved(schema, document)
    for kind in () if "properties" in schema else schema.get("anyOf", ()):
        yield from optional(kind, body, document, place)
    if isinstance(body, list) and "items" in schema:
        for number, each in enumerate(body):
            yield from optional(schema["items"], each, document, (*place, number))
    if isinstance(body, dict):
        for name, found in schema.get("properties", {}).items():
            if name not in schema.get("required", ()):
                yield (*place, name)
            if name in body:
                yield from optional(found, body[name], document, (*place, name))


def changed(body, place, value):
    made = copy.deepcopy(body)
    part = made
    for step in place[:-1]:
        part = part[step]
    if value is ...:
        part.pop(place[-1], None)
    else:
        part[place[-1]] = value
    return made


def routes(document):
    for path, entry in document["paths"].items():
        if "requestBody" in entry.get("post", {}):
            yield path, entry["post"]["requestBody"]["content"]["application/json"]["schema"]


def post(client, path, body):
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(path.format(name="docs"), content=text, headers={"content-type": "application/json"})


def told(answer):
    """An answer without what differs each time."""
    if answer.status_code != 200 or not isinstance(answer.json(), dict):
        return answer.status_code, answer.json()
    return answer.status_code, {name: value for name, value in answer.json().items() if name not in ("seconds", "id")}


def test_every_route_that_takes_a_body_is_tried(document):
    assert {path for path, _ in routes(document)} == set(BODIES)


def test_null_for_an_optional_field_means_that_it_is_not_there(client, document):
    tried = 0
    for path, schema in routes(document):
        for place in set(optional(schema, BODIES[path], document)):
            without = changed(BODIES[path], place, ...)
            post(client, path, without)  # documents are unchanged from here on
            nothing, null = post(client, path, without), post(client, path, changed(without, place, None))
            assert told(null) == told(nothing), (path, place)
            tried += 1
    assert tried > 50


def test_the_document_says_that_optional_fields_may_be_null(document):
    for path, schema in routes(document):
        for place in optional(schema, BODIES[path], document):
            found = resolved(schema, document)
            for step in place:
                kinds = [found, *(resolved(kind, document) for kind in found.get("anyOf", ()))]
                step_in = "items" if isinstance(step, int) else "properties"
                inside = [kind[step_in] for kind in kinds if step_in in kind]
                found = resolved(inside[0] if isinstance(step, int) else inside[0][step], document)
            assert {"type": "null"} in found.get("anyOf", ()), (path, place)


WRONG = [
    "1e30", "1e999", "-1e999", "1" + "0" * 30, "-1" + "0" * 30, "NaN", "Infinity", "-Infinity", "-1", "1.5", "true", '"1"',
    "[]", "{}", '""', "9223372036854775808", "1" * 5000, "1e-400", "[NaN]", "[1e999]", "[[1]]", "[true]", "[null]",
]  # fmt: skip


@pytest.mark.parametrize("value", WRONG)
def test_a_value_that_cannot_be_is_never_the_servers_fault(client, document, value):
    """Each field of each route in turn; the answer is 200 or a refusal in the API's own shape."""
    for path, schema in routes(document):
        body = BODIES[path]
        for place in {*optional(schema, body, document), *((name,) for name in body)}:
            text = json.dumps(changed(body, place, "<here>")).replace('"<here>"', value)
            answer = post(client, path, text)
            assert answer.status_code in (200, 400, 404, 413, 422, 424), (path, place, answer.text)
            if answer.status_code != 200:
                error = answer.json()["error"]
                openai = path.startswith("/v") or path == "/embeddings"
                assert isinstance(error, dict if openai else str)
                assert "Traceback" not in str(error)


@pytest.mark.parametrize("value", ["0", "-1", "1e30", "1" + "0" * 30, "1.5", "true", '"5"', "NaN", "1e999", "1001"])
def test_a_number_of_hits_that_cannot_be_is_refused(client, value):
    for body in (
        f'{{"query": "red", "k": {value}}}',
        f'{{"query": "red", "offset": {value if value != "0" else "-1"}}}',
    ):
        if "offset" in body and value == "1001":
            continue
        answer = post(client, "/v1/indexes/docs/search", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value"), body
    if value != '"5"':
        assert client.get("/v1/indexes/docs/similar", params={"id": "apple", "k": value}).status_code == 400


def test_whole_numbers_may_be_written_as_floats(client):
    for body in ('{"query": "red", "k": 2.0}', '{"query": "red", "k": 2e0, "offset": 0.0}'):
        assert post(client, "/v1/indexes/docs/search", body).status_code == 200
    assert post(client, "/embed", '{"inputs": "a", "dimensions": 4.0}').status_code == 200


@pytest.mark.parametrize(
    "field", ["1" + "0" * 30, "9223372036854775808", "-9223372036854775809", "NaN", "1e999", "1e400"]
)
def test_numbers_of_a_field_that_no_index_can_hold_are_refused(client, field):
    body = f'{{"documents": [{{"id": "n", "text": "a", "fields": {{"n": {field}}}}}]}}'
    answer = post(client, "/v1/indexes/docs/documents", body)
    assert answer.status_code == 400
    assert "documents.0.fields.n" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/indexes/docs/search", "/v1/embeddings", "/embed"])
def test_a_body_that_is_not_json_is_told_with_its_place(client, path):
    answer = client.post(path, content='{"query" "red"}', headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    told = answer.json()["error"]
    told = told if isinstance(told, str) else told["message"]
    assert told in (
        "The body is not JSON: expecting ':' delimiter at character 10.",
        "The body is not JSON: expected `:` at line 1 column 10.",
    )
