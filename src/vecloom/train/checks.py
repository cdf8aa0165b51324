"""What training data has to be, checked before the first step: each fault names file, row and value, and what to do.

Counts what is odd but no error (texts that stand there twice, a positive that is its own anchor); the summary tells them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecloom.errors import DataError, UsageError

if TYPE_CHECKING:
    from vecloom.train.data import Table
    from vecloom.train.recipe import Recipe


@dataclass(frozen=True)
class Checked:
    """What was counted in a data set.

    Attributes:
        rows: how many.
        distinct: different texts in all columns.
        twice: rows that repeat an earlier row.
        echoes: rows in which a text equals another one of the same row.
        negatives: negatives used in each row, and the most that a row had.
        prepared: what was done to the rows before, in words.
    """

    rows: int
    distinct: int
    twice: int
    echoes: int
    negatives: tuple[int, int] = (0, 0)
    prepared: tuple[str, ...] = ()

    @classmethod
    def of(cls, columns: Sequence[Sequence[str]], negatives: tuple[int, int] = (0, 0)) -> Checked:
        """Count in text columns of equal length."""
        whole = set(zip(*columns, strict=True))
        count = len(columns[0]) if columns else 0
        distinct = len({text for column in columns for text in column})
        echoes = sum(len(set(row)) < len(row) for row in zip(*columns, strict=True))
        return cls(count, distinct, count - len(whole), echoes, negatives)

    def notes(self) -> list[str]:
        """What a user should know, in words."""
        used, most = self.negatives
        found = [
            *self.prepared,
            f"rows that repeat an earlier one: {self.twice:,}" if self.twice else "",
            f"rows in which a text stands twice: {self.echoes:,}" if self.echoes else "",
            f"rows have up to {most} negatives, of which the first {used} are used" if used < most else "",
        ]
        return [note for note in found if note]


def check_text(cell: Any, column: str, place: str) -> str:
    """A text that is there.

    Raises:
        DataError: the cell is missing, no text, or blank.
    """
    if cell is None:
        raise DataError(f"{place}: the column {column!r} is missing.", "Correct the row, or remove it.")
    if not isinstance(cell, str):
        raise DataError(f"{place}: the column {column!r} is {type(cell).__name__}, not text.", "Correct the row.")
    if not cell.strip():
        raise DataError(f"{place}: the column {column!r} is empty.", "Fill it, or remove the row.")
    return cell


def score_of(cell: Any, number: int, scale: tuple[float, float], where: str) -> float:
    """A score from its own scale to 0 to 1.

    Raises:
        DataError: it is no finite number, or outside ``scale``.
    """
    low, high = scale
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: the score of row {number} is {cell!r}.", "Give a number there.")
    if not low <= value <= high:
        usual = next((top for top in (5, 10, 100) if 0 <= value <= top), None)
        todo = (
            f"State the range, as in scale: [0, {usual}]." if usual and scale == (0.0, 1.0) else "Correct it, or scale."
        )
        raise DataError(f"{where}: the score {value:g} of row {number} is outside {low:g} to {high:g}.", todo)
    return (value - low) / (high - low)


def label_of(cells: Sequence[Any], classes: int | None, where: str) -> tuple[list[int], tuple[str, ...]]:
    """Labels as numbers, and their names where they were words (numbered in the order of the alphabet).

    Raises:
        DataError: one is missing, they are of mixed kinds, outside 0 to ``classes`` - 1, or all the same.
    """
    missing = next((number for number, cell in enumerate(cells, 1) if cell is None or cell == ""), None)
    if missing:
        raise DataError(f"{where}: the label of row {missing} is missing.", "Fill it, or remove the row.")
    numbers = [_whole(cell) for cell in cells]
    names: tuple[str, ...] = ()
    if all(number is None for number in numbers):
        names = tuple(sorted({str(cell) for cell in cells}))
        found = {name: number for number, name in enumerate(names)}
        labels = [found[str(cell)] for cell in cells]
    else:
        labels = [_in_range(number, row, cells, classes, where) for row, number in enumerate(numbers, 1)]
    kinds = len(set(labels))
    if kinds < 2:
        raise DataError(
            f"{where}: all labels are {cells[0]!r}: there is one class.", "Give rows of at least two classes."
        )
    if classes and kinds > classes:
        raise DataError(f"{where}: there are {kinds} labels, and classes is {classes}.", "Correct classes.")
    return labels, names


def check_fit(recipe: Recipe, tables: Sequence[Table]) -> None:
    """Whether losses take these shapes, and whether the rows fill one batch.

    Raises:
        UsageError: a loss does not take a data set's shape, or data sets that differ are to be mixed in a batch.
        DataError: there are too few rows, or too few different ones, for one batch.
    """
    from vecloom.train.losses import base_shapes
    from vecloom.train.recipe import checked_options

    for source, table in zip(recipe.data, tables, strict=True):
        choice = recipe.loss_of(source)
        name, shapes = choice.name, base_shapes(choice.name, checked_options(choice))
        if table.shape not in shapes:
            takes = " or ".join(shapes)
            raise UsageError(
                f"The loss {name!r} takes {takes}, and {table.name!r} is {table.shape}.",
                f"Choose a loss that takes {table.shape}: {_losses_for(table.shape)}.",
            )
        if name == "triplet" and table.checked.negatives[0] > 1:
            raise UsageError(
                f"The loss 'triplet' takes one negative, and {table.name!r} has {table.checked.negatives[0]}.",
                "Set negatives: 1 for this data set, or choose a loss that takes all: mnr.",
            )
        if recipe.length_grouping and table.shape == "labels":
            raise UsageError(
                f"length_grouping does not go with labels ({table.name!r}): their rows come in twos of one label.",
                "Leave length_grouping out.",
            )
    _check_mixed(recipe, tables)
    _check_size(recipe, tables)


def _check_mixed(recipe: Recipe, tables: Sequence[Table]) -> None:
    if recipe.mixing.batches == "mixed":
        first = tables[0]
        other = next((table for table in tables if table.rows.column_names != first.rows.column_names), None)
        if other is not None:
            raise UsageError(
                f"{first.name!r} is {first.shape} and {other.name!r} is {other.shape} with "
                f"{', '.join(other.rows.column_names)}: they cannot stand in one batch.",
                "Use mixing.batches: one-task.",
            )


def _check_size(recipe: Recipe, tables: Sequence[Table]) -> None:
    together = recipe.mixing.batches == "mixed"
    for table in tables:
        rows = sum(map(len, tables)) if together else len(table)
        if rows < recipe.batch_size:
            what = "the data sets have" if together else f"{table.name!r} has"
            raise DataError(
                f"A batch has {recipe.batch_size} rows and {what} {rows}.",
                f"Set batch_size to {rows} or less, or add rows.",
            )


def _losses_for(shape: str) -> str:
    from vecloom.train.losses import LOSSES

    return ", ".join(sorted(name for name, entry in LOSSES.items() if shape in entry.shapes)) or "none does"


def _whole(cell: Any) -> int | None:
    if isinstance(cell, bool):
        return int(cell)
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return int(value) if value.is_integer() else None


def _in_range(number: int | None, row: int, cells: Sequence[Any], classes: int | None, where: str) -> int:
    cell = cells[row - 1]
    if number is None:
        raise DataError(
            f"{where}: the label {cell!r} of row {row} is no whole number.", "Use numbers or words, not both."
        )
    if number < 0 or (classes is not None and number >= classes):
        until = f"to {classes - 1}" if classes else "or more"
        todo = "Correct it, or classes." if classes else "Number the classes from 0."
        raise DataError(f"{where}: the label {number} of row {row} is outside 0 {until}.", todo)
    return number
