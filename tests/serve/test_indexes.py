"""``/v1/indexes``: what goes in comes out, and what is wrong is told."""

import json
import threading
from urllib.parse import urljoin, urlsplit

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.search.fakes import HashEncoder
from tests.serve.served import FRUIT, new_state, served

from vecloom.search import Index
from vecloom.serve.page.question import document_url, similar_url

SEARCH, DOCUMENTS, SIMILAR = (f"/v1/indexes/docs/{what}" for what in ("search", "documents", "similar"))
ODD_IDS = [
    ".", "..", "...", "./a", "../a", "a/..", "a/../b", "a/./b", "/", "//", "/a", "a/", "a//b", "//host/a", "%2F", "%2e%2e", "%",
    "?", "?a=b", "#", "a#b", "a&b=c", "a;b", "a+b", " ", " a ", "a\\b", "\\",
    "a\nb", "a\n", "\n", "\r\n", "\t", "\0", "a\0b", "\x1f",
    "\x7f", "\x85", "\u2028", "\ufeff", "http://h/p?q#f", "javascript:alert(1)", "'", '"', "a'b",
    "<b>", "ü", "u\u0308", "名前", "👩\u200d🔬",
    "id", "search", "documents", "a#0", "x" * 1024, "ü" * 1024, "/" * 1024,
]  # fmt: skip


@pytest.fixture
def state(tmp_path):
    return new_state(tmp_path)


@pytest.fixture
def client(state):
    with served(state) as client:
        yield client


@pytest.fixture
def filled(client):
    assert client.post(DOCUMENTS, json={"documents": FRUIT}).status_code == 200
    return client


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [hit["document_id"] for hit in answer.json()["hits"]]


def counts(answer):
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json().items() if isinstance(value, int)}


# ---- searching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["vector", "keyword", "hybrid", None])
def test_an_answer_is_the_indexs_own(filled, state, mode):
    asked = {"query": "sweet apples", "k": 3} | ({"mode": mode} if mode else {})
    answer = filled.post(SEARCH, json=asked).json()
    hits = Index.open(state.indexes["docs"].path, HashEncoder()).search("sweet apples", 3, mode=mode or "hybrid")
    assert [(hit["id"], hit["score"], hit["vector_rank"], hit["keyword_rank"]) for hit in answer["hits"]] == [
        (hit.id, pytest.approx(hit.score), hit.vector_rank, hit.keyword_rank) for hit in hits
    ]
    assert (answer["index"], answer["mode"], answer["k"], answer["offset"]) == ("docs", mode or "hybrid", 3, 0)


def test_a_hit_shows_what_was_sent(filled):
    (hit,) = filled.post(SEARCH, json={"query": "birnen", "mode": "keyword"}).json()["hits"]
    assert (hit["document_id"], hit["title"], hit["text"]) == ("a/b c", "Birne", "grüne birnen sind weich")
    assert (hit["fields"], hit["position"], hit["source"]) == ({"year": 2022, "lang": "de"}, 0, "-")


def test_filters_hold_before_ranking(filled):
    asked = {"query": "red apples", "where": "year > 2020 AND lang = 'en'", "k": 1}
    assert ids(filled.post(SEARCH, json=asked)) == ["pear"]


