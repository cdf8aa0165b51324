"""Documents near to a document: its stored vectors ask."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_fakes import HashEncoder

from vecloom.errors import DocumentNotFoundError, FilterError, UsageError
from vecloom.search import Index

FRUIT = [
    {"id": "apple", "text": "red apples are sweet", "lang": "en"},
    {"id": "pear", "text": "green pears are soft", "lang": "en"},
    {"id": "birne", "text": "grüne birnen sind weich", "lang": "de"},
    {"id": "plum", "text": "red plums are sweet", "lang": "en"},
]


def test_scores_are_cosines_to_the_document_which_is_not_among_its_hits(index, encoder):
    index.add(FRUIT)
    vectors = dict(zip([r["id"] for r in FRUIT], encoder.encode([r["text"] for r in FRUIT]), strict=True))
    hits = index.similar("apple", 10)
    expected = sorted(((float(v @ vectors["apple"]), n) for n, v in vectors.items() if n != "apple"), reverse=True)
    assert [hit.document_id for hit in hits] == [name for _, name in expected]
    assert [hit.score for hit in hits] == pytest.approx([score for score, _ in expected], abs=1e-6)


def test_several_chunks_ask_with_the_sum_of_their_directions(tmp_path):
    # Two chunks at right angles, (1, 0) and (0, 1): the sum points to (1, 1) / sqrt(2).
    axes = {"east": (1, 0), "north": (0, 1), "between": (1, 1), "slope": (3, 4)}

    class Plane(HashEncoder):
        def encode(self, texts, **_):
            rows = [np.sum([axes[word] for word in text.split()], axis=0) for text in texts]
            return (np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    index = Index.create(tmp_path / "i", Plane(dim=2), chunk_tokens=8, overlap=0)
    index.add([{"id": "two", "text": "east east east\n\nnorth north north"}])
    index.add([{"id": "b", "text": "between"}, {"id": "s", "text": "slope"}])
    assert index.info().rows == 4
    hits = index.similar("two")
    # cos((1,1), (1,1)) = 1; cos((1,1), (3,4)) = 7 / (5 sqrt 2) = 0.98995
    assert [(hit.document_id, round(hit.score, 5)) for hit in hits] == [("b", 1.0), ("s", 0.98995)]
    one = index.similar("two#1", where="id <> 'b#0'")
    assert [(hit.document_id, round(hit.score, 5)) for hit in one] == [("s", 0.8)]  # (0,1) . (3,4)/5


def test_filters_hold_and_wrong_ones_are_errors(index):
    index.add(FRUIT)
    assert [hit.document_id for hit in index.similar("apple", where="lang = 'de'")] == ["birne"]
    with pytest.raises(FilterError):
        index.similar("apple", where="colour = 'red'")
    with pytest.raises(UsageError, match="k=0"):
        index.similar("apple", 0)


def test_an_unknown_document_is_named(index):
    index.add(FRUIT)
    with pytest.raises(DocumentNotFoundError, match="'kiwi'"):
        index.similar("kiwi")
    with pytest.raises(DocumentNotFoundError):
        index.similar("' OR true --")


def test_a_document_wins_over_a_chunk_of_the_same_name(index):
    index.add([{"id": "a", "text": "red"}, {"id": "a#0", "text": "blue"}, {"id": "c", "text": "blue"}])
    assert [hit.document_id for hit in index.similar("a#0", 1)] == ["c"]


def test_a_document_without_direction_cannot_ask(index):
    index.add(FRUIT)
    index.add([{"id": "zero", "text": "-"}])
    index._encoder.encode = lambda texts, **_: np.zeros((len(texts), 16), np.float32)
    index.add([{"id": "zero", "text": "nothing"}])
    with pytest.raises(UsageError, match="no direction"):
        index.similar("zero")


def test_vectors_that_are_known_need_no_model(index, encoder):
    index.add(FRUIT)
    bare = Index.open(index.path)
    for mode in ("vector", "hybrid"):
        vectors = encoder.encode(["sweet apples"])
        assert bare.search_many(["sweet apples"], mode=mode, vectors=vectors) == [
            index.search("sweet apples", mode=mode)
        ]
    with pytest.raises(UsageError, match="1 vector for 2 queries"):
        bare.search_many(["a", "b"], vectors=vectors)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.sampled_from("red green blue soft sweet".split()), min_size=2, max_size=6), k=st.integers(1, 4)
)
def test_never_itself_and_never_more_than_asked(tmp_path_factory, words, k):
    index = Index.create(tmp_path_factory.mktemp("i") / "i", HashEncoder())
    index.add([{"id": str(place), "text": word} for place, word in enumerate(words)])
    hits = index.similar("0", k)
    assert len(hits) == min(k, len(words) - 1)
    assert "0" not in {hit.document_id for hit in hits}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
