"""Two models on the same units: difference, interval, p-value, effect size; over a task and over all tasks.

The test is a paired randomisation where units can be exchanged, elsewhere (clustering, the mean over tasks) a z test
with the bootstrap standard error. Holm's correction is over all comparisons that are asked for together, so that a
report with many models and tasks does not find differences by their number alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from vecloom.evaluate.outcomes import Outcome
from vecloom.evaluate.significance import (
    ROUNDS,
    Floats,
    bootstrap_p,
    effect_size,
    holm,
    percentile_interval,
    randomisation_p,
    swap_blocks,
)

ALPHA = 0.05
ALL_TASKS = "mean over tasks"
ROUNDS_EACH = 50  # randomisations for each comparison of a run
MOST_ROUNDS = 100_000


@dataclass(frozen=True)
class Scored:
    """What one model did on one task, ready to be compared.

    Attributes:
        parts: the outcome of each split and subset, in the same order for every model.
        draws: ``(B,)`` the task's score on bootstrap resamples.
        score: the task's score.
    """

    parts: tuple[Outcome, ...]
    draws: Floats
    score: float

    @property
    def units(self) -> int:
        """Units of all parts."""
        return sum(part.units for part in self.parts)


@dataclass(frozen=True)
class Comparison:
    """The first model against the second.

    Attributes:
        task: the task, or ``ALL_TASKS``.
        first: name of a model.
        second: name of the other.
        difference: the first's score less the second's.
        low: lower end of the difference's 95 % bootstrap interval.
        high: upper end.
        p: two-sided, of one test by itself.
        p_adjusted: after Holm's correction over all comparisons.
        effect: Cohen's d of the paired difference.
        test: "randomisation" or "bootstrap".
    """

    task: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    effect: float
    test: str

    @property
    def significant(self) -> bool:
        """Whether the difference is more than chance at 5 %, after correction."""
        return self.p_adjusted < ALPHA

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "significant": self.significant}


def compare_all(
    scored: Mapping[str, Mapping[str, Scored]],
    *,
    skip: Sequence[str] = (),
    rounds: int = ROUNDS,
    seed: int = 0,
) -> list[Comparison]:
    """Compare every two models on every task that both did, and over all tasks that every model did.

    Args:
        scored: by task and model.
        skip: models that are not compared with each other (baselines).
        rounds: randomisations for each test at least; more where there are many comparisons.
        seed: of the randomisations.

    Returns:
        Comparisons with Holm-adjusted p, task by task, the mean over tasks last.
    """
    pairs = {task: [p for p in combinations(models, 2) if not set(p) <= set(skip)] for task, models in scored.items()}
    # The smallest p that can come out, times the number of comparisons, has to stay well below 5 %.
    rounds = max(rounds, min(MOST_ROUNDS, ROUNDS_EACH * sum(map(len, pairs.values()))))
    found: list[Comparison] = []
    for task, models in scored.items():
        found += _on_task(task, models, pairs[task], rounds, seed)
    found += _over_tasks(scored, skip)
    adjusted = holm([comparison.p for comparison in found])
    return [replace(comparison, p_adjusted=p) for comparison, p in zip(found, adjusted, strict=True)]


def _on_task(
    task: str, models: Mapping[str, Scored], pairs: Sequence[tuple[str, str]], rounds: int, seed: int
) -> list[Comparison]:
    exchanged = _exchanged(models, pairs, rounds, seed)
    found = []
    for first, second in pairs:
        draws = models[first].draws - models[second].draws
        difference = models[first].score - models[second].score
        low, high = percentile_interval(draws)
        values = exchanged.get((first, second))
        p = bootstrap_p(difference, draws) if values is None else randomisation_p(*values)
        effect = effect_size(difference, draws, models[first].units)
        test = "bootstrap" if values is None else "randomisation"
        found.append(Comparison(task, first, second, difference, low, high, p, p, effect, test))
    return found


def _exchanged(
    models: Mapping[str, Scored], pairs: Sequence[tuple[str, str]], rounds: int, seed: int
) -> dict[tuple[str, str], tuple[float, Floats]]:
    """For each pair the observed difference and those after exchange, means over parts; pairs without exchange left out."""
    sums: dict[tuple[str, str], Floats] = {}
    observed: dict[tuple[str, str], float] = {}
    count = max((len(scored.parts) for scored in models.values()), default=0)
    for number in range(count):
        for pair, (first, rest) in _part_exchanged(models, pairs, number, rounds, seed).items():
            sums[pair] = sums.get(pair, np.zeros(rounds)) + rest / count
            observed[pair] = observed.get(pair, 0.0) + first / count
    return {pair: (observed[pair], values) for pair, values in sums.items()}


def _part_exchanged(
    models: Mapping[str, Scored], pairs: Sequence[tuple[str, str]], number: int, rounds: int, seed: int
) -> dict[tuple[str, str], tuple[float, Floats]]:
    found: dict[tuple[str, str], list[Floats]] = {}
    units = next(iter(models.values())).parts[number].units
    unchanged = np.zeros((1, units), np.float32)
    for block in (unchanged, *swap_blocks(units, rounds, seed + number)):
        for first, second in pairs:
            one, two = models[first].parts[number], models[second].parts[number]
            values = one.exchanged(two, block)
            if values is not None:
                found.setdefault((first, second), []).append(values)
    return {pair: (float(values[0][0]), np.concatenate(values[1:])) for pair, values in found.items()}


def _over_tasks(scored: Mapping[str, Mapping[str, Scored]], skip: Sequence[str]) -> list[Comparison]:
    """The mean over tasks; tasks are fixed and their units are drawn again, so a p holds for these tasks and no others."""
    everyone = list(dict.fromkeys(model for models in scored.values() for model in models))
    common = [models for models in scored.values() if all(model in models for model in everyone)]
    if len(common) < 2:
        return []
    found = []
    for first, second in combinations(everyone, 2):
        if {first, second} <= set(skip):
            continue
        draws = np.mean([models[first].draws - models[second].draws for models in common], axis=0)
        difference = float(np.mean([models[first].score - models[second].score for models in common]))
        low, high = percentile_interval(draws)
        p, units = bootstrap_p(difference, draws), sum(models[first].units for models in common)
        effect = effect_size(difference, draws, units)
        found.append(Comparison(ALL_TASKS, first, second, difference, low, high, p, p, effect, "bootstrap"))
    return found
