import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tests.encoders.tiny import make, text
from tests.train.fakes import random_unit

import vecloom as vl
from vecloom.errors import DataError, OutputError, UsageError
from vecloom.train.mine import THRESHOLDS, MineSettings, from_mapping, keep, mine
from vecloom.train.mine_search import Nearest


class Angles:
    """An encoder of texts that end in an angle in degrees: "c 30" is (cos 30, sin 30)."""

    name, dim, max_length, tokenizer, fingerprint = "angles", 2, 99, None, "angles"

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, texts, *, kind="document", dim=None, normalize=True, prompt=None, progress=None):
        self.encoded += len(texts)
        angles = np.radians([float(text.split()[-1]) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def save(self, directory) -> None:
        raise NotImplementedError


PAIRS = [("q 0", "p 30")]
CORPUS = [
    "c 10",
    "c 35",
    "c 40",
    "c 50",
    "c 80",
]  # cosines with the anchor .985, .819, .766, .643, .174; the positive .866


def mined(tmp_path, pairs=None, corpus=CORPUS, **options):
    summary = mine(pairs or PAIRS, Angles(), tmp_path / "out.jsonl", corpus=corpus, settings=MineSettings(**options))
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()], summary


def negatives(rows) -> list[str]:
    return [value for key, value in rows[0].items() if key.startswith("negative")]


def test_a_negative_may_have_95_percent_of_the_positives_score():
    # .95 x .80 = .76: .90 and .77 are out, .75 and .30 stay.
    passed = keep(np.float32([0.90, 0.77, 0.75, 0.30]), 0.80, MineSettings(**THRESHOLDS["percpos"]))
    assert passed["relative_margin"].tolist() == [False, False, True, True]


def test_a_negative_may_be_a_margin_below_the_positive():
    # .80 - .05 = .75
    passed = keep(np.float32([0.90, 0.76, 0.74, 0.30]), 0.80, MineSettings(**THRESHOLDS["marginpos"]))
    assert passed["absolute_margin"].tolist() == [False, False, True, True]


def test_a_positive_of_negative_score_has_a_threshold_below_it():
    # -.2 - .05 x .2 = -.21; .95 x -.2 = -.19 would let a text through that is nearer than the positive.
    passed = keep(np.float32([-0.195, -0.22]), -0.2, MineSettings(relative_margin=0.05))
    assert passed["relative_margin"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["c 10", "c 35"]),
        ({"rank_min": 1}, ["c 35", "c 40"]),
        ({"rank_min": 1, "rank_max": 3, "max_score": 0.8}, ["c 40"]),
        ({"max_score": 0.9}, ["c 35", "c 40"]),
        ({"relative_margin": 0.05}, ["c 35", "c 40"]),  # .95 x .866 = .823
        ({"relative_margin": 0.1}, ["c 40", "c 50"]),  # .779
        ({"absolute_margin": 0.2}, ["c 50", "c 80"]),  # .666
        ({"absolute_margin": 0.2, "min_score": 0.5}, ["c 50"]),
        ({"include_positives": True}, ["c 10", "p 30"]),
    ],
    ids=str,
)
def test_thresholds_and_ranks_choose_as_worked_by_hand(tmp_path, options, expected):
    form = {} if options.get("include_positives") else {"format": "triplet"}
    rows, _ = mined(tmp_path, negatives=2, **options, **form)
    found = negatives(rows) if not form else [row["negative"] for row in rows]
    assert found == expected


@pytest.mark.parametrize(
    ("form", "scores", "expected"),
    [
        ("n-tuple", False, [{"anchor": "q 0", "positive": "p 30", "negative_1": "c 10", "negative_2": "c 35"}]),
        (
            "triplet",
            True,
            [
                {"anchor": "q 0", "positive": "p 30", "negative": "c 10", "scores": [0.866025, 0.984808]},
                {"anchor": "q 0", "positive": "p 30", "negative": "c 35", "scores": [0.866025, 0.819152]},
            ],
        ),
        (
            "labelled-pair",
            False,
            [
                {"sentence1": "q 0", "sentence2": "p 30", "score": 1},
                {"sentence1": "q 0", "sentence2": "c 10", "score": 0},
                {"sentence1": "q 0", "sentence2": "c 35", "score": 0},
            ],
        ),
        ("labelled-list", False, [{"anchor": "q 0", "texts": ["p 30", "c 10", "c 35"], "labels": [1, 0, 0]}]),
        (
            "labelled-list",
            True,
            [{"anchor": "q 0", "texts": ["p 30", "c 10", "c 35"], "scores": [0.866025, 0.984808, 0.819152]}],
        ),
    ],
)
def test_the_same_finding_in_every_format(tmp_path, form, scores, expected):
    rows, _ = mined(tmp_path, negatives=2, format=form, scores=scores)
    assert rows == expected


