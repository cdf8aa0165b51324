"""Rank agreement: correlations and p-values by hand, as printed and as scipy gives them; what is undefined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.evaluate.domain.rank_agreement import rank_agreement, smallest_significant, spearman, t_p_value


@pytest.mark.parametrize(("rho", "p"), [(0.30, 0.624), (0.60, 0.285), (0.70, 0.188), (0.80, 0.104), (0.10, 0.873)])
def test_printed_p_values_are_those_of_five_models(rho, p):
    assert t_p_value(rho, 5) == pytest.approx(p, abs=5e-4)
    assert t_p_value(-rho, 5) == t_p_value(rho, 5)


def test_rank_agreement_by_hand():
    # ranks 1 2 3 4 5 and 2 1 4 3 5: 1 - 6 x 4 / (5 x 24) = .8
    general = dict(zip("abcde", (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
    special = dict(zip("abcde", (0.2, 0.1, 0.4, 0.3, 0.5), strict=True)) | {"f": 1.0}
    found = rank_agreement(general, special)
    assert found.rho == pytest.approx(0.8)
    assert found.p == pytest.approx(0.104, abs=5e-4)
    # 16 of the 120 orders reach |rho| of .8: sum of squared differences 0 (1 order), 2 (4), 4 (3), and their mirrors
    assert found.p_exact == pytest.approx(16 / 120)
    assert (found.n, found.left_out) == (5, ("f",))
    assert found.note.startswith("5 models are few: only |rho| of 1.00 or more")


def test_rank_correlation_and_p_are_scipys():
    from scipy.stats import spearmanr

    generator = np.random.default_rng(2)
    first, second = generator.integers(0, 6, (2, 12)).astype(float)  # with ties
    reference = spearmanr(first, second)
    assert spearman(first, second) == pytest.approx(reference.statistic)
    assert t_p_value(float(reference.statistic), 12) == pytest.approx(reference.pvalue)


def test_the_smallest_significant_correlation_is_just_significant():
    # five models: 2 of 120 orders have |rho| of 1, 10 have .9 or more (p .083); six: .886 is the published critical value
    assert smallest_significant(5) == pytest.approx(1.0)
    assert smallest_significant(6) == pytest.approx(0.886, abs=5e-4)
    assert [smallest_significant(n) for n in (2, 3, 4)] == [None, None, None]
    for n in (9, 40):
        assert t_p_value(smallest_significant(n), n) == pytest.approx(0.05)


def test_four_models_in_perfect_order_show_nothing():
    found = rank_agreement(dict(zip("abcd", (1, 2, 3, 4), strict=True)), dict(zip("abcd", (2, 4, 6, 8), strict=True)))
    # one order of 24 and its mirror
    assert (found.rho, found.p_exact) == (pytest.approx(1.0), pytest.approx(2 / 24))
    assert found.note.startswith("4 models are too few")


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_rank_agreement_is_symmetric_and_bounded(first, second):
    one, other = dict(enumerate(map(float, first))), dict(enumerate(map(float, second)))
    there, back = rank_agreement(one, other), rank_agreement(other, one)
    assert there.rho == pytest.approx(back.rho)
    assert -1 - 1e-12 <= there.rho <= 1 + 1e-12
    assert there.p_exact == pytest.approx(back.p_exact)
    assert 0 < there.p_exact <= 1


@pytest.mark.parametrize(
    ("special", "why"),
    [({"a": 1.0, "b": 2.0}, "Three models"), ({"a": 1.0, "b": 1.0, "c": 1.0}, "same score"), ({}, "Three models")],
)
def test_undefined_agreement_says_why_instead_of_nan(special, why):
    found = rank_agreement({"a": 1.0, "b": 2.0, "c": 3.0}, special)
    assert (found.rho, found.p) == (None, None)
    assert why in found.note
