"""Is a difference real: bootstrap intervals, randomisation tests, Holm's correction, effect size.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentile interval, section 13.3); Noreen,
Computer-Intensive Methods for Testing Hypotheses, 1989 (approximate randomisation; p = (1 + b) / (1 + R)); Holm, Scandinavian
Journal of Statistics 6, 1979; Cohen, Statistical Power Analysis, 1988 (d of paired differences); for their use on rankings see
Smucker, Allan and Carterette, CIKM 2007.

All randomness comes from a seed, and the same seed draws the same units for every model, so that models are compared on
the same resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.float32]
Swaps = npt.NDArray[np.float32]

SAMPLES = 1000  # bootstrap resamples; the interval's ends then move by about 2 % of its width from seed to seed
ROUNDS = 10_000  # randomisations; the smallest p that can come out is 1 / 10,001
LEVEL = 0.95
ROUNDING = 1e-7  # of sums in float32
BLOCK_CELLS = 1 << 23  # exchanges held at a time


def resampled_counts(units: int, samples: int, seed: int) -> Counts:
    """How often each unit is drawn in each bootstrap resample: float32 ``(samples, units)``, rows sum to ``units``."""
    random = np.random.default_rng([seed, units])
    counts = np.empty((samples, units), np.float32)
    for row in counts:
        row[:] = np.bincount(random.integers(0, units, units), minlength=units)
    return counts


def swap_blocks(units: int, rounds: int, seed: int) -> Iterator[Swaps]:
    """Which units' results two models exchange in each round: float32 0 or 1, in blocks ``(rounds of the block, units)``."""
    random = np.random.default_rng([seed, units, 1])
    step = max(1, BLOCK_CELLS // max(1, units))
    for start in range(0, rounds, step):
        bits = random.integers(0, 2, (min(step, rounds - start), units), dtype=np.int8)
        yield bits.astype(np.float32)


def percentile_interval(draws: npt.ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """The percentile bootstrap interval of ``(samples,)`` draws; NaN draws are left out, NaN where none is left."""
    values = np.asarray(draws, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def randomisation_p(observed: float, exchanged: npt.ArrayLike) -> float:
    """Two-sided p of a difference, given the differences after random exchange: ``(1 + b) / (1 + R)``.

    Args:
        observed: the difference that was measured.
        exchanged: ``(R,)`` the differences in rounds in which the models exchanged results.
    """
    values = np.abs(np.asarray(exchanged, float))
    # A round that reproduces the observed difference up to rounding counts as reaching it.
    reached = int((values >= abs(observed) - ROUNDING).sum())
    return (1 + reached) / (1 + len(values))


def sign_flip(differences: npt.ArrayLike, rounds: int = ROUNDS, seed: int = 0) -> float:
    """Two-sided paired randomisation test that the mean of ``(n,)`` differences is 0."""
    values = np.asarray(differences, float)
    found = [(1 - 2 * block) @ values / len(values) for block in swap_blocks(len(values), rounds, seed)]
    return randomisation_p(float(values.mean()), np.concatenate(found))


def bootstrap_p(difference: float, draws: npt.ArrayLike) -> float:
    """Two-sided p of a difference by its bootstrap standard error and the normal distribution.

    For scores that have no exchangeable units, such as V-measure, where cluster numbers of two models mean nothing to each
    other. Counting draws beyond 0 would give no p below 1 / 1,000, which a correction for many comparisons makes useless.

    Args:
        difference: that was measured.
        draws: ``(B,)`` the difference on bootstrap resamples.
    """
    spread = float(np.nanstd(np.asarray(draws, float)))
    if spread == 0:
        return 1.0 if difference == 0 else 0.0
    return math.erfc(abs(difference) / spread / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given; they control the family-wise error.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def effect_size(difference: float, draws: npt.ArrayLike, units: int) -> float:
    """Cohen's d of the paired difference: the difference over the standard deviation of one unit's difference.

    The deviation is taken from the bootstrap, ``sd(draws) * sqrt(units)``, which for a mean is the deviation of the units'
    differences, and which also exists for scores that are no means. 0 where the draws do not vary.
    """
    spread = float(np.std(np.asarray(draws, float))) * np.sqrt(units)
    return difference / spread if spread > 0 else 0.0