def test_all_positives_of_an_anchor_are_spared_and_the_lowest_sets_the_threshold(tmp_path):
    pairs = [("q 0", "p 30"), ("q 0", "p 60")]
    rows, summary = mined(tmp_path, pairs, [*CORPUS, "p 60"], negatives=1, relative_margin=0.0)
    # cos 60 = .5, below which only c 80 (.174) is.
    assert [row["negative_1"] for row in rows] == ["c 80", "c 80"]
    assert [row["positive"] for row in rows] == ["p 30", "p 60"]
    assert (summary.pairs, summary.anchors, summary.corpus) == (2, 1, 7)


def test_texts_that_differ_in_case_and_white_space_are_one(tmp_path):
    rows, summary = mined(tmp_path, corpus=["P  30", "Q 0", "C 10", "c  10", "c 80"], negatives=2)
    assert negatives(rows) == ["C 10", "c 80"]
    assert summary.corpus == 4


def test_the_summary_counts_what_was_dropped_and_missed(tmp_path):
    rows, summary = mined(tmp_path, negatives=3, relative_margin=0.1, max_score=0.9)
    assert summary.skipped == {"max_score": 1, "relative_margin": 1}
    assert (summary.rows, summary.negatives, summary.missing) == (1, 3, 0)
    assert len(rows) == 1
    assert summary.scores["positive"]["mean"] == pytest.approx(0.866025, abs=1e-5)
    assert summary.scores["negative"]["max"] == pytest.approx(0.766044, abs=1e-5)
    _, less = mined(tmp_path, negatives=3, absolute_margin=0.2)
    assert (less.rows, less.negatives, less.missing) == (0, 2, 1)


def test_a_cross_encoder_decides_order_and_thresholds(tmp_path):
    class Judge:
        def predict(self, pairs):
            return [{"p 30": 0.5, "c 50": 0.4, "c 35": 0.2}.get(right, 0.9) for _, right in pairs]

    chosen = MineSettings(negatives=2, relative_margin=0.05)
    mine(PAIRS, Angles(), tmp_path / "out.jsonl", corpus=CORPUS, settings=chosen, cross_encoder=Judge())
    assert negatives([json.loads((tmp_path / "out.jsonl").read_text())]) == ["c 50", "c 35"]


def test_random_negatives_are_the_same_for_an_anchor_whatever_else_is_mined(tmp_path):
    corpus = [f"c {angle}" for angle in range(5, 90, 5)]
    options = {"negatives": 3, "rank_max": 15, "sampling": "random", "seed": 4}
    one, _ = mined(tmp_path, corpus=corpus, **options)
    two, _ = mined(tmp_path, [("q 7", "p 30"), *PAIRS], corpus=corpus, **options)
    other, _ = mined(tmp_path, corpus=corpus, **{**options, "seed": 5})
    assert one[0] == two[1]
    assert one != other


def test_vectors_are_kept_for_the_next_call(tmp_path):
    encoder = Angles()
    for _ in range(2):
        mine(PAIRS, encoder, tmp_path / "out.jsonl", corpus=CORPUS, cache=tmp_path / "cache")
    assert encoder.encoded == 7
    mine(PAIRS, encoder, tmp_path / "out.jsonl", corpus=CORPUS, cache=tmp_path / "cache", query_prompt="ask: ")
    assert encoder.encoded == 8


def test_a_failure_on_the_way_leaves_the_old_file(tmp_path):
    class Broken:
        def predict(self, pairs):
            raise RuntimeError("out of memory")

    (tmp_path / "out.jsonl").write_text("old")
    with pytest.raises(RuntimeError):
        mine(PAIRS, Angles(), tmp_path / "out.jsonl", corpus=CORPUS, cross_encoder=Broken())
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_text() == "old"