def test_a_vector_asks_by_itself(filled):
    vector = HashEncoder().encode(["green pears are soft"])[0].tolist()
    answer = filled.post(SEARCH, json={"vector": vector, "k": 1})
    assert ids(answer) == ["pear"]
    assert answer.json()["mode"] == "vector"
    assert answer.json()["hits"][0]["score"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("mode", ["vector", "hybrid"])
def test_pages_follow_each_other(filled, mode):
    every = ids(filled.post(SEARCH, json={"query": "red pears", "k": 3, "mode": mode}))
    pages = [ids(filled.post(SEARCH, json={"query": "red pears", "k": 1, "offset": n, "mode": mode})) for n in range(4)]
    assert pages == [[every[0]], [every[1]], [every[2]], []]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "either query or vector"),
        ({"query": "a", "vector": [1.0]}, "either query or vector"),
        ({"query": ""}, "query"),
        ({"query": " "}, "The query is empty"),
        ({"query": "a", "k": 0}, "k"),
        ({"query": "a", "k": 1001}, "k"),
        ({"query": "a", "k": "5"}, "k"),
        ({"query": "a", "offset": -1}, "offset"),
        ({"query": "a", "mode": "magic"}, "mode"),
        ({"query": "a", "filter": "x"}, "filter"),
        ({"query": "a", "where": "colour = 'red'"}, "not a field"),
        ({"query": "a", "where": "year >"}, "filter"),
        ({"vector": [1.0, 2.0]}, "2 dimensions, the index 16"),
        ({"vector": [1.0] * 16, "mode": "hybrid"}, "A vector cannot be searched by hybrid"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(filled, asked, told):
    answer = filled.post(SEARCH, json=asked)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert told in error["message"]


def test_an_unknown_index_is_told_which_there_are(client, tmp_path):
    answer = client.post("/v1/indexes/other/search", json={"query": "a"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "index_not_found")
    assert "there is docs" in answer.json()["error"]["message"]
    with served(new_state(tmp_path / "none", indexes=())) as empty:
        assert "without -i INDEX" in empty.post(SEARCH, json={"query": "a"}).json()["error"]["message"]


# ---- near to a document -----------------------------------------------------------------------------------------------


def test_near_documents_come_without_the_document(filled):
    answer = filled.get("/v1/indexes/docs/similar/apple", params={"k": 5})
    assert set(ids(answer)) == {"pear", "a/b c"}
    only = filled.get("/v1/indexes/docs/similar/apple", params={"where": "lang = 'de'"})
    assert ids(only) == ["a/b c"]
    second = filled.get("/v1/indexes/docs/similar/apple", params={"k": 1, "offset": 1})
    assert ids(second) == ids(answer)[1:]


def test_ids_with_slashes_and_blanks_can_be_named(filled):
    assert set(ids(filled.get("/v1/indexes/docs/similar/a/b c"))) == {"apple", "pear"}
    assert set(ids(filled.get("/v1/indexes/docs/similar/a%2Fb%20c"))) == {"apple", "pear"}
    assert filled.delete(f"{DOCUMENTS}/a/b%20c").json() == {"id": "a/b c", "deleted": True}


def test_a_document_that_is_not_there_is_404(filled):
    for answer in (filled.get("/v1/indexes/docs/similar/kiwi"), filled.delete(f"{DOCUMENTS}/kiwi")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "document_not_found")


def test_a_document_is_read_with_all_its_chunks(filled):
    told = filled.get(DOCUMENTS, params={"id": "a/b c"}).json()
    assert told == {
        "id": "a/b c", "title": "Birne", "source": "-", "fields": {"year": 2022, "lang": "de"},
        "chunks": [{"id": "a/b c#0", "position": 0, "heading": "", "text": "grüne birnen sind weich"}],
    }  # fmt: skip
    assert filled.get(f"{DOCUMENTS}/a/b c").json() == told


@pytest.mark.parametrize("name", ODD_IDS)
def test_whatever_its_id_a_document_is_read_compared_shown_and_deleted(filled, name):
    filled.post(DOCUMENTS, json={"documents": [{"id": name, "text": "red apples are odd"}]})
    assert filled.get(DOCUMENTS, params={"id": name}).json()["id"] == name
    assert set(ids(filled.get(SIMILAR, params={"id": name, "k": 3}))) == {"apple", "pear", "a/b c"}
    for link in (document_url("docs", name), similar_url("docs", name)):
        assert urlsplit(link).path == urlsplit(urljoin("http://h/", link)).path  # nothing that a browser would change
        assert filled.get(link).status_code == 200
    assert filled.delete(DOCUMENTS, params={"id": name}).json() == {"id": name, "deleted": True}
    assert filled.get(DOCUMENTS, params={"id": name}).status_code == 404
    assert filled.get(DOCUMENTS, params={"id": "apple"}).status_code == 200


def test_a_request_names_one_document(filled):
    for ask in (filled.get, filled.delete):
        for url in (DOCUMENTS, f"{DOCUMENTS}?id=", f"{DOCUMENTS}?id=apple&id=pear", f"{DOCUMENTS}/apple?id=pear"):
            answer = ask(url)
            assert (answer.status_code, "id" in answer.json()["error"]["message"]) == (400, True), url
    assert filled.get("/v1/indexes").json()["data"][0]["documents"] == 3


# ---- changing -----------------------------------------------------------------------------------------------------------


def test_documents_are_added_replaced_and_left_as_they_are(client):
    first = client.post(DOCUMENTS, json={"documents": FRUIT})
    assert counts(first) == {"added": 3, "replaced": 0, "unchanged": 0, "empty": 0, "chunks": 3}
    changed = [FRUIT[0] | {"text": "blue apples"}, FRUIT[1], {"id": "void", "text": " "}, {"text": "no name"}]
    second = client.post(DOCUMENTS, json={"documents": changed})
    assert counts(second) == {"added": 1, "replaced": 1, "unchanged": 1, "empty": 1, "chunks": 2}
    assert ids(client.post(SEARCH, json={"query": "blue", "mode": "keyword"})) == ["apple"]
    again = client.post(DOCUMENTS, json={"documents": [{"text": "no name"}]})
    assert again.json()["unchanged"] == 1  # a text without an id is known by its content


def test_the_answer_tells_the_ids_also_those_that_were_made(client):
    sent = [{"id": 7, "text": "seven"}, {"text": "no name"}, {"title": "A title"}, {"id": "void", "text": ""}]
    told = client.post(DOCUMENTS, json={"documents": sent}).json()
    assert (told["ids"][0], told["ids"][3], told["repeated"]) == ("7", "void", [])
    for name, text in zip(told["ids"][:2], ("seven", "no name"), strict=True):
        assert client.get(DOCUMENTS, params={"id": name}).json()["chunks"][0]["text"] == text


def test_ids_that_come_twice_are_told_and_the_last_stays(client):
    sent = [
        {"id": "a", "text": "one"},
        {"text": "same"},
        {"id": "a", "text": "two"},
        {"text": "same"},
        {"id": "b", "text": "b"},
    ]
    told = client.post(DOCUMENTS, json={"documents": sent}).json()
    assert told["repeated"] == ["a", told["ids"][1]]
    assert client.get(DOCUMENTS, params={"id": "a"}).json()["chunks"][0]["text"] == "two"


def test_a_title_without_a_text_is_a_document_as_in_an_index_made_from_files(client):
    sent = [
        {"id": "t", "title": "sparse matrices"},
        {"id": "n", "title": "two machines", "text": None},
        {"id": "e", "title": " "},
    ]
    told = client.post(DOCUMENTS, json={"documents": sent}).json()
    assert (told["added"], told["empty"]) == (2, 1)
    assert ids(client.post(SEARCH, json={"query": "matrices", "mode": "keyword"})) == ["t"]
    assert ids(client.post(SEARCH, json={"query": "two machines", "k": 1, "mode": "vector"})) == ["n"]
    nothing = client.post(DOCUMENTS, json={"documents": [{"id": "a", "text": "a"}, {"id": "b"}]})
    assert nothing.json()["error"]["message"] == "documents.1: a document needs a text or a title."


def test_numbers_name_documents_too(client):
    client.post(DOCUMENTS, json={"documents": [{"id": 7, "text": "seven"}]})
    assert client.delete(f"{DOCUMENTS}/7").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"documents": []},
        {"documents": [{"id": "a"}]},
        {"documents": [{"id": "", "text": "a"}]},
        {"documents": [{"id": True, "text": "a"}]},
        {"documents": [{"id": "a", "text": 5}]},
        {"documents": [{"id": "a", "text": "a", "year": 2020}]},
        {"documents": [{"id": "a", "text": "a", "fields": {"": 1}}]},
        {"documents": [{"id": "a", "text": "a", "fields": {"x": [1]}}]},
        {"documents": [{"id": "a", "text": "a", "fields": {str(n): n for n in range(101)}}]},
        [],
    ],
)
def test_what_is_no_document_is_refused_and_nothing_is_stored(client, state, sent):
    answer = client.post(DOCUMENTS, json=sent)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert state.indexes["docs"].info().documents == 0


