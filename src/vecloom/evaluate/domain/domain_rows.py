"""Scores of several models on data sets of two domains: reading them, and laying them out as a grid.

A row is one model's main score on one data set. The unit of every comparison of domains is the data set, not the row:
the same data set seen by seven models is one piece of evidence about its domain. The grid therefore keeps the data sets
that all models were scored on, and names the others.
When to use it: before ``domain_gap``. When not: for scores of single queries or texts.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vecloom.errors import DataError, UsageError
from vecloom.wording import counted

COLUMNS = ("model", "dataset", "domain", "task_type", "score")
GENERAL_NAMES = ("general", "0")

Floats = npt.NDArray[np.float64]
Complexity = Mapping[str, Mapping[str, float]]
"""Data set -> measure -> value, as ``ComplexityProfile.measures`` gives it."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One model's score on one data set.

    Attributes:
        model: its name.
        dataset: its name; one name under two task types is the same texts.
        domain: "general", or the name of the special domain.
        task_type: as in "classification"; scores of different types are not compared with each other.
        score: the task's main score; higher is better.
    """

    model: str
    dataset: str
    domain: str
    task_type: str
    score: float


@dataclass(frozen=True, slots=True)
class Unit:
    """A data set under a task type, and whether it belongs to the special domain."""

    dataset: str
    task_type: str
    special: bool


@dataclass(frozen=True, slots=True)
class ScoreGrid:
    """Scores of all models on all data sets that all of them have.

    Attributes:
        general: name of the general domain.
        special: name of the special one.
        models: rows of ``scores``.
        units: its columns.
        scores: float64 ``(models, units)``.
        dropped: data sets that a model has no score on.
    """

    general: str
    special: str
    models: tuple[str, ...]
    units: tuple[Unit, ...]
    scores: Floats
    dropped: tuple[str, ...] = ()

    @property
    def flags(self) -> npt.NDArray[np.bool_]:
        """For each data set whether it is special, ``(units,)``."""
        return np.array([unit.special for unit in self.units], bool)

    @property
    def task_types(self) -> tuple[str, ...]:
        """The task types, sorted."""
        return tuple(sorted({unit.task_type for unit in self.units}))

    @property
    def type_codes(self) -> npt.NDArray[np.int64]:
        """For each data set the place of its task type in ``task_types``, ``(units,)``."""
        known = self.task_types
        return np.array([known.index(unit.task_type) for unit in self.units], np.int64)

    def kept(self, mask: Sequence[bool] | npt.NDArray[np.bool_]) -> ScoreGrid:
        """The grid with only the data sets where ``mask`` is true."""
        chosen = np.asarray(mask, bool)
        units = tuple(unit for unit, keep in zip(self.units, chosen, strict=True) if keep)
        return replace(self, units=units, scores=self.scores[:, chosen])

    def of_type(self, task_type: str) -> ScoreGrid:
        """The grid with only the data sets of one task type."""
        return self.kept([unit.task_type == task_type for unit in self.units])

    def comparable(self) -> ScoreGrid:
        """The grid with only the task types that have data sets of both domains."""
        sides = {
            task_type: {u.special for u in self.units if u.task_type == task_type} for task_type in self.task_types
        }
        return self.kept([len(sides[unit.task_type]) == 2 for unit in self.units])


def score_grid(rows: Iterable[ScoreRow], *, general: str | None = None) -> ScoreGrid:
    """Lay rows out as models by data sets.

    Args:
        rows: one a model and data set, of two domains.
        general: name of the domain that the other is compared with; "general" or "0" by default.

    Raises:
        DataError: no rows, a score that is no number, a pair given twice, a data set in two domains, or no data set that
            all models have.
        UsageError: there are not two domains, or it is not clear which of them is the general one.
    """
    given = list(rows)
    _check(given)
    general, special = _domains(given, general)
    models = tuple(sorted({row.model for row in given}))
    by_unit: dict[Unit, dict[str, float]] = {}
    for row in given:
        unit = Unit(row.dataset, row.task_type, row.domain == special)
        by_unit.setdefault(unit, {})[row.model] = float(row.score)
    units = sorted(by_unit, key=lambda unit: (unit.task_type, unit.dataset))
    complete = [unit for unit in units if len(by_unit[unit]) == len(models)]
    if not complete:
        raise DataError(
            f"No data set has scores of all {counted(len(models), 'model')}.", "Score the models on the same data sets."
        )
    scores = np.array([[by_unit[unit][model] for unit in complete] for model in models], np.float64)
    dropped = tuple(unit.dataset for unit in units if unit not in set(complete))
    return ScoreGrid(general, special, models, tuple(complete), scores, dropped)


def _check(rows: Sequence[ScoreRow]) -> None:
    if not rows:
        raise DataError("There are no scores.", "Give one row for each model and data set.")
    for row in rows:
        if not math.isfinite(row.score):
            raise DataError(f"The score of {row.model} on {row.dataset} is {row.score}.", "Leave the row out.")
    twice = [key for key, count in Counter((r.model, r.dataset, r.task_type) for r in rows).items() if count > 1]
    if twice:
        model, dataset, task_type = twice[0]
        raise DataError(f"{model} has two scores on {dataset} ({task_type}).", "Keep one.")
    domains: dict[str, str] = {}
    for row in rows:
        if domains.setdefault(row.dataset, row.domain) != row.domain:
            raise DataError(
                f"{row.dataset} is of domain {domains[row.dataset]!r} in one row and {row.domain!r} in another.",
                "Give each data set one domain.",
            )


def _domains(rows: Sequence[ScoreRow], general: str | None) -> tuple[str, str]:
    found = sorted({row.domain for row in rows})
    named = general if general is not None else next((name for name in GENERAL_NAMES if name in found), None)
    if len(found) != 2:
        raise UsageError(
            f"The rows have {counted(len(found), 'domain')}: {', '.join(found[:10])}.",
            "Keep the rows of two domains, one of them general.",
        )
    if named is None:
        what = f"It is not clear which of {found[0]!r} and {found[1]!r} is the general domain."
        raise UsageError(what, "Call it 'general', or name it (general=...).")
    if named not in found:
        what = f"No row is of the general domain {named!r}; there are {found[0]!r} and {found[1]!r}."
        raise UsageError(what, "Name one of these.")
    return named, next(name for name in found if name != named)


def read_scores_csv(path: str | PathLike[str]) -> list[ScoreRow]:
    """Read scores from a CSV with the columns model, dataset, domain, task_type and score; others are ignored.

    Raises:
        DataError: the file cannot be read or is empty, a column is missing, a cell is empty, or a score is no number.
    """
    rows = []
    for place, record in _records(Path(path), COLUMNS):
        empty = [name for name in COLUMNS if not record[name]]
        if empty:
            raise DataError(f"{place}: {', '.join(empty)} is empty.", "Fill the cell, or leave the line out.")
        model, dataset, domain, task_type, score = (record[name] for name in COLUMNS)
        rows.append(ScoreRow(model, dataset, domain, task_type, _number(score, "score", place)))
    if not rows:
        raise DataError(f"{path} has a header and no scores.", "Give one line for each model and data set.")
    return rows


def read_complexity_csv(path: str | PathLike[str]) -> dict[str, dict[str, float]]:
    """Read complexity from a CSV: a column dataset, and one column a measure; an empty cell is a missing value.

    Raises:
        DataError: the file cannot be read or is empty, the column dataset or every measure is missing, a data set comes
            twice, or a value is no number.
    """
    found: dict[str, dict[str, float]] = {}
    for place, record in _records(Path(path), ("dataset",)):
        dataset = record.pop("dataset")
        if dataset in found or not dataset:
            raise DataError(f"{place}: the data set {dataset!r} is there twice or has no name.", "Keep one line of it.")
        found[dataset] = {name: _number(cell, name, place) for name, cell in record.items() if cell}
    if not any(found.values()):
        raise DataError(f"{path} has no measures.", "Give a column for each, as in dataset,entropy_sample,fog.")
    return found


def _records(path: Path, needed: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The place (file and line) and the cells, by column name, of each line of a CSV."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in needed if name not in header]
            if missing or len(set(header)) < len(header):
                raise DataError(
                    f"{path}:1: the header {','.join(header)!r} lacks {', '.join(missing) or 'different names'}.",
                    f"Its columns have to be {', '.join(needed)}.",
                )
            for cells in reader:
                if not cells:
                    continue
                place = f"{path}:{reader.line_num}"
                if len(cells) != len(header):
                    raise DataError(
                        f"{place}: {counted(len(cells), 'cell')} under {counted(len(header), 'column name')}.",
                        "Mend the line.",
                    )
                yield place, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}.", "Give a CSV file in UTF-8.") from error


def _number(cell: str, name: str, place: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{place}: {name} {cell!r} is not a number.", "Write it as in 0.75.")
    return value
