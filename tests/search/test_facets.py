"""Facets, whole documents, and rows by their place."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vecloom.errors import DocumentNotFoundError, FilterError, UsageError
from vecloom.search import Index


def fill(index, *languages, **more):
    index.add({"id": str(n), "text": f"text {n}", "lang": lang, **more} for n, lang in enumerate(languages))


def test_documents_are_counted_and_not_chunks(index):
    fill(index, "en", "en", "de")
    long = "\n\n".join(f"A paragraph of its own, number {n}, with some words in it." * 8 for n in range(20))
    index.add([{"id": "long", "text": long, "lang": "de"}])
    assert index.info().rows > 6
    assert index.facets() == {"lang": [("de", 2), ("en", 2)]}


def test_most_frequent_first(index):
    fill(index, "fr", "en", "de", "en", "de", "en")
    assert index.facets()["lang"] == [("en", 3), ("de", 2), ("fr", 1)]


def test_filters_narrow_the_counts(index):
    index.add({"id": str(n), "text": "x", "lang": "en" if n % 2 else "de", "year": 2000 + n // 4} for n in range(16))
    assert index.facets(["lang"], where="year = 2001") == {"lang": [("de", 2), ("en", 2)]}
    assert index.facets(["year"], where="lang = 'en' AND year > 2002") == {"year": [(2003, 2)]}
    with pytest.raises(FilterError, match="wrong"):
        index.facets(where="wrong = 1")


def test_what_does_not_sort_is_no_facet(index):
    index.add(
        {"id": str(n), "text": "x", "name": f"name {n}", "same": "yes", "weight": n % 2 / 2, "big": n > 3}
        for n in range(8)
    )
    assert index.facets() == {"big": [(False, 4), (True, 4)]}
    assert set(index.facets(["name", "weight", "unheard-of"])) == {"name", "weight"}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.sampled_from(["a", "b", "ü'", None]), min_size=1, max_size=12))
def test_counts_are_those_of_the_records(tmp_path_factory, encoder, values):
    index = Index.create(tmp_path_factory.mktemp("facets") / "index", encoder)
    fill(index, *values)
    counted = dict(index.facets(["lang"]).get("lang", []))
    assert counted == Counter(value for value in values if value is not None)


def test_a_document_comes_whole_and_in_order(index):
    words = [f"word{n}" for n in range(2000)]
    index.add([{"id": "one", "text": ". ".join(words), "title": "T"}, {"id": "two", "text": "other"}])
    chunks = index.document("one")
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert len(chunks) > 1
    assert {chunk.document_id for chunk in chunks} == {"one"}
    assert "word0" in chunks[0].text
    assert "word1999" in chunks[-1].text
    with pytest.raises(DocumentNotFoundError, match="three"):
        index.document("three")


def test_rows_come_by_key_in_the_order_asked(index, encoder):
    fill(index, "en", "de", "fr")
    keys, cosines = index.nearest_keys(encoder.encode(["text 1"])[0], 3)
    assert index.rows(keys)[0].text == "text 1"
    assert cosines[0] == pytest.approx(1)
    names = [hit.document_id for hit in index.rows(keys)]
    assert [hit.document_id for hit in index.rows(keys[::-1])] == names[::-1]
    index.delete(["1"])
    assert {hit.document_id for hit in index.rows(keys)} == {"0", "2"}
    assert index.rows([99]) == []


def test_matrix_and_values_are_those_of_the_rows(index, encoder):
    fill(index, "en", None, "fr")
    index.delete(["0"])
    index.add([{"id": "3", "text": "text 3"}])
    keys, matrix = index.matrix()
    texts = [hit.text for hit in index.rows(keys)]
    assert sorted(texts) == ["text 1", "text 2", "text 3"]
    np.testing.assert_allclose(matrix, encoder.encode(texts), atol=1e-6)
    by_key = dict(zip(*index.values("lang"), strict=True))
    assert [by_key[key] for key in keys] == [{"text 2": "fr"}.get(text) for text in texts]
    with pytest.raises(UsageError, match="colour"):
        index.values("colour")