def test_limits_of_documents_hold(tmp_path):
    with served(new_state(tmp_path, max_texts=2, max_text_characters=10)) as client:
        assert client.post(DOCUMENTS, json={"documents": [{"text": "a"}, {"text": "b"}]}).status_code == 200
        many = client.post(DOCUMENTS, json={"documents": [{"text": "a"}] * 3})
        long = client.post(DOCUMENTS, json={"documents": [{"text": "a"}, {"text": "a" * 11}]})
        assert (many.status_code, long.status_code) == (413, 413)
        assert long.json()["error"]["param"] == "documents.1.text"


def test_a_vector_that_is_not_finite_is_the_documents_fault(client, state):
    answer = client.post(DOCUMENTS, json={"documents": [{"id": "bad", "text": "this is NAN"}]})
    assert answer.status_code == 400
    assert "'bad'" in answer.json()["error"]["message"]
    assert state.indexes["docs"].info().documents == 0


def test_another_process_that_writes_is_503_and_says_when_to_come_back(client, state):
    from vecloom.search.lock import writer_lock

    book = state.shelf.book("docs")
    book.writer = Index.open(state.indexes["docs"].path, HashEncoder(), lock_timeout=0.1)
    with writer_lock(state.indexes["docs"].path, 1):
        answer = client.post(DOCUMENTS, json={"documents": FRUIT})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert str(state.indexes["docs"].path) not in answer.text
    assert client.post(DOCUMENTS, json={"documents": FRUIT}).status_code == 200


