"""A small benchmark that keeps the order of models: drop tasks whose scores follow from the other tasks' scores.

Source: MMTEB (Enevoldsen et al., ICLR 2025, arXiv 2502.13595), section on task selection, and mteb's ``task_selection``
module and notebooks until 2025-05. In each round every task's scores are predicted for each model from the other models'
scores on the other tasks (``leave_one_out``). Tasks are walked from the highest Spearman correlation of predicted and
observed scores down; one is passed over when that is below ``min_spearman``, or when the mean squared error, both z-scored
with the observed scores' mean and deviation, is above ``max_mse_z``; the first other whose removal is valid is removed. The
last task of a type stays, so does one that alone covers a language in its type, and so does what is kept by hand. The
procedure is greedy and is run as published, also where models are fewer than tasks.
Ours: a task whose predictions or scores are constant has no correlation and stays; ties go to the task that stands first;
how far the reduced benchmark agrees with the full one, beside random subsets of the same size.

When to use it: for a set of models like those that will be compared. When not: with fewer than about eight models, whose
correlations jump in steps, or to judge a model unlike all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.benchmark.aggregate import Correlation, Floats, ScoreTable, borda_points, correlation
from vecloom.evaluate.benchmark.leave_one_out import estimator_predictions, linear_predictions
from vecloom.evaluate.significance import percentile_interval
from vecloom.wording import are, counted

FEWEST_MODELS = 3  # two to fit a line
RANDOM_SUBSETS = 50
SEED = 42
ROUNDING = 1e-12  # with nine models a Spearman of exactly 0.95 exists; it must not fail by its last digit

Progress = Callable[[int], None]
Languages = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How well a task must be predicted before it may go.

    Attributes:
        max_mse_z: largest mean squared error of z-scored predictions.
        min_spearman: smallest rank correlation of predicted and observed scores.
    """

    max_mse_z: float = 0.2
    min_spearman: float = 0.95

    def __post_init__(self) -> None:
        if not self.max_mse_z >= 0:
            raise UsageError(f"max_mse_z={self.max_mse_z} is not possible.", "Use 0 or more; 0.2 is MMTEB's.")
        if not -1 <= self.min_spearman <= 1:
            raise UsageError(f"min_spearman={self.min_spearman} is not possible.", "Use -1 to 1; 0.95 is MMTEB's.")


ENGLISH = Limits(0.2, 0.95)  # MTEB(eng, v2)
MULTILINGUAL = Limits(0.5, 0.8)  # MTEB(Multilingual), MTEB(Europe), MTEB(Indic)


@dataclass(frozen=True, slots=True)
class TaskFit:
    """How well one task's scores follow from the others'.

    Attributes:
        task: its name.
        spearman: of predicted and observed scores over models; None where one side is constant.
        pearson: likewise.
        mse_z: mean squared error after both were z-scored with the observed mean and deviation.
    """

    task: str
    spearman: float | None
    pearson: float | None
    mse_z: float


@dataclass(frozen=True, slots=True)
class Round:
    """One round of the selection.

    Attributes:
        fits: of all tasks still there, as they were walked.
        refused: task -> why it stayed although it was predicted well enough.
        removed: the task that went; None in the last round.
    """

    fits: tuple[TaskFit, ...]
    refused: Mapping[str, str]
    removed: str | None


@dataclass(frozen=True, slots=True)
class SelectionResult:
    """What was selected and how.

    Attributes:
        kept: tasks of the reduced benchmark, in the table's order.
        removed: tasks that went, in order.
        rounds: the log.
        limits: that were used.
    """

    kept: tuple[str, ...]
    removed: tuple[str, ...]
    rounds: tuple[Round, ...]
    limits: Limits


@dataclass(frozen=True, slots=True)
class SubsetAgreement:
    """Models on a part of the tasks beside the same models on all.

    Attributes:
        tasks: how many there are.
        kept: how many of them are in the part.
        mean: agreement of the means over tasks.
        borda: agreement of the Borda counts.
        random_mean: Spearman of the means, averaged over random subsets of equal size; None where it is undefined.
        random_borda: likewise of the Borda counts.
        random_interval: 2.5 and 97.5 % of the Spearman of the means over the random subsets.
        random_subsets: how many were drawn.
    """

    tasks: int
    kept: int
    mean: Correlation
    borda: Correlation
    random_mean: float | None
    random_borda: float | None
    random_interval: tuple[float, float]
    random_subsets: int


def select_tasks(
    table: ScoreTable,
    *,
    estimator: Any = None,
    max_mse_z: float = ENGLISH.max_mse_z,
    min_spearman: float = ENGLISH.min_spearman,
    keep: Collection[str] = (),
    languages: Languages | None = None,
    progress: Progress | None = None,
) -> SelectionResult:
    """Remove predictable tasks one by one.

    Args:
        table: scores without gaps of at least three models.
        estimator: any scikit-learn regressor; None for LinearRegression, as in the paper.
        max_mse_z: see ``Limits``.
        min_spearman: see ``Limits``.
        keep: tasks that are never removed.
        languages: task -> its languages (within the benchmark's), each to stay covered in its task type; None for no such rule.
        progress: called with 1 after every round.

    Raises:
        DataError: scores are missing, or there are too few models.
        UsageError: a limit is not possible, or a task to keep is not in the table.
    """
    limits = Limits(max_mse_z, min_spearman)
    _check(table, keep)
    rounds: list[Round] = []
    left = table
    while not rounds or rounds[-1].removed:
        rounds.append(_round(left, limits, estimator, frozenset(keep), languages or {}))
        left = left.only([task for task in left.tasks if task != rounds[-1].removed])
        if progress:
            progress(1)
    return SelectionResult(left.tasks, tuple(found.removed for found in rounds if found.removed), tuple(rounds), limits)


