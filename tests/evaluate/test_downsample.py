import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.encoders.lexical import LexicalEncoder, LexicalSettings
from vecloom.errors import DataError, UsageError
from vecloom.evaluate.benchmark.downsample import (
    bm25_retriever,
    downsample_clustering,
    encoder_retriever,
    hard_negative_subset,
    order_agreement,
)

CORPUS = {f"d{i}": f"text {i}" for i in range(10)}
QUERIES = {f"q{i}": f"query {i}" for i in range(4)}
WORDS = "lift drag wing flow heat shock plate layer speed mach".split()


def answering(*rows):
    """A retriever that gives the first k of fixed answers."""
    return lambda queries, documents, k: np.array(rows)[:, :k]


class Points:
    """Encodes "x y" as the vector (x, y)."""

    calls: list[int]

    def __init__(self):
        self.calls = []

    def encode(self, texts, *, kind="document"):
        self.calls.append(len(texts))
        return np.array([[float(word) for word in text.split()] for text in texts], np.float32)


# --- hard negatives


def test_the_small_corpus_is_the_pool_and_the_relevant_documents():
    # query q0 pools 0, 1 from one and 1, 2 from the other; q1 pools 3, 4 and 4, 5; relevant d9 is found by neither
    qrels = {"q0": {"d0": 2, "d9": 1, "d8": 0}, "q1": {"d3": 1, "d5": 0}}
    retrievers = [answering([0, 1, 7], [3, 4, 7]), answering([1, 2, 7], [4, 5, 7])]
    found = hard_negative_subset(CORPUS, QUERIES, qrels, retrievers, depth=2)
    assert list(found.corpus) == ["d0", "d1", "d2", "d3", "d4", "d5", "d9"]
    assert found.corpus["d9"] == "text 9"
    assert found.queries == {"q0": "query 0", "q1": "query 1"}
    assert found.qrels == {"q0": {"d0": 2, "d9": 1}, "q1": {"d3": 1, "d5": 0}}  # d8 is judged, but not there
    assert found.unanswered == ("q2", "q3")


def test_queries_are_sampled_down_in_order_and_by_seed():
    corpus = {str(i): "x" for i in range(3)}
    queries = {f"q{i}": "x" for i in range(50)}
    qrels = {query: {"0": 1} for query in queries}

    def nothing(asked, documents, k):
        return np.full((len(asked), k), -1)

    found = hard_negative_subset(corpus, queries, qrels, [nothing], max_queries=7)
    places = sorted(random.Random(42).sample(range(50), 7))
    assert list(found.queries) == [f"q{place}" for place in places]
    assert list(found.corpus) == ["0"]
    other = hard_negative_subset(corpus, queries, qrels, [nothing], max_queries=7, seed=1)
    assert other.queries.keys() != found.queries.keys()


def test_relevant_documents_that_the_corpus_lacks_are_named_and_stay_judged():
    found = hard_negative_subset(CORPUS, QUERIES, {"q0": {"d1": 1, "gone": 1}}, [answering([0])], depth=1)
    assert found.unknown == (("q0", "gone"),)
    assert found.qrels == {"q0": {"d1": 1, "gone": 1}}


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_the_first_hits_of_a_pooling_model_stay_the_same(seed, depth):
    rng = np.random.default_rng(seed)
    corpus = {f"d{i}": " ".join(map(str, rng.standard_normal(2).round(3))) for i in range(30)}
    queries = {f"q{i}": " ".join(map(str, rng.standard_normal(2).round(3))) for i in range(3)}
    qrels = {query: {f"d{rng.integers(30)}": 1} for query in queries}
    retrieve = encoder_retriever(Points())
    small = hard_negative_subset(corpus, queries, qrels, [retrieve], depth=depth)
    ids, fewer = list(corpus), list(small.corpus)
    full = retrieve(list(queries.values()), list(corpus.values()), depth)
    reduced = retrieve(list(queries.values()), list(small.corpus.values()), depth)
    assert [[ids[i] for i in row] for row in full] == [[fewer[i] for i in row] for row in reduced]