# ---- the list -----------------------------------------------------------------------------------------------------------


def test_the_list_tells_all_but_the_folder(filled, state):
    answer = filled.get("/v1/indexes").json()
    (docs,) = answer["data"]
    assert (docs["id"], docs["documents"], docs["rows"], docs["dim"], docs["kind"]) == ("docs", 3, 3, 16, "exact")
    assert docs["fields"] == {"year": "int64", "lang": "string"}
    assert str(state.indexes["docs"].path) not in filled.get("/v1/indexes").text


def test_what_was_done_is_counted(filled):
    filled.post(SEARCH, json={"query": "a", "mode": "keyword"})
    filled.delete(f"{DOCUMENTS}/apple")
    page = filled.get("/metrics").text
    assert 'vecloom_documents_written{index="docs",what="added"} 3' in page
    assert 'vecloom_documents_written{index="docs",what="deleted"} 1' in page
    assert 'vecloom_searches{index="docs",mode="keyword"} 1' in page
    assert (
        'vecloom_http_requests{method="DELETE",route="/v1/indexes/{name}/documents/{id:path}",status="200"} 1' in page
    )


# ---- readers beside writers -------------------------------------------------------------------------------------------


def test_searches_beside_writes_see_whole_documents_and_never_fail(client):
    """Each write replaces the text of all documents at once; a search must see one generation of each, and all of them."""
    names, failures, done = [f"d{n}" for n in range(5)], [], threading.Event()

    def write():
        for generation in range(12):
            documents = [{"id": name, "text": f"common word {generation}"} for name in names]
            answer = client.post(DOCUMENTS, json={"documents": documents})
            if answer.status_code != 200:
                failures.append(answer.text)
        done.set()

    def read():
        while not done.is_set():
            answer = client.post(SEARCH, json={"query": "common", "mode": "keyword", "k": 50})
            hits = answer.json().get("hits")
            if answer.status_code != 200 or len(hits) not in (0, 5) or len({hit["text"] for hit in hits}) > 1:
                failures.append(answer.text)

    threads = [threading.Thread(target=work) for work in (write, read, read, read)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failures == []
    assert len(ids(client.post(SEARCH, json={"query": "common 11", "k": 50}))) == 5


def test_writes_that_wait_are_bounded_and_the_rest_get_429(tmp_path):
    inside, go = threading.Event(), threading.Event()

    class Slow(HashEncoder):
        def encode(self, texts, *, kind="document", **settings):
            if kind == "document":
                inside.set()
                go.wait(20)
            return super().encode(texts, kind=kind, **settings)

    with served(new_state(tmp_path, encoder=Slow(), max_waiting_writes=2)) as client:
        answers = []
        send = lambda n: answers.append(client.post(DOCUMENTS, json={"documents": [{"id": n, "text": "a"}]}))  # noqa: E731
        threads = [threading.Thread(target=send, args=(n,)) for n in range(3)]
        threads[0].start()
        assert inside.wait(20)
        [thread.start() for thread in threads[1:]]
        while client.state.shelf.book("docs").writing.statistics().tasks_waiting < 2:
            pass
        refused = client.post(DOCUMENTS, json={"documents": [{"id": 9, "text": "a"}]})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert client.post(SEARCH, json={"query": "a", "mode": "keyword"}).status_code == 200  # reading goes on
        go.set()
        [thread.join() for thread in threads]
        assert [answer.json()["added"] for answer in answers] == [1, 1, 1]


def test_a_write_that_outlives_the_server_ends_at_a_batch_and_keeps_what_it_committed(tmp_path, monkeypatch):
    monkeypatch.setattr("vecloom.search.writer.BATCH_CHUNKS", 4)
    state, seen = new_state(tmp_path), []

    class Closing(HashEncoder):
        def encode(self, texts, **settings):
            seen.append(len(texts))
            if len(seen) == 3:
                state.shelf.close()
            return super().encode(texts, **settings)

    state.indexes["docs"]._encoder = Closing()
    with served(state) as client:
        answer = client.post(DOCUMENTS, json={"documents": [{"id": n, "text": f"text {n}"} for n in range(40)]})
    assert (answer.status_code, "Send all of them again" in answer.text) == (503, True)
    assert seen == [4, 4, 4]
    assert Index.open(tmp_path / "docs").info().documents == 12


# ---- properties ---------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
VALUE = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(TEXT, st.tuples(TEXT, st.dictionaries(NAME, VALUE, max_size=2)), min_size=1, max_size=4))
def test_any_document_that_is_taken_comes_back_and_goes(tmp_path_factory, sent):
    with served(new_state(tmp_path_factory.mktemp("i"))) as client:
        documents = [{"id": name, "text": f"common {text}", "fields": fields} for name, (text, fields) in sent.items()]
        added = client.post(DOCUMENTS, json={"documents": documents})
        assert counts(added) == {"added": len(sent), "replaced": 0, "unchanged": 0, "empty": 0, "chunks": len(sent)}
        assert added.json()["ids"] == list(sent)
        hits = client.post(SEARCH, json={"query": "common", "k": 10, "mode": "vector"}).json()["hits"]
        assert {hit["document_id"]: hit["text"].strip() for hit in hits} == {
            d["id"]: d["text"].strip() for d in documents
        }
        for hit in hits:
            kept = {name: value for name, value in sent[hit["document_id"]][1].items() if value is not None}
            assert set(hit["fields"]) == set(kept)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(k=st.integers(1, 8), offset=st.integers(0, 8), mode=st.sampled_from(["vector", "keyword", "hybrid"]))
