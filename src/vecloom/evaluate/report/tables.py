"""From an evaluation to the rows of its tables: plain values, in the order in which they are read.

All means are over the tasks that every model did, since others cannot be compared; a model without any score is passed
over there. The mean over task types and the Borda count are MMTEB's (Enevoldsen et al., ICLR 2025, arXiv 2502.13595), see
``aggregate``; the marks are ours. Scores stay fractions as mteb writes them; ``None`` stands where there is none.

When to use it: below every report, and for tables of one's own. When not: to compute scores; nothing is estimated here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vecloom.evaluate.benchmark.aggregate import ScoreTable
from vecloom.evaluate.compare import ALL_TASKS, Comparison
from vecloom.evaluate.evaluation import Evaluation, ModelInfo, Score, TaskInfo, flipped

BEST = "best"
SAME = "same"  # below the best, but not significantly
UNTESTED = "untested"  # below the best, and nothing tells whether by chance
WORSE = "worse"  # significantly below the best
NONE = "none"  # no score


@dataclass(frozen=True, slots=True)
class Cell:
    """A model on a task.

    Attributes:
        score: as a fraction, None where there is none.
        low: lower end of the 95 % interval, None where there is none.
        high: upper end.
        mark: against the best score of the task: ``BEST``, ``SAME``, ``UNTESTED``, ``WORSE`` or ``NONE``.
        trained_on: whether the model's card names the task's training data.
    """

    score: float | None
    low: float | None
    high: float | None
    mark: str
    trained_on: bool


@dataclass(frozen=True, slots=True)
class LeagueRow:
    """A model over all tasks.

    Attributes:
        model: which one.
        place: by mean over tasks, 1 the best, equal means sharing the better place; None without a mean.
        mean: over the league's common tasks.
        type_mean: mean over task types of the means within each.
        borda: place by Borda count; None for a model without any score.
        by_type: mean over the common tasks of each type.
        cells: by task.
        mark: against the first row, over the common tasks.
    """

    model: ModelInfo
    place: int | None
    mean: float | None
    type_mean: float | None
    borda: int | None
    by_type: dict[str, float | None]
    cells: dict[str, Cell]
    mark: str


@dataclass(frozen=True, slots=True)
class League:
    """The league table.

    Attributes:
        tasks: all that gave a score, in the order in which they ran.
        types: of the common tasks, in the order in which they came.
        common: names of the tasks that every model with any score did; means and Borda counts are over these.
        overall: name of the comparisons over all: ``ALL_TASKS``, or the one common task.
        rows: models, best first.
    """

    tasks: tuple[TaskInfo, ...]
    types: tuple[str, ...]
    common: tuple[str, ...]
    overall: str
    rows: tuple[LeagueRow, ...]

    @property
    def labels(self) -> list[str]:
        """Models' labels, best first."""
        return [row.model.label for row in self.rows]


@dataclass(frozen=True, slots=True)
class SignificanceMatrix:
    """Every model against every other.

    Attributes:
        task: a task, or ``ALL_TASKS``.
        labels: models that were compared with any other, best first.
        cells: ``(n, n)`` the row's model against the column's; None on the diagonal and where nothing was tested.
    """

    task: str
    labels: tuple[str, ...]
    cells: tuple[tuple[Comparison | None, ...], ...]


@dataclass(frozen=True, slots=True)
class DimensionRow:
    """A model at some number of dimensions.

    Attributes:
        family: the model's label without dimensions.
        label: its label.
        dim: dimensions.
        mean: over the common tasks.
        kept: share of the family's score at most dimensions.
    """

    family: str
    label: str
    dim: int
    mean: float
    kept: float | None


def known(score: float | None) -> float | None:
    """The score, None where it is not a number."""
    return None if score is None or not math.isfinite(score) else score


def league(evaluation: Evaluation) -> League:
    """The league table of an evaluation, models best first: by mean, then by Borda count, then as asked for."""
    scores = {(score.task, score.model): score for score in evaluation.scores if known(score.score) is not None}
    common = _common(evaluation, scores)
    overall = common[0] if len(common) == 1 else ALL_TASKS
    table = _score_table(evaluation, scores)
    types = tuple(dict.fromkeys(task.type for task in evaluation.tasks if task.name in common))
    rows = _rows(evaluation, scores, _Means.of(table, common), _tested(evaluation, overall))
    return League(evaluation.tasks, types, tuple(common), overall, rows)


def significance(evaluation: Evaluation, task: str, labels: Sequence[str]) -> SignificanceMatrix:
    """Every model against every other on a task, or on ``ALL_TASKS``.

    Args:
        evaluation: what was found.
        task: name of the task.
        labels: of models, in the order wanted; those that were not compared are left out.
    """
    tested = _tested(evaluation, task)
    shown = tuple(label for label in labels if any(label in pair for pair in tested))
    return SignificanceMatrix(task, shown, tuple(tuple(tested.get((row, column)) for column in shown) for row in shown))


