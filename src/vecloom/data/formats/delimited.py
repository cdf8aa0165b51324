r"""CSV and TSV tables with a header line, row by row; memory is bounded by the largest row.

A .csv is separated by commas, or by semicolons or tabs where its header is, or by what a first line ``sep=;`` names.

Cells of the text, title and id columns stay text. Of the others a column becomes numbers where all its cells in the
first rows (1,000, or 1 MiB) are numbers that print back as they were written: ``2021`` and ``-0.5`` do; ``007``, ``1e5`` and
``1.10`` do not. A column of ``true`` and ``false`` (also ``True``, ``TRUE``) becomes booleans; ``yes``, ``0`` and ``1`` do
not. A later cell that does not fit stays text. An empty cell is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias

from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import numbered_lines
from vecloom.data.fields import Columns, boolean, find_columns, lacks_text, no_text, number
from vecloom.data.formats.cells import Row, csv_rows, tsv_rows
from vecloom.data.records import Document
from vecloom.wording import counted

SAMPLE_ROWS = 1000
SAMPLE_CHARS = 1024 * 1024

TSV = (".tsv", ".tsv.gz", ".tsv.zst")

Value: TypeAlias = Callable[[str], object]


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one document a row.

    Raises:
        DataError: no column holds the text; or a row has more cells than the header has names, or a quote that
            never ends, and not ``context.skip_bad``.
    """
    with open_bytes(source, context) as stream:
        lines = numbered_lines(stream, source, context)

        def usable(names: Sequence[str]) -> bool:
            return find_columns(context.fields, tuple(names)).text is not None

        is_tsv = source.name.lower().endswith(TSV)
        rows = tsv_rows(lines) if is_tsv else csv_rows(lines, source, context, usable)
        unreadable = context.report.unreadable
        header = next(rows, None)
        if header is None:
            context.report.empty_files += context.report.unreadable == unreadable
            return
        names = _unique(header[1])
        columns = find_columns(context.fields, tuple(names))
        if lacks_text(columns, context.fields):
            error = no_text(context.fields, names)
            context.bad_file(source, error.what, error.todo, always=True)
            return
        yield from _documents(rows, names, columns, source, context)


def _documents(
    rows: Iterator[Row], names: list[str], columns: Columns, source: Source, context: Context
) -> Iterator[Document]:
    sample = _sample(rows)
    typed = _typed_columns(names, columns, [cells for _, cells in sample])
    for line, cells in chain(sample, rows):
        if any(cells[len(names) :]):
            context.bad_record(
                source, line, f"{counted(len(cells), 'cell')} under {counted(len(names), 'column name')}."
            )
            continue
        record: dict[str, object] = dict.fromkeys(names)
        for name, cell in zip(names, cells, strict=False):
            if cell:
                record[name] = typed[name](cell) if name in typed else cell
        document = context.document(record, source, line)
        if document is not None:
            yield document


def _unique(header: list[str]) -> list[str]:
    """Column names without blanks and doubles: "column_3" for an empty one, "name_2" for a second "name"."""
    names: dict[str, None] = {}
    counts: dict[str, int] = {}
    for place, written in enumerate(header, 1):
        name = base = written.strip() or f"column_{place}"
        while name in names:
            counts[base] = counts.get(base, 1) + 1
            name = f"{base}_{counts[base]}"
        names[name] = None
    return list(names)


def _sample(rows: Iterator[Row]) -> list[Row]:
    sample: list[Row] = []
    chars = 0
    for row in rows:
        sample.append(row)
        chars += sum(map(len, row[1]))
        if len(sample) >= SAMPLE_ROWS or chars >= SAMPLE_CHARS:
            break
    return sample


def _typed_columns(names: list[str], columns: Columns, rows: list[list[str]]) -> dict[str, Value]:
    """How to read the columns whose filled cells are all numbers, or all booleans; a column without any is text."""
    typed: dict[str, Value] = {}
    for place, name in enumerate(names):
        if name in columns:
            continue
        filled = [row[place] for row in rows if place < len(row) and row[place]]
        kinds = {type(number(cell)) for cell in filled}
        if kinds and str not in kinds:
            typed[name] = _decimal if float in kinds else number
        elif filled and all(isinstance(boolean(cell), bool) for cell in filled):
            typed[name] = boolean
    return typed


def _decimal(cell: str) -> float | str:
    value = number(cell)
    return value if isinstance(value, str) or float(value) != value else float(value)
