"""Documents that bring their vectors: stored as they are, found by them, never encoded."""

import numpy as np
import pytest
from search_fakes import HashEncoder

from vecloom.data.records import Document
from vecloom.errors import DataError
from vecloom.search import Index

EAST, NORTH = (2.0, 0.0, 0.0, 0.0), (0.0, 3.0, 0.0, 0.0)


@pytest.fixture
def encoder():
    return HashEncoder(dim=4)


def documents(**vectors):
    return [Document(name, f"about {name}", vector=vector) for name, vector in vectors.items()]


def test_given_vectors_are_searched_and_nothing_is_encoded(index, encoder):
    index.add(documents(east=EAST, north=np.array(NORTH, np.float32)))
    hits = index.search_vector(np.array([0.6, 0.8, 0, 0], np.float32))
    assert [(hit.document_id, round(hit.score, 6)) for hit in hits] == [("north", 0.8), ("east", 0.6)]
    assert [hit.document_id for hit in index.search("east", mode="keyword")] == ["east"]
    assert encoder.encoded == []


def test_vectors_are_stored_with_length_one(index):
    index.add(documents(a=EAST, b=[5e200, 0, 0, 5e200]))
    stored = index.matrix()[1]
    assert stored.ravel().tolist() == pytest.approx([1, 0, 0, 0, 0.5**0.5, 0, 0, 0.5**0.5])


def test_documents_with_and_without_a_vector_go_together(index, encoder):
    index.add([Document("plain", "some words"), *documents(east=EAST), Document("other", "more words")])
    assert encoder.encoded == ["some words", "more words"]
    assert index.search_vector(np.array(EAST, np.float32), 1)[0].document_id == "east"
    assert index.search("more words", 1, mode="vector")[0].document_id == "other"


def test_a_long_document_with_a_vector_is_one_row_with_all_its_words(tmp_path, encoder):
    index = Index.create(tmp_path / "i", encoder, chunk_tokens=8, overlap=0)
    text = "\n\n".join(f"paragraph {number} of a long text." for number in range(50)) + " zebra"
    index.add([Document("long", text, "Its title", vector=EAST)])
    assert [hit.text for hit in index.document("long")] == [text]
    assert [hit.document_id for hit in index.search("zebra", mode="keyword")] == ["long"]
    assert [hit.document_id for hit in index.search("title", mode="keyword")] == ["long"]


def test_a_second_run_finds_all_unchanged_and_a_changed_vector_replaces(index, encoder):
    index.add(documents(east=EAST, north=NORTH))
    again = index.add(documents(east=EAST, north=NORTH))
    assert (again.added, again.replaced, again.unchanged) == (0, 0, 2)
    changed = index.add(documents(east=(0.0, 0.0, 1.0, 0.0), north=NORTH))
    assert (changed.replaced, changed.unchanged) == (1, 1)
    assert index.search_vector(np.array([0, 0, 1, 0], np.float32), 1)[0].score == pytest.approx(1)
    assert index.info().rows == 2


def test_taking_the_vector_away_encodes_the_document(index, encoder):
    index.add(documents(east=EAST))
    assert index.add([Document("east", "about east")]).replaced == 1
    assert encoder.encoded == ["about east"]


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ((1.0, 2.0), "has 2 dimensions, the vectors of model 'hash' have 4."),
        ((0.0, 0.0, 0.0, 0.0), "is all zeros"),
        ((1.0, float("nan"), 0.0, 0.0), "has a number that is not finite, in place 2."),
    ],
)
def test_a_vector_that_will_not_do_names_its_document(index, vector, said):
    with pytest.raises(DataError, match="The vector of document 'bad' ") as caught:
        index.add(documents(good=EAST, bad=vector))
    assert said in caught.value.what


def test_a_document_without_words_is_left_out_though_it_has_a_vector(index):
    report = index.add([Document("blank", " \n", vector=EAST)])
    assert (report.added, report.empty_ids) == (0, ("blank",))


def test_a_title_alone_is_a_row(index):
    index.add([Document("a", " ", "Tea", vector=EAST)])
    assert [(hit.title, hit.text) for hit in index.document("a")] == [("Tea", "")]