def dimension_rows(found: League) -> list[DimensionRow]:
    """Models that were scored at several numbers of dimensions: label@dim and label, most dimensions first."""
    families: dict[str, list[LeagueRow]] = {}
    for row in found.rows:
        if row.model.dim and row.mean is not None:
            families.setdefault(family_of(row.model.label), []).append(row)
    rows = []
    for family, members in families.items():
        if len(members) < 2:
            continue
        members.sort(key=lambda row: row.model.dim or 0, reverse=True)
        whole = members[0].mean or 0.0
        for row in members:
            mean = row.mean or 0.0
            rows.append(
                DimensionRow(family, row.model.label, row.model.dim or 0, mean, mean / whole if whole > 0 else None)
            )
    return rows


def family_of(label: str) -> str:
    """A label without its dimensions: "minilm@128" is of "minilm"."""
    name, sign, dim = label.rpartition("@")
    return name if sign and name and dim.isdigit() else label


@dataclass(frozen=True, slots=True)
class _Means:
    """Each model over the common tasks; without any, Borda counts over all tasks and no means."""

    mean: dict[str, float | None]
    type_mean: dict[str, float | None]
    by_type: dict[str, dict[str, float | None]]
    borda: dict[str, int]

    @classmethod
    def of(cls, table: ScoreTable, common: Sequence[str]) -> _Means:
        if not common:
            nothing: dict[str, float | None] = dict.fromkeys(table.models)
            return cls(nothing, nothing, {model: {} for model in table.models}, table.borda_ranks())
        own = table.only(common)
        return cls(own.mean_over_tasks(), own.mean_over_types(), own.type_means(), own.borda_ranks())


def _rows(
    evaluation: Evaluation,
    scores: dict[tuple[str, str], Score],
    means: _Means,
    tested: dict[tuple[str, str], Comparison],
) -> tuple[LeagueRow, ...]:
    mean, borda, scored = means.mean, means.borda, {model for _, model in scores}
    models = sorted(
        evaluation.models,
        key=lambda model: (model.label not in scored, -_or_lowest(mean[model.label]), borda[model.label]),
    )
    cells = {task.name: _cells(evaluation, scores, task.name) for task in evaluation.tasks}
    rows = []
    for model in models:
        label = model.label
        rows.append(
            LeagueRow(
                model=model,
                place=_place(mean[label], list(mean.values())),
                mean=mean[label],
                type_mean=means.type_mean[label],
                borda=borda[label] if label in scored else None,
                by_type=means.by_type[label],
                cells={task: found[label] for task, found in cells.items()},
                mark=_mark(mean[label], mean[models[0].label], tested.get((models[0].label, label))),
            )
        )
    return tuple(rows)


def _common(evaluation: Evaluation, scores: dict[tuple[str, str], Score]) -> list[str]:
    models = {model for _, model in scores}
    return [task.name for task in evaluation.tasks if models and all((task.name, model) in scores for model in models)]


def _score_table(evaluation: Evaluation, scores: dict[tuple[str, str], Score]) -> ScoreTable:
    models = tuple(model.label for model in evaluation.models)
    tasks = tuple(task.name for task in evaluation.tasks)
    values = np.full((len(models), len(tasks)), np.nan)
    for row, model in enumerate(models):
        for column, task in enumerate(tasks):
            if (task, model) in scores:
                values[row, column] = scores[task, model].score
    return ScoreTable(models, tasks, tuple(task.type for task in evaluation.tasks), values)


def _tested(evaluation: Evaluation, task: str) -> dict[tuple[str, str], Comparison]:
    """Comparisons on a task by first and second model, each in both directions."""
    found = {}
    for comparison in evaluation.comparisons:
        if comparison.task == task:
            found[comparison.first, comparison.second] = comparison
            found[comparison.second, comparison.first] = flipped(comparison)
    return found


def _cells(evaluation: Evaluation, scores: dict[tuple[str, str], Score], task: str) -> dict[str, Cell]:
    of_task = {model.label: scores.get((task, model.label)) for model in evaluation.models}
    best = max((score for score in of_task.values() if score), key=lambda score: score.score, default=None)
    tested = _tested(evaluation, task)
    cells = {}
    for model in evaluation.models:
        score, warned = of_task[model.label], task in model.trained_on
        if score is None or best is None:
            cells[model.label] = Cell(None, None, None, NONE, warned)
            continue
        mark = _mark(score.score, best.score, tested.get((best.model, model.label)))
        cells[model.label] = Cell(score.score, known(score.low), known(score.high), mark, warned)
    return cells


def _mark(score: float | None, best: float | None, against_best: Comparison | None) -> str:
    if score is None or best is None:
        return NONE
    if score >= best:
        return BEST
    if against_best is None or not math.isfinite(against_best.p_adjusted):
        return UNTESTED
    return WORSE if against_best.significant else SAME


def _place(mean: float | None, means: Sequence[float | None]) -> int | None:
    return None if mean is None else 1 + sum(other is not None and other > mean for other in means)


def _or_lowest(mean: float | None) -> float:
    return float("-inf") if mean is None else mean