@pytest.mark.parametrize(
    "answer",
    [[[0.5]] * 4, [[10]] * 4, [[-2]] * 4, [[0]] * 3, [0, 0, 0, 0]],
    ids=["not integers", "too large", "too small", "a row too few", "not rows"],
)
def test_a_retriever_that_answers_nonsense_is_refused(answer):
    qrels = {query: {"d0": 1} for query in QUERIES}
    with pytest.raises(DataError, match="A retriever answered 4 queries"):
        hard_negative_subset(CORPUS, QUERIES, qrels, [lambda *_: np.array(answer)])


def test_nothing_to_pool_is_refused():
    with pytest.raises(DataError, match="No query has a relevant document"):
        hard_negative_subset(CORPUS, QUERIES, {"q0": {"d0": 0}, "other": {"d0": 1}}, [answering([0])])
    with pytest.raises(UsageError, match="0 retrievers"):
        hard_negative_subset(CORPUS, QUERIES, {}, [])
    with pytest.raises(UsageError, match="depth=0"):
        hard_negative_subset(CORPUS, QUERIES, {}, [answering([0])], depth=0)


# --- retrievers


def test_an_encoder_retrieves_by_dot_product():
    # (1, 0) with (0.5, 1), (2, 0), (-1, 0), (0.7, 0): 0.5, 2, -1, 0.7
    found = encoder_retriever(Points())(["1 0"], ["0.5 1", "2 0", "-1 0", "0.7 0"], 3)
    assert found.tolist() == [[1, 3, 0]]


@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 30), st.integers(1, 9))
def test_blocks_do_not_change_what_is_found(seed, block, documents, k):
    rng = np.random.default_rng(seed)
    texts = [" ".join(map(str, row)) for row in rng.integers(-3, 4, (documents, 2))]  # many equal scores
    queries = [" ".join(map(str, row)) for row in rng.integers(-3, 4, (4, 2))]
    k = min(k, documents)
    scores = Points().encode(queries) @ Points().encode(texts).T
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    encoder = Points()
    found = encoder_retriever(encoder, block_texts=block, block_bytes=8)(queries, texts, k)
    assert found.tolist() == expected.tolist()
    assert max(encoder.calls[1:]) <= block


def test_bm25_ranks_by_its_formula_and_does_not_find_what_shares_no_word():
    # "wing" is in d0 and d2, "drag" in d2 alone: d2 has both, d0 one, d1 none
    found = bm25_retriever()(["wing drag"], ["the wing", "a plate", "wing and drag"], 3)
    assert found.tolist() == [[2, 0, -1]]


def test_bm25_is_the_dot_product_of_the_lexical_encoder():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 8))) for _ in range(60)]
    queries = [" ".join(rng.choice(WORDS, 3)) for _ in range(5)]
    encoder = LexicalEncoder.fit(texts, settings=LexicalSettings(weighting="bm25"))
    scores = (
        encoder.encode(queries, kind="query", normalize=False)
        @ encoder.encode(texts, kind="document", normalize=False).T
    )
    found = bm25_retriever(block_bytes=400)(queries, texts, 10)
    np.testing.assert_allclose(
        np.take_along_axis(scores, found, 1), -np.sort(-scores, axis=1)[:, :10], rtol=1e-5, atol=1e-6
    )


def test_bm25_takes_no_other_weighting():
    with pytest.raises(UsageError, match="is not BM25"):
        bm25_retriever(LexicalSettings(weighting="tfidf"))


# --- clustering


