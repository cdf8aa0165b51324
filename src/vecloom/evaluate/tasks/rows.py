"""Rows of a data set file: JSON lines, CSV, TSV or Parquet, the line formats also packed with gzip.

A row is a dict. Faults are errors that name file and line: an evaluation on part of a data set would give a number that
compares with nothing.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from vecloom.errors import DataError

Row = dict[str, Any]
ENDINGS = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


def read_rows(path: Path) -> list[Row]:
    """All rows of a file.

    Raises:
        DataError: the file is missing, empty, or a line of it cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing.", "Add the file, or give another data set.")
    rows = _parquet(path) if path.suffix == ".parquet" else list(_lines(path))
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


def _lines(path: Path) -> Iterator[Row]:
    with _opened(path) as stream:
        try:
            if ".jsonl" in path.suffixes:
                yield from _json_lines(stream, path)
            else:
                yield from _delimited(stream, path)
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8: {error.reason}.", "Convert it to UTF-8.") from error
        except (EOFError, gzip.BadGzipFile) as error:
            raise DataError(f"{path} is broken gzip: {error}.", "Pack it again.") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _json_lines(stream: TextIO, path: Path) -> Iterator[Row]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number} is no JSON: {error}.", "Correct the line.") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number} is no JSON object.", 'Write each row as {"column": value}.')
        yield row


def _delimited(stream: TextIO, path: Path) -> Iterator[Row]:
    csv.field_size_limit(1 << 27)
    reader = csv.DictReader(stream, delimiter="\t" if ".tsv" in path.suffixes else ",")
    for row in reader:
        if None in row or None in row.values():
            raise DataError(f"{path}:{reader.line_num} has another number of columns than the header.", "Correct it.")
        yield dict(row)


def _parquet(path: Path) -> list[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        rows: list[Row] = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is no readable Parquet: {error}.", "Write it again.") from error
    return rows
