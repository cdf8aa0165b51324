"""Intervals, tests and corrections against numbers worked out by hand or by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vecloom.evaluate import significance as sig


def test_holm_multiplies_the_smallest_p_by_the_number_of_tests() -> None:
    # sorted .01 .02 .03 .04; times 4 3 2 1: .04 .06 .06 .04; a later one is never below an earlier: .04 .06 .06 .06
    assert sig.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_a_p_and_keeps_the_order(values: list[float]) -> None:
    adjusted = sig.holm(values)
    assert all(a >= p and a <= 1 for a, p in zip(adjusted, values, strict=True))
    order = np.argsort(values, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0) if values else adjusted == []


def test_a_randomisation_p_counts_rounds_that_reach_the_difference() -> None:
    # of 4 rounds |-0.5|, |0.6| reach 0.5: (1 + 2) / (1 + 4)
    assert sig.randomisation_p(0.5, [0.1, -0.5, 0.6, 0.0]) == pytest.approx(0.6)


def test_sign_flip_agrees_with_the_exact_test_of_all_sign_patterns() -> None:
    differences = np.array([0.3, 0.1, 0.4, -0.1, 0.2, 0.25, 0.05, -0.02])
    exact = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert sig.sign_flip(differences, rounds=20_000, seed=1) == pytest.approx(exact, abs=0.01)


def test_no_difference_is_no_evidence() -> None:
    assert sig.sign_flip(np.zeros(50), rounds=500) == 1.0
    assert sig.bootstrap_p(0.0, np.zeros(500)) == 1.0


def test_the_bootstrap_p_is_that_of_a_z_test() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.1, 5000)
    assert sig.bootstrap_p(0.3, draws) == pytest.approx(2 * stats.norm.sf(0.3 / draws.std()))
    assert sig.bootstrap_p(0.2, np.full(9, 0.2)) == 0.0


def test_the_same_seed_draws_the_same_units_and_every_resample_has_n_of_them() -> None:
    first, second = (sig.resampled_counts(30, 20, seed=5) for _ in range(2))
    assert (first == second).all()
    assert (first.sum(axis=1) == 30).all()
    assert (first != sig.resampled_counts(30, 20, seed=6)).any()


def test_swap_blocks_cover_every_round_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sig, "BLOCK_CELLS", 50)
    blocks = list(sig.swap_blocks(20, 7, seed=0))
    assert [block.shape for block in blocks] == [(2, 20)] * 3 + [(1, 20)]
    assert set(np.unique(np.concatenate(blocks))) == {0.0, 1.0}


def test_the_bootstrap_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(1, 2, 400)
    draws = sig.resampled_counts(400, 4000, seed=0) @ values / 400
    half = 1.96 * values.std() / 20
    assert sig.percentile_interval(draws) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_an_interval_without_draws_is_undefined() -> None:
    assert all(np.isnan(sig.percentile_interval([np.nan, np.nan])))


def test_the_effect_size_of_a_mean_is_cohens_d() -> None:
    differences = np.random.default_rng(1).normal(0.5, 1, 300)
    draws = sig.resampled_counts(300, 5000, seed=0) @ differences / 300
    expected = differences.mean() / differences.std()
    assert sig.effect_size(float(differences.mean()), draws, 300) == pytest.approx(expected, rel=0.05)
    assert sig.effect_size(0.2, np.full(10, 0.2), 300) == 0.0
