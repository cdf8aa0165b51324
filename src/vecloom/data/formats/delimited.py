r"""CSV and TSV tables with a header line, row by row; memory is bounded by the largest row.

A .csv whose header has semicolons and no comma is read by semicolons. A .tsv has no quoting (IANA
text/tab-separated-values), so that a stray quote swallows nothing; a cell that is quoted as a whole is unquoted.

Cells of the text, title and id columns stay text. Of the others a column becomes numbers where all its cells in the
first rows (1,000, or 1 MiB) are numbers that print back as they were written: ``2021`` and ``-0.5`` do, ``007`` and
``1e5`` do not. A later cell that is no number stays text. An empty cell is None.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TypeAlias

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import numbered_lines
from vecloom.data.fields import Columns, find_columns, no_text, number
from vecloom.data.records import Document

SAMPLE_ROWS = 1000
SAMPLE_CHARS = 1024 * 1024
_CHECK_QUOTES = "Check the quotes from this line on, or leave such rows out with --skip-bad."

TSV = (".tsv", ".tsv.gz", ".tsv.zst")

Row: TypeAlias = tuple[int, list[str]]
Number: TypeAlias = Callable[[str], object]


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one document a row.

    Raises:
        DataError: no column holds the text; or a row has more cells than the header has names, or a quote that
            never ends, and not ``context.skip_bad``.
    """
    with open_bytes(source, context) as stream:
        lines = numbered_lines(stream, source, context)
        is_tsv = source.name.lower().endswith(TSV)
        rows = tsv_rows(lines) if is_tsv else csv_rows(lines, source, context)
        header = next(rows, None)
        if header is None:
            context.report.empty_files += 1
            return
        names = _unique(header[1])
        columns = find_columns(context.fields, tuple(names))
        if columns.text is None:
            error = no_text(context.fields, names)
            context.bad_file(source, error.what, error.todo, always=True)
            return
        yield from _documents(rows, names, columns, source, context)


def _documents(
    rows: Iterator[Row], names: list[str], columns: Columns, source: Source, context: Context
) -> Iterator[Document]:
    sample = _sample(rows)
    numeric = _numeric_columns(names, columns, [cells for _, cells in sample])
    for line, cells in chain(sample, rows):
        if len(cells) > len(names):
            context.bad_record(source, line, f"{len(cells)} cells under {len(names)} column names.")
            continue
        record: dict[str, object] = dict.fromkeys(names)
        for name, cell in zip(names, cells, strict=False):
            if cell:
                record[name] = numeric[name](cell) if name in numeric else cell
        document = context.document(record, source, line)
        if document is not None:
            yield document


class _Lines:
    """The lines for ``csv.reader``, remembering the number of the first one since ``start`` was cleared."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self.start = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self.start = self.start or number
        return f"{line}\n"


def csv_rows(lines: Iterator[tuple[int, str]], source: Source, context: Context) -> Iterator[Row]:
    """Yield (line on which it starts, cells); blank lines are passed over."""
    first = next(lines, None)
    if first is None:
        return
    # an unclosed quote must not gather the rest of a large file in memory
    csv.field_size_limit(ctx.MAX_BYTES)
    numbered = _Lines(chain([first], lines))
    # strict, because otherwise a quote that never ends makes the rest of the file one cell without a word
    reader = csv.reader(numbered, delimiter=";" if ";" in first[1] and "," not in first[1] else ",", strict=True)
    while True:
        numbered.start = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            context.bad_record(source, numbered.start, f"this is not CSV: {error}.", _CHECK_QUOTES)
            continue
        if cells:
            yield numbered.start, cells


def tsv_rows(lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    """Yield (line, cells); blank lines are passed over."""
    for number_, line in lines:
        if line:
            yield number_, [_unquoted(cell) for cell in line.split("\t")]


def _unquoted(cell: str) -> str:
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        inner = cell[1:-1].replace('""', "\0")  # no NUL can be in a line: it marks the doubled quotes
        if '"' not in inner:
            return inner.replace("\0", '"')
    return cell


def _unique(header: list[str]) -> list[str]:
    """Column names without blanks and doubles: "column_3" for an empty one, "name_2" for a second "name"."""
    names: list[str] = []
    for place, written in enumerate(header, 1):
        name = base = written.strip() or f"column_{place}"
        again = 2
        while name in names:
            name, again = f"{base}_{again}", again + 1
        names.append(name)
    return names


def _sample(rows: Iterator[Row]) -> list[Row]:
    sample: list[Row] = []
    chars = 0
    for row in rows:
        sample.append(row)
        chars += sum(map(len, row[1]))
        if len(sample) >= SAMPLE_ROWS or chars >= SAMPLE_CHARS:
            break
    return sample


def _numeric_columns(names: list[str], columns: Columns, rows: list[list[str]]) -> dict[str, Number]:
    """How to read the columns whose filled cells are all numbers; a column without any is text."""
    numeric: dict[str, Number] = {}
    for place, name in enumerate(names):
        kinds = {type(number(row[place])) for row in rows if place < len(row) and row[place]}
        if name not in columns and kinds and str not in kinds:
            numeric[name] = _decimal if float in kinds else number
    return numeric


def _decimal(cell: str) -> float | str:
    value = number(cell)
    return value if isinstance(value, str) else float(value)
