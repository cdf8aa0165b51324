"""Rows of a data file, one at a time: JSON lines, CSV, TSV or Parquet, the line formats also packed with gzip.

A row is a dict with the place it stands at, so that an error about its values can name the line. A broken row is an error:
working silently on part of a data set is worse than stopping.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from vecloom.errors import DataError, first_line

ENDINGS = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_CELL = 1 << 27


class Read(NamedTuple):
    """A row and the number of the line or row that it was read from."""

    line: int
    values: dict[str, Any]


def read(path: Path) -> Iterator[Read]:
    """Yield the rows of a file.

    Raises:
        DataError: the file is missing, of another format, not UTF-8, or a row of it cannot be read.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}.", "Correct the path; it starts from the working directory.")
    if not path.name.lower().endswith(ENDINGS):
        raise DataError(f"{path} is of a format that cannot be read.", f"Give one of {', '.join(ENDINGS)}.")
    if path.suffix.lower() == ".parquet":
        yield from _parquet(path)
        return
    try:
        with _opened(path) as stream:
            yield from _json_lines(stream, path) if ".jsonl" in path.name.lower() else _cells(stream, path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error.reason}.", "Convert it to UTF-8.") from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is broken gzip: {first_line(error)}.", "Pack it again.") from error


def _opened(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _json_lines(stream: TextIO, path: Path) -> Iterator[Read]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number} is no JSON: {first_line(error)}.", "Correct the line.") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number} is no JSON object.", 'Write each row as {"column": value}.')
        yield Read(number, row)


def _cells(stream: TextIO, path: Path) -> Iterator[Read]:
    csv.field_size_limit(_CELL)
    reader = csv.DictReader(stream, delimiter="\t" if ".tsv" in path.name.lower() else ",")
    try:
        for row in reader:
            if None in row or None in row.values():
                raise DataError(
                    f"{path}:{reader.line_num} has another number of cells than the header.",
                    "Correct it; check the quotes before it.",
                )
            yield Read(reader.line_num, dict(row))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num} is no CSV: {error}.", "Check the quotes from there on.") from error


def _parquet(path: Path) -> Iterator[Read]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(4096):
                for row in batch.to_pylist():
                    number += 1
                    yield Read(number, row)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is no readable Parquet: {first_line(error)}.", "Write it again.") from error