def task_fits(table: ScoreTable, estimator: Any = None) -> tuple[TaskFit, ...]:
    """How well each task's scores follow from the others', the best predicted first."""
    if len(table.tasks) < 2:
        return ()
    values = table.values
    predicted = linear_predictions(values) if estimator is None else estimator_predictions(values, estimator)
    spearman, pearson = column_correlations(predicted, values)
    spread = np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 1.0)  # as StandardScaler does
    errors = (((predicted - values) / spread) ** 2).mean(axis=0)
    fits = [TaskFit(*row) for row in zip(table.tasks, spearman, pearson, errors.tolist(), strict=True)]
    return tuple(sorted(fits, key=lambda fit: -2.0 if fit.spearman is None else fit.spearman, reverse=True))


def rank_agreement_of(
    table: ScoreTable, kept: Sequence[str], *, random_subsets: int = RANDOM_SUBSETS, seed: int = SEED
) -> SubsetAgreement:
    """How far models keep their order on a part of the tasks, beside what chance gives.

    The part is itself in the whole, so that any part agrees to some degree; the random subsets show to which.

    Args:
        table: scores without gaps.
        kept: tasks of the part.
        random_subsets: how many subsets of equal size to draw, without replacement within one.
        seed: of the draw.

    Raises:
        DataError: scores are missing.
        UsageError: the part is empty or holds a task that is not in the table.
    """
    _check_gaps(table)
    columns = [table.column(task) for task in kept]
    if not columns:
        raise UsageError("No task is kept.", "Name at least one.")
    generator = np.random.default_rng(seed)
    draws = [generator.permutation(len(table.tasks))[: len(columns)] for _ in range(random_subsets)]
    means, bordas = zip(*(_agreement(table.values, draw) for draw in [columns, *draws]), strict=True)
    found = [agreed.spearman for agreed in means[1:] if agreed.spearman is not None]
    return SubsetAgreement(
        tasks=len(table.tasks),
        kept=len(columns),
        mean=means[0],
        borda=bordas[0],
        random_mean=_average(found),
        random_borda=_average([agreed.spearman for agreed in bordas[1:] if agreed.spearman is not None]),
        random_interval=percentile_interval(found),
        random_subsets=random_subsets,
    )


def _round(table: ScoreTable, limits: Limits, estimator: Any, keep: frozenset[str], languages: Languages) -> Round:
    fits = task_fits(table, estimator)
    refused: dict[str, str] = {}
    for task in _predicted_well(fits, limits):
        why = _why_not(task, table, keep, languages)
        if not why:
            return Round(fits, refused, task)
        refused[task] = why
    return Round(fits, refused, None)


def _predicted_well(fits: Sequence[TaskFit], limits: Limits) -> Iterator[str]:
    for fit in fits:
        ranked = fit.spearman is not None and fit.spearman >= limits.min_spearman - ROUNDING
        if ranked and fit.mse_z <= limits.max_mse_z:
            yield fit.task


def _why_not(task: str, table: ScoreTable, keep: frozenset[str], languages: Languages) -> str:
    """Why a task may not be removed; "" where it may."""
    if task in keep:
        return "kept by hand"
    kind = table.types[table.column(task)]
    others = [other for other, own in zip(table.tasks, table.types, strict=True) if own == kind and other != task]
    if not others:
        return f"the last task of type {kind}"
    covered = {language for other in others for language in languages.get(other, ())}
    alone = sorted(set(languages.get(task, ())) - covered)
    shown = ", ".join(islice(alone, 3)) + (f" and {len(alone) - 3} more" if len(alone) > 3 else "")
    return f"alone in {kind} with {shown}" if alone else ""


def column_correlations(first: Floats, second: Floats) -> tuple[list[float | None], list[float | None]]:
    """Spearman's and Pearson's correlation of each column of two ``(n, m)`` arrays; None where one is constant."""
    from scipy.stats import rankdata

    return _column_pearson(rankdata(first, axis=0), rankdata(second, axis=0)), _column_pearson(first, second)


def _column_pearson(first: Floats, second: Floats) -> list[float | None]:
    varied = (np.ptp(first, axis=0) > 0) & (np.ptp(second, axis=0) > 0)
    left, right = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    found = np.divide((left * right).sum(axis=0), scale, out=np.zeros_like(scale), where=varied)
    return [float(value) if there else None for value, there in zip(found, varied, strict=True)]


def _agreement(values: Floats, columns: Any) -> tuple[Correlation, Correlation]:
    part = values[:, columns]
    return (
        correlation(values.mean(axis=1), part.mean(axis=1)),
        correlation(borda_points(values), borda_points(part)),
    )


def _average(found: Sequence[float]) -> float | None:
    return float(np.mean(found)) if found else None


def _check(table: ScoreTable, keep: Collection[str]) -> None:
    _check_gaps(table)
    if len(table.models) < FEWEST_MODELS:
        raise DataError(
            f"Tasks cannot be selected by the scores of {counted(len(table.models), 'model')}.",
            f"Give results of at least {FEWEST_MODELS}, better of eight or more.",
        )
    for task in keep:
        table.column(task)


def _check_gaps(table: ScoreTable) -> None:
    gaps = table.missing()
    if gaps:
        model, task = gaps[0]
        raise DataError(
            f"{counted(len(gaps), 'score')} {are(len(gaps))} missing, the first that of {model} on {task}.",
            "Use ScoreTable.complete() to leave such tasks out, or leave out the models that lack them.",
        )
