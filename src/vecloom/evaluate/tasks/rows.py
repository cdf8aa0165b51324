"""Rows and columns of a data set's files, whole: an evaluation on part of them would give a number that compares with nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vecloom.data.rows import ENDINGS, read
from vecloom.errors import DataError

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """All rows of a file.

    Raises:
        DataError: the file is missing, empty, or a line of it cannot be read.
    """
    rows = [row.values for row in read(path)]
    if not rows:
        raise DataError(f"{path} holds no rows.", "Give a file with rows.")
    return rows


def texts_of(rows: Iterable[Row], column: str, path: Path) -> list[str]:
    """A column of strings.

    Raises:
        DataError: a row has no such column, or something else than a string there.
    """
    found = []
    for number, row in enumerate(rows, start=1):
        value = row.get(column)
        if not isinstance(value, str):
            what = "is missing" if value is None else f"is {type(value).__name__}, not text"
            raise DataError(f"{path}: {column!r} {what} in row {number}.", "Correct the row, or remove it.")
        found.append(value)
    return found


def numbers_of(rows: Iterable[Row], column: str, path: Path) -> list[float]:
    """A column of finite numbers.

    Raises:
        DataError: a value is missing or no finite number.
    """
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            value = float(row[column])
        except (KeyError, TypeError, ValueError):
            value = float("nan")
        if value != value or value in (float("inf"), float("-inf")):
            shown = row.get(column)
            raise DataError(f"{path}: {column!r} is {shown!r} in row {number}.", "Give a number there.")
        found.append(value)
    return found


def split_file(folder: Path, split: str) -> Path | None:
    """The file of a split in a folder, by its usual endings; None where there is none."""
    return next((folder / f"{split}{ending}" for ending in ENDINGS if (folder / f"{split}{ending}").is_file()), None)
