"""Rows of a data file, one at a time: JSON lines, CSV, TSV or Parquet, the line formats also packed with gzip.

A row is a dict with the place it stands at, so that an error about its values can name the line. A broken row is an error:
working silently on part of a data set is worse than stopping. Text is UTF-8, UTF-16 or UTF-32; cells stay text.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from vecloom.data.context import Context, Source
from vecloom.data.decoding import SNIFF, wide_encoding
from vecloom.data.formats.cells import Line, csv_rows, tsv_rows
from vecloom.data.formats.json_text import Decoder, reason
from vecloom.errors import DataError, first_line

ENDINGS = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


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
            lines = _lines(stream)
            yield from _json_lines(lines, path) if ".jsonl" in path.name.lower() else _cells(lines, path)
    except UnicodeDecodeError as error:
        name = error.encoding.upper()
        raise DataError(f"{path} is not {name}: {error.reason}.", "Convert it to UTF-8.") from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is broken gzip: {first_line(error)}.", "Pack it again.") from error


def _opened(path: Path) -> io.BufferedReader:
    if path.suffix.lower() == ".gz":
        return io.BufferedReader(cast(io.RawIOBase, gzip.open(path, "rb")))
    return path.open("rb")


def _lines(stream: io.BufferedReader) -> Iterator[Line]:
    """Numbered lines without their ends and without byte order marks, also those that joined files bring along."""
    text = io.TextIOWrapper(stream, encoding=wide_encoding(stream.peek(SNIFF)) or "utf-8", newline="")
    for number, line in enumerate(text, start=1):
        yield number, line.removeprefix("\ufeff").rstrip("\r\n")


def _json_lines(lines: Iterator[Line], path: Path) -> Iterator[Read]:
    decoder = Decoder()
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = decoder.whole(line)
        except ValueError as error:
            raise DataError(f"{path}:{number} is not JSON: {reason(error)}.", "Correct the line.") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number} is not a JSON object.", 'Write each row as {"column": value}.')
        yield Read(number, row)


def _cells(lines: Iterator[Line], path: Path) -> Iterator[Read]:
    is_tsv = ".tsv" in path.name.lower()
    strict = Context(lenient="")
    rows = tsv_rows(lines) if is_tsv else csv_rows(lines, Source(str(path)), strict, lambda names: len(names) > 1)
    _, header = next(rows, (0, []))
    for number, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{path}:{number} has another number of cells than the header.",
                "Correct it; check the quotes before it.",
            )
        yield Read(number, dict(zip(header, cells, strict=True)))


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
        raise DataError(f"{path} is not a readable Parquet file: {first_line(error)}.", "Write it again.") from error