def test_a_page_is_a_slice_of_the_whole_list(filled, k, offset, mode):
    every = ids(filled.post(SEARCH, json={"query": "red green soft", "k": 16, "mode": mode}))
    assert (
        ids(filled.post(SEARCH, json={"query": "red green soft", "k": k, "offset": offset, "mode": mode}))
        == (every[offset : offset + k])
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.text(max_size=30))
def test_any_filter_is_answered_and_never_breaks_the_server(filled, where):
    assert filled.post(SEARCH, json={"query": "red", "where": where}).status_code in (200, 400)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_id_can_be_named_in_the_query(filled, name):
    expected = 200 if name in ("apple", "pear") else 404
    for path in (DOCUMENTS, SIMILAR):
        assert filled.get(path, params={"id": name}).status_code == expected
    if expected == 404:
        assert filled.delete(DOCUMENTS, params={"id": name}).status_code == 404


def test_a_line_break_behind_an_id_is_not_dropped(filled):
    for answer in (filled.get(f"{SIMILAR}/apple%0A"), filled.delete(f"{DOCUMENTS}/apple%0A")):
        assert answer.status_code == 404
        assert "?id=ID" in answer.json()["error"]["message"]
    assert filled.delete(f"{DOCUMENTS}/apple").status_code == 200


