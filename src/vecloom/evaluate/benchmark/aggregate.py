"""Many scores become one order of models: mean over tasks, mean over task types, Borda count.

Source: MMTEB (Enevoldsen et al., ICLR 2025, arXiv 2502.13595) and the code of mteb 2.26 (``benchmarks/_create_table.py``).
Theirs: a mean is refused where a model lacks a task; with n models, the model of mean rank r on a task gets n - r points, none
where it lacks the task; points are summed over tasks, and equal sums share the better rank. Ours: a mean over what is
there when it is asked for, and correlations that are None, not NaN, where they are undefined.

Shapes: ``values`` is ``(models, tasks)``, fractions as mteb writes them, NaN where a score is missing.
When to use which: the mean over tasks favours the type with the most tasks, the mean over types corrects that, and Borda
counts orders only, so that a task with a wide spread does not decide alone. When not: models that were scored on
different tasks; compare them on those that both have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vecloom.errors import DataError, UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Correlation:
    """How two lists of scores agree; None where a list is constant or has fewer than two numbers.

    Attributes:
        spearman: of the ranks, ties sharing their mean rank.
        kendall: tau-b: pairs in the same order less pairs in the opposite one, corrected for ties.
        pearson: of the scores themselves.
    """

    spearman: float | None
    kendall: float | None
    pearson: float | None


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Main scores of models on tasks.

    Attributes:
        models: names, one a row.
        tasks: names, one a column.
        types: the task type of each column.
        values: float64 ``(models, tasks)``, NaN where a score is missing.
        languages: of each column, as in "eng-Latn"; () where they are not known.
        skipped: what was left out when the table was read, one sentence a file.

    Raises:
        DataError: shapes do not fit, a name is there twice, or a score is infinite.
    """

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    types: tuple[str, ...]
    values: Floats
    languages: tuple[frozenset[str], ...] = ()
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.array(self.values, np.float64))
        expected = (len(self.models), len(self.tasks))
        if self.values.shape != expected or len(self.types) != len(self.tasks):
            raise DataError(
                f"The scores have shape {self.values.shape}, but there are {expected[0]} models and {expected[1]} tasks "
                f"of {len(self.types)} types.",
                "Give one row a model, one column and one type a task.",
            )
        if self.languages and len(self.languages) != len(self.tasks):
            raise DataError(f"{len(self.languages)} language sets for {len(self.tasks)} tasks.", "Give one for each.")
        _refuse_doubles("model", self.models)
        _refuse_doubles("task", self.tasks)
        if np.isinf(self.values).any():
            row, column = np.argwhere(np.isinf(self.values))[0]
            raise DataError(
                f"The score of {self.models[row]} on {self.tasks[column]} is infinite.", "Correct or drop it."
            )

    def column(self, task: str) -> int:
        """Where a task stands.

        Raises:
            UsageError: it is not in the table.
        """
        if task not in self.tasks:
            raise UsageError(f"There is no task {task!r} in these results.", f"There are: {', '.join(self.tasks)}.")
        return self.tasks.index(task)

    def only(self, tasks: Sequence[str]) -> ScoreTable:
        """The same models on some of the tasks, in the order given.

        Raises:
            UsageError: a task is not in the table.
        """
        columns = [self.column(task) for task in tasks]
        return replace(
            self,
            tasks=tuple(tasks),
            types=tuple(self.types[column] for column in columns),
            values=self.values[:, columns],
            languages=tuple(self.languages[column] for column in columns) if self.languages else (),
        )

    def missing(self) -> list[tuple[str, str]]:
        """Model and task of every missing score."""
        return [(self.models[row], self.tasks[column]) for row, column in np.argwhere(np.isnan(self.values))]

    def complete(self) -> ScoreTable:
        """Only the tasks on which every model has a score, as MMTEB does before it selects."""
        lacking = {task for _, task in self.missing()}
        return self.only([task for task in self.tasks if task not in lacking])

    def mean_over_tasks(self, *, skip_missing: bool = False) -> dict[str, float | None]:
        """Mean score of each model; None where it lacks a task, or with ``skip_missing`` where it has none."""
        return dict(zip(self.models, _row_means(self.values, skip_missing), strict=True))

    def type_means(self, *, skip_missing: bool = False) -> dict[str, dict[str, float | None]]:
        """Model -> task type -> mean over the tasks of that type, types in alphabetical order."""
        found: dict[str, dict[str, float | None]] = {model: {} for model in self.models}
        for kind in sorted(set(self.types)):
            columns = [column for column, own in enumerate(self.types) if own == kind]
            for model, mean in zip(self.models, _row_means(self.values[:, columns], skip_missing), strict=True):
                found[model][kind] = mean
        return found

    def mean_over_types(self, *, skip_missing: bool = False) -> dict[str, float | None]:
        """Mean of the type means of each model; None as in ``mean_over_tasks``."""
        by_type = self.type_means(skip_missing=skip_missing)
        rows = [[np.nan if mean is None else mean for mean in by_type[model].values()] for model in self.models]
        means = _row_means(np.array(rows, float).reshape(len(self.models), -1), skip_missing)
        return dict(zip(self.models, means, strict=True))

    def borda_points(self) -> dict[str, float]:
        """Borda count of each model: n - r points a task, r its mean rank there; none where it has no score."""
        return dict(zip(self.models, borda_points(self.values).tolist(), strict=True))

    def borda_ranks(self) -> dict[str, int]:
        """Place of each model by Borda count, 1 the best; equal counts share the better place."""
        return dict(zip(self.models, competition_ranks(borda_points(self.values)).tolist(), strict=True))


def borda_points(values: Floats) -> Floats:
    """Borda count ``(models,)`` of ``(models, tasks)`` scores."""
    from scipy.stats import rankdata

    if not values.size:
        return np.zeros(len(values))
    ranks = rankdata(-values, axis=0, nan_policy="omit")  # a missing score takes no rank and keeps NaN
    return np.asarray(np.where(np.isnan(values), 0.0, len(values) - ranks).sum(axis=1), np.float64)


def competition_ranks(points: Floats) -> npt.NDArray[np.int64]:
    """Places of ``(n,)`` points, the most points first, ties sharing the better place: 1, 1, 3."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(-np.asarray(points, float), method="min"), np.int64)


def correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> Correlation:
    """Agreement of two ``(n,)`` lists of scores of the same models.

    Raises:
        DataError: the lists differ in length or hold something that is not finite.
    """
    from scipy.stats import kendalltau, pearsonr, spearmanr

    left, right = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if left.shape != right.shape or left.ndim != 1:
        raise DataError(
            f"Scores of shapes {left.shape} and {right.shape} cannot be compared.", "Give one number a model."
        )
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise DataError("A score to compare is not a finite number.", "Leave out models or tasks with missing scores.")
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return Correlation(None, None, None)
    return Correlation(*(float(measure(left, right)[0]) for measure in (spearmanr, kendalltau, pearsonr)))


def _row_means(values: Floats, skip_missing: bool) -> list[float | None]:
    there = ~np.isnan(values)
    counts = there.sum(axis=1)
    sums = np.where(there, values, 0.0).sum(axis=1)
    usable = (counts > 0) & (skip_missing | (counts == values.shape[1]))
    return [float(total / count) if use else None for total, count, use in zip(sums, counts, usable, strict=True)]


def _refuse_doubles(what: str, names: Sequence[str]) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise DataError(f"The {what} {doubles[0]!r} is there more than once.", "Give every name once.")