def test_clustering_is_sampled_as_mteb_does():
    from datasets import Dataset, DatasetDict
    from mteb.abstasks.clustering import AbsTaskClustering
    from mteb.abstasks.task_metadata import TaskMetadata

    seen = []

    class Task(AbsTaskClustering):
        metadata = TaskMetadata(
            name="Local",
            description="x",
            type="Clustering",
            category="t2c",
            modalities=["text"],
            dataset={"path": "local/x", "revision": "1"},
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="v_measure",
        )

    class Watching:
        from mteb.models.model_meta import ModelMeta

        mteb_model_meta = ModelMeta.create_empty({"name": "local/watching", "revision": "0"})

        def encode(self, inputs, **_):
            texts = [text for batch in inputs for text in batch["text"]]
            seen.extend(int(text) for text in texts)
            return np.random.default_rng(0).random((len(texts), 3))

        def similarity(self, a, b):
            return a @ b.T

        def similarity_pairwise(self, a, b):
            return (a * b).sum(1)

    labels = [i % 3 for i in range(500)]
    task = Task()
    task.dataset = DatasetDict(test=Dataset.from_dict({"sentences": [str(i) for i in range(500)], "labels": labels}))
    task.data_loaded = True
    task.evaluate(Watching(), split="test", encode_kwargs={})
    assert downsample_clustering(labels).tolist() == seen
    assert len(seen) == 20  # 4 % of 500


def test_a_number_of_texts_can_be_asked_for():
    expected = random.Random(42).sample(range(50), 8)
    assert downsample_clustering([0] * 50, fraction=None, most=8).tolist() == expected
    assert sorted(downsample_clustering([0] * 5, fraction=None, most=8).tolist()) == [0, 1, 2, 3, 4]
    assert downsample_clustering([0] * 5, fraction=None).tolist() == [0, 1, 2, 3, 4]


def test_samples_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="exclude each other"):
        downsample_clustering([0] * 50, most=8)
    with pytest.raises(UsageError, match="is not possible"):
        downsample_clustering([0] * 50, fraction=1.5)
    with pytest.raises(UsageError, match="is not possible"):
        downsample_clustering([0] * 50, fraction=None, most=0)
    with pytest.raises(DataError, match=r"0\.04 of 20 texts"):
        downsample_clustering([0] * 20)


# --- order of models


def test_swapped_pairs_are_named():
    # full a > b > c, reduced b > a > c: one pair of three is swapped, Kendall (2 - 1) / 3
    found = order_agreement({"a": 0.5, "b": 0.4, "c": 0.1}, {"a": 0.6, "b": 0.7, "c": 0.2})
    assert found.swapped == (("a", "b"),)
    assert found.correlation.kendall == pytest.approx(1 / 3)
    assert (found.spearman_interval, found.kendall_interval) == (None, None)


def test_clear_differences_have_a_narrow_interval_and_chance_a_wide_one():
    rng = np.random.default_rng(0)
    clear = {name: base + 0.01 * rng.random(200) for name, base in zip("abcd", (0.2, 0.4, 0.6, 0.8), strict=True)}
    chance = {name: rng.random(200) for name in "abcd"}
    again = {name: rng.random(200) for name in "abcd"}
    assert order_agreement(clear, clear, samples=200).spearman_interval == (pytest.approx(1), pytest.approx(1))
    low, high = order_agreement(chance, again, samples=200).spearman_interval
    assert high - low > 0.5


def test_the_same_units_are_drawn_on_both_sides():
    # reduced = full: drawn together, so that every resample agrees, however little the models differ
    rng = np.random.default_rng(0)
    full = {name: rng.random(30) for name in "abcde"}
    assert order_agreement(full, full, samples=100).kendall_interval == (pytest.approx(1), pytest.approx(1))


def test_sides_may_have_different_numbers_of_units():
    rng = np.random.default_rng(0)
    full = {name: base + 0.1 * rng.random(200) for name, base in zip("abc", (0.2, 0.4, 0.6), strict=True)}
    reduced = {name: scores[:50] for name, scores in full.items()}
    assert order_agreement(full, reduced, samples=100).spearman_interval == (pytest.approx(1), pytest.approx(1))


@pytest.mark.parametrize(
    ("full", "reduced"),
    [({"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 2.0}), ({"a": 1.0}, {"a": 1.0}), ({"a": [1, 2], "b": [1]},) * 2],
    ids=["other models", "one model", "other units"],
)
def test_scores_that_cannot_be_compared_are_refused(full, reduced):
    with pytest.raises(DataError):
        order_agreement(full, reduced)