@pytest.mark.parametrize("number", [10**400, 1e308, -1e39, 5e-324])
def test_numbers_beyond_float32_are_refused_or_taken_but_break_nothing(filled, number):
    body = json.dumps({"vector": [number] * 16})
    assert filled.post(SEARCH, content=body, headers={"content-type": "application/json"}).status_code in (200, 400)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[" * 100_000, b'{"query": NaN}', b'{"query": "\xff"}', b'{"query": "\\ud800"}']
)
def test_what_is_no_json_is_refused(filled, body):
    assert filled.post(SEARCH, content=body, headers={"content-type": "application/json"}).status_code == 400
    assert filled.post(DOCUMENTS, content=body, headers={"content-type": "application/json"}).status_code == 400


def test_the_document_describes_every_answer_and_every_limit(client):
    document = client.get("/openapi.json").json()
    paths = {path: entry for path, entry in document["paths"].items() if path.startswith("/v1/indexes")}
    assert len(paths) == 6
    for entry in paths.values():
        for route in entry.values():
            assert {"200", "401", "403", "429", "default"} <= set(route["responses"])
    schemas = document["components"]["schemas"]
    assert schemas["Documents"]["properties"]["documents"]["maxItems"] == client.state.settings.max_texts
    assert (
        schemas["DocumentIn"]["properties"]["text"]["anyOf"][0]["maxLength"]
        == client.state.settings.max_text_characters
    )
    assert schemas["Search"]["properties"]["k"]["anyOf"][0]["maximum"] == 1000


def test_numpy_is_not_in_the_way_of_an_empty_index(client):
    vector = np.ones(16).tolist()
    assert client.post(SEARCH, json={"vector": vector}).json()["hits"] == []


# ---- lists and filters -------------------------------------------------------------------------------------------------


def test_a_list_of_texts_comes_back_as_one_and_is_filtered_by_its_members(filled):
    sent = [{"id": "l", "text": "red", "fields": {"tags": ["a", "b'c"], "none": []}}, {"id": "m", "text": "red"}]
    assert filled.post(DOCUMENTS, json={"documents": sent}).status_code == 200
    answer = filled.post(SEARCH, json={"query": "red", "where": "tags = 'b''c'"})
    assert ids(answer) == ["l"]
    assert answer.json()["hits"][0]["fields"] == {"tags": ["a", "b'c"], "none": []}
    assert ids(filled.get(SIMILAR, params={"id": "m", "where": "tags IN ('a')"})) == ["l"]
    for wrong in ([1], ["a", 2], [["a"]], ["a", None], ["x"] * 1001):
        refused = {"documents": [{"id": "n", "text": "x", "fields": {"tags": wrong}}]}
        assert filled.post(DOCUMENTS, json=refused).status_code == 400


@pytest.mark.parametrize(
    "where", ["(" * 5000, "year = 'x'", "year LIKE '1%'", "lower(", "year IN (1, 'a')", "x" * 9_999, "year = NULL", "'"]
)
def test_a_wrong_filter_is_400_with_its_sentence_wherever_it_is(filled, where):
    by_post = filled.post(SEARCH, json={"query": "red", "where": where})
    by_get = filled.get(SIMILAR, params={"id": "apple", "where": where})
    on_page = filled.get("/", params={"q": "red", "where": where})
    assert [answer.status_code for answer in (by_post, by_get, on_page)] == [400, 400, 400]
    assert by_post.json()["error"]["message"] == by_get.json()["error"]["message"]
    assert "filter" in by_post.json()["error"]["message"]


def test_a_filter_that_takes_too_long_is_503(filled, monkeypatch):
    monkeypatch.setenv("VECLOOM_FILTER_SECONDS", "1e-9")
    for answer in (
        filled.post(SEARCH, json={"query": "red", "where": "year > 1"}),
        filled.get("/", params={"q": "red", "where": "year > 1"}),
    ):
        assert answer.status_code == 503
        assert "took longer than 1e-09 seconds" in answer.text
