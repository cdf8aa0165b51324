"""Every statistic on resamples against the same statistic on really repeated units, by scikit-learn and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from vecloom.evaluate.outcomes import (
    OUTCOMES,
    AveragePrecision,
    LabelF1,
    Mean,
    Outcome,
    RankCorrelation,
    VMeasure,
    kind_of,
    v_measure,
    weighted_ranks,
)
from vecloom.evaluate.significance import resampled_counts

RANDOM = np.random.default_rng(7)
N = 60


def rounded(values: Any) -> Any:
    return np.round(values, 1)  # many ties


def outcomes(seed: int) -> dict[str, Outcome]:
    random = np.random.default_rng(seed)
    gold = rounded(np.random.default_rng(0).normal(size=N))
    labels = np.random.default_rng(1).integers(0, 4, N)
    noisy = np.where(random.random((3, N)) < 0.6, labels, random.integers(0, 4, (3, N)))
    times = random.integers(0, 3, (2, N))
    clusters = np.where(times > 0, random.integers(0, 4, (2, N)), -1)
    return {
        "mean": Mean(random.random(N)),
        "spearman": RankCorrelation(rounded(gold + random.normal(size=N)), gold),
        "ap": AveragePrecision(rounded(random.normal(size=(2, N)) + (labels > 1)), (labels > 1).astype(float)),
        "f1 macro": LabelF1(noisy, labels, np.asarray(False)),
        "f1 weighted": LabelF1(noisy, labels, np.asarray(True)),
        "v_measure": VMeasure(clusters, times, np.stack([labels, labels % 2])),
    }


def repeated(outcome: Any, counts: np.ndarray) -> float:
    """The statistic on units that are really there ``counts`` times, by another implementation."""
    rows = np.repeat(np.arange(N), counts.astype(int))
    if isinstance(outcome, Mean):
        return float(outcome.scores[rows].mean())
    if isinstance(outcome, RankCorrelation):
        return float(stats.spearmanr(outcome.scores[rows], outcome.gold[rows])[0])
    if isinstance(outcome, AveragePrecision):
        return max(metrics.average_precision_score(outcome.labels[rows], kind[rows]) for kind in outcome.scores)
    if isinstance(outcome, LabelF1):
        average = "weighted" if outcome.weighted else "macro"
        scores = [metrics.f1_score(outcome.gold[rows], one[rows], average=average) for one in outcome.predicted]
        return float(np.mean(scores))
    found = []
    for clusters, times, labels in zip(outcome.clusters, outcome.times, outcome.labels, strict=True):
        held = np.repeat(rows, times[rows])
        found.append(metrics.v_measure_score(labels[held], clusters[held]))
    return float(np.mean(found))


@pytest.mark.parametrize("name", outcomes(0))
def test_a_resample_scores_as_the_units_really_repeated_would(name: str) -> None:
    outcome = outcomes(0)[name]
    counts = resampled_counts(N, 25, seed=3)
    expected = [repeated(outcome, row) for row in counts]
    assert outcome.bootstrap(counts) == pytest.approx(expected, abs=1e-6)
    assert outcome.value() == pytest.approx(repeated(outcome, np.ones(N)), abs=1e-6)


@pytest.mark.parametrize("name", outcomes(0))
def test_stored_arrays_make_the_same_outcome_again(name: str) -> None:
    outcome = outcomes(0)[name]
    again = OUTCOMES[kind_of(outcome)](**outcome.arrays())
    assert again.value() == outcome.value()


@pytest.mark.parametrize("name", [name for name in outcomes(0) if name != "v_measure"])
def test_without_an_exchange_the_difference_is_that_of_the_scores(name: str) -> None:
    one, two = outcomes(0)[name], outcomes(1)[name]
    found = one.exchanged(two, np.zeros((1, N), np.float32))
    assert found is not None
    # average precision of tied scores is taken in order of position there, which the observed difference is too
    assert found[0] == pytest.approx(one.value() - two.value(), abs=0.06 if name == "ap" else 1e-6)


@pytest.mark.parametrize("name", [name for name in outcomes(0) if name != "v_measure"])
def test_exchanging_all_units_turns_the_difference_around(name: str) -> None:
    one, two = outcomes(0)[name], outcomes(1)[name]
    swaps = np.stack([np.zeros(N), np.ones(N)]).astype(np.float32)
    found = one.exchanged(two, swaps)
    assert found is not None
    assert found[1] == pytest.approx(-found[0], abs=1e-6)


@pytest.mark.parametrize("name", [name for name in outcomes(0) if name != "v_measure"])
def test_a_model_never_differs_from_itself(name: str) -> None:
    one = outcomes(0)[name]
    swaps = np.random.default_rng(0).integers(0, 2, (10, N)).astype(np.float32)
    assert one.exchanged(one, swaps) == pytest.approx(np.zeros(10), abs=1e-9)


def test_clusters_of_two_models_cannot_be_exchanged() -> None:
    one = outcomes(0)["v_measure"]
    assert one.exchanged(one, np.zeros((1, N), np.float32)) is None


def test_ap_of_untied_scores_is_exchanged_exactly() -> None:
    # labels 1 0 1 0, scores .9 .8 .7 .1: (1/1 + 2/3) / 2 = .83333, as in MMTEB's evaluator
    first = AveragePrecision(np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([1.0, 0, 1, 0]))
    second = AveragePrecision(np.array([[0.9, 0.1, 0.8, 0.2]]), np.array([1.0, 0, 1, 0]))
    assert first.value() == pytest.approx(5 / 6)
    assert second.value() == pytest.approx(1.0)
    assert first.exchanged(second, np.zeros((1, 4), np.float32)) == pytest.approx([5 / 6 - 1])


def test_a_constant_score_has_no_rank_correlation() -> None:
    assert np.isnan(RankCorrelation(np.ones(5), np.arange(5.0)).value())


def test_v_measure_of_known_tables() -> None:
    # gold 0 0 1 1: the same clusters 1.0; 0 1 2 2 gives 0.8; 0 1 0 1 gives 0
    tables = [[[2, 0, 0], [0, 2, 0]], [[1, 1, 0], [0, 0, 2]], [[1, 1, 0], [1, 1, 0]]]
    assert v_measure(np.array(tables, float)) == pytest.approx([1.0, 0.8, 0.0], abs=1e-9)
    assert v_measure(np.array([[[3, 1]]], float)) == pytest.approx([0.0], abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.integers(0, 100))
def test_weighted_ranks_are_those_of_repeated_values(values: list[int], seed: int) -> None:
    array = np.array(values, float)
    counts = resampled_counts(len(values), 1, seed)
    rows = np.repeat(np.arange(len(values)), counts[0].astype(int))
    ranks = weighted_ranks(array, counts)[0]
    assert ranks[rows] == pytest.approx(stats.rankdata(array[rows]))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 5), st.floats(-3, 3), st.integers(0, 1000))
def test_spearman_does_not_change_under_a_rising_map(scale: float, shift: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, gold = random.normal(size=20), random.normal(size=20)
    mapped = RankCorrelation(scale * scores + shift, gold).value()
    assert mapped == pytest.approx(RankCorrelation(scores, gold).value(), abs=1e-9)