def test_faults_are_told_where_they_are(tmp_path):
    with pytest.raises(DataError, match="no pairs"):
        mine([], Angles(), tmp_path / "out.jsonl")
    with pytest.raises(DataError, match="positive of pair 2 is empty"):
        mine([*PAIRS, ("q 1", " ")], Angles(), tmp_path / "out.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="writing the negatives failed"):
        mine(PAIRS, Angles(), tmp_path / "file" / "out.jsonl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank_min": 5, "rank_max": 6, "negatives": 2}, "leave room for 1 negatives"),
        ({"include_positives": True, "format": "triplet"}, "only the format n-tuple"),
        ({"negative": 2}, "negative: Extra inputs"),
        ({"negatives": 0}, "negatives: Input should be greater"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_errors(options, message):
    with pytest.raises(UsageError, match=message):
        from_mapping(options)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 60), k=st.integers(1, 20), seed=st.integers(0, 1000))
def test_the_search_is_a_sort_by_score_and_place(n, k, seed):
    vectors = random_unit(n, 4, seed).numpy().round(1)  # rounding makes ties
    anchors = random_unit(3, 4, seed + 1).numpy()
    for anchor, (places, scores) in zip(anchors, Nearest(vectors, approximate=False).search(anchors, k), strict=True):
        # Products one by one may differ from the block's in the last bit, so compare the block's own.
        everything = (anchors @ vectors.T)[[bool((a == anchor).all()) for a in anchors]][0]
        expected = sorted(range(n), key=lambda place: (-everything[place], place))[:k]
        assert places.tolist() == expected
        assert scores.tolist() == everything[expected].tolist()


def test_the_graph_finds_nearly_what_exact_search_finds_and_the_same_each_time():
    vectors = random_unit(3000, 16, 0).numpy()
    anchors = random_unit(50, 16, 1).numpy()
    exact = Nearest(vectors, approximate=False).search(anchors, 20)
    found = [Nearest(vectors, approximate=True).search(anchors, 20) for _ in range(2)]
    recall = np.mean([len(set(a[0]) & set(b[0])) / 20 for a, b in zip(exact, found[0], strict=True)])
    assert recall > 0.95
    for one, two in zip(*found, strict=True):
        assert one[0].tolist() == two[0].tolist()
        np.testing.assert_allclose(one[1], vectors[one[0]] @ anchors[0] if one is found[0][0] else one[1], atol=1e-6)


def test_from_the_given_size_on_the_graph_is_used(tmp_path):
    _, exact = mined(tmp_path, negatives=2)
    rows, approximate = mined(tmp_path, negatives=2, ann_from=6)
    assert (exact.approximate, approximate.approximate) == (False, True)
    assert negatives(rows) == ["c 10", "c 35"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tiny"), "bert")


@pytest.mark.parametrize(
    "options",  # with a threshold all is looked at: the other's window has room for the positives, which it drops later
    [
        {},
        {"rank_min": 2},
        {"relative_margin": 0.05, "rank_max": 61},
        {"absolute_margin": 0.02, "rank_max": 61},
        {"max_score": 0.9, "min_score": 0.5, "rank_max": 61},
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["triplet", "n-tuple"])
def test_the_negatives_are_those_of_sentence_transformers(tiny, tmp_path, options, form):
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    anchors = [text(6, seed=row) for row in range(20)]
    pairs = [(anchor, f"{anchor} is it") for anchor in anchors] + [(anchors[3], f"was {anchors[3]}")]
    corpus = [text(6, seed=200 + row) for row in range(40)]
    theirs = mine_hard_negatives(
        Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": [p for _, p in pairs]}),
        SentenceTransformer(str(tiny), device="cpu"),
        corpus=corpus,
        num_negatives=2,
        output_format=form,
        verbose=False,
        **{{"rank_min": "range_min", "rank_max": "range_max"}.get(key, key): value for key, value in options.items()},
    )
    encoder = vl.load(str(tiny), backend="torch", precision="f32")
    chosen = MineSettings(negatives=2, format=form, **options)
    mine(pairs, encoder, tmp_path / "out.jsonl", corpus=corpus, settings=chosen)
    ours = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(ours) > 5
    assert sorted(map(str, ours)) == sorted(map(str, theirs))
