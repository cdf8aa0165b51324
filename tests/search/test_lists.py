"""Lists of texts in an index: stored, widened, counted, found."""

import json

import pytest

from vecloom.data.fields import scalar
from vecloom.search import Index
from vecloom.search.schema import as_former_list, join, kind_of


def fields(index, name):
    return {hit.document_id: hit.fields.get(name) for hit in index.search("text", 99, mode="keyword")}


def add(index, **values):
    index.add({"id": name, "text": "text", "tags": value} for name, value in values.items())


def test_lists_come_back_as_lists(index):
    add(index, a=["x", "y"], b=[], c=None, d=("z",))
    assert fields(index, "tags") == {"a": ["x", "y"], "b": [], "c": None, "d": ["z"]}
    assert index.info().fields == {"tags": "list"}
    again = Index.open(index.path)
    assert fields(again, "tags")["a"] == ["x", "y"]


@pytest.mark.parametrize("value", [[1, 2], ["a", 1], ["a", None], [["a"]], {"a": ["b"]}])
def test_other_lists_stay_json(index, value):
    add(index, a=value, b=[])
    assert fields(index, "tags") == {"a": json.dumps(value), "b": "[]"}


@pytest.mark.parametrize(
    ("old", "then"), [("x, y", ["x, y"]), (3, ["3"]), (2.0, ["2.0"]), (True, ["true"]), (2**63, [str(2**63)])]
)
def test_a_column_of_another_kind_is_widened_to_lists_with_nothing_lost(index, old, then):
    index.add([{"id": "old", "text": "text", "tags": old}, {"id": "none", "text": "text"}])
    add(index, new=["x"])
    assert fields(index, "tags") == {"old": then, "none": None, "new": ["x"]}
    add(index, later="y")
    assert fields(index, "tags")["later"] == ["y"]
    index.optimize()
    assert index.count(f"tags = '{then[0]}'") == 1
    assert index.facets(["tags"])["tags"] == sorted((value, 1) for value in ("x", "y", then[0]))


def test_lists_that_were_kept_as_json_become_lists_again():
    assert as_former_list('["a", "b"]') == ["a", "b"]
    assert as_former_list("[]") == []
    assert as_former_list("[1]") == ["[1]"]
    assert as_former_list("[not json") == ["[not json"]
    assert as_former_list("[" * 100_000) == ["[" * 100_000]
    assert as_former_list(None) is None


def test_an_index_with_lists_as_json_opens_and_is_widened(index):
    add(index, old='["a", "b"]')
    assert index.count("tags LIKE '%\"a\"%'") == 1
    add(index, new=["c"])
    assert fields(index, "tags") == {"old": ["a", "b"], "new": ["c"]}


def test_facets_count_documents_by_member_and_each_once(index):
    add(index, a=["x", "x", "y"], b=["x"], c=["y", "z"], d=[], e=None, f=["x", "z"], g=["x"])
    assert index.facets(["tags"])["tags"] == [("x", 4), ("y", 2), ("z", 2)]
    assert index.facets(["tags"], where="tags = 'z'")["tags"] == [("z", 2), ("x", 1), ("y", 1)]
    assert dict(index.facets())["tags"][0] == ("x", 4)


def test_what_is_a_list():
    assert scalar(["a", "b"]) == ["a", "b"]
    assert scalar(()) == []
    assert kind_of(["a"]) == "list"
    assert join("list", "double") == join("string", "list") == "list"
    assert join("empty list", "string") == "string"
    assert join("empty list", "list") == "list"
