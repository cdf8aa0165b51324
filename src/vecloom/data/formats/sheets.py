"""Spreadsheets (.xlsx, .ods), read by calamine (extra ``[files]``): rows are records where a sheet is a table.

A sheet is a table if its first row that holds anything is names: texts, no two alike, at least two, with rows below.
Then each row is a document, as in a CSV file; in a table without a text column the row itself, written "name: value"
line by line, is the text. Any other sheet is one document, its rows line by line. Dates are ISO 8601, whole
numbers integers, and formulas the values that were last computed.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any

from vecloom.data.context import Context, Source
from vecloom.data.fields import TEXT, clean_value, find_columns, scalar
from vecloom.data.formats import zipped
from vecloom.data.formats.optional import is_available
from vecloom.data.records import Document, Scalar

MOST_CELLS = 20_000_000
"""Cells of the rectangle that a sheet spans: calamine keeps the empty ones too."""
_CELL = re.compile(rb'<c\b[^>]*?\br="([A-Z]{1,3})(\d{1,7})"')


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read all sheets; each document has its sheet's name as a field if there are several.

    Raises:
        MissingExtraError: calamine is not installed, and the user named this file.
        DataError: the file is broken or encrypted or a row is bad, and the user named it.
    """
    if not is_available(source, context, "python_calamine"):
        return
    if zipped.read(source, context, _check) is None:
        return
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with CalamineWorkbook.from_path(source.path) as book:
            names = [name for name in book.sheet_names if name]
            for name in names:
                yield from _sheet(name if len(names) > 1 else "", book.get_sheet_by_name(name), source, context)
    except CalamineError as error:
        what = str(error).rstrip(".")
        context.bad_file(source, f"it cannot be converted: {what}.")


def _check(archive: zipfile.ZipFile) -> bool:
    zipped.verify(archive)
    for name in archive.namelist():
        if name.endswith(".xml"):
            data = archive.read(name)
            zipped.refuse_entities(data)
            if name.startswith("xl/worksheets/") and _spanned(data) > MOST_CELLS:
                raise zipped.BadArchiveError(f"a sheet of it spans more than {MOST_CELLS:,} cells")
    return True


def _spanned(sheet: bytes) -> int:
    """Cells of the rectangle from A1 to the last column and row."""
    columns, rows = {b"A"}, 1
    for column, row in _CELL.findall(sheet):
        columns.add(column)
        rows = max(rows, int(row))
    return rows * max(map(_column_number, columns))


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _sheet(name: str, sheet: Any, source: Source, context: Context) -> Iterator[Document]:
    if sheet.start is None:
        return
    first, left = sheet.start
    rows = (
        (number, [_value(cell) for cell in row[left:]])
        for number, row in enumerate(sheet.iter_rows(), start=1)
        if number > first
    )
    header = next(rows)[1]
    second = next(rows, None)
    label = f":{name}" if name else ""
    extra: dict[str, Scalar] = {"sheet": name} if name else {}
    if second is None or not is_header(header):
        lines = [header, *([second[1]] if second else []), *(row for _, row in rows)]
        text = "\n".join("\t".join(_written(cell) for cell in line).rstrip() for line in lines)
        yield Document(id=f"{source.name}{label}", text=text.strip(), title=name, source=source.name, fields=extra)
        return
    for number, row in chain([second], rows):
        record = {key: cell for key, cell in zip(map(str, header), row, strict=False) if key}
        if any(cell is not None for cell in record.values()):
            made = _record(record, label, source, context, number)
            if made is not None:
                yield replace(made, fields={**made.fields, **extra})


def is_header(row: Sequence[object]) -> bool:
    """Whether a row is names of columns: texts, no two alike, at least two.

    >>> is_header(["name", "count", None]), is_header(["name", 3]), is_header(["Report of 2021"])
    (True, False, False)
    """
    names = [cell for cell in row if cell is not None]
    return len(names) > 1 and all(isinstance(cell, str) for cell in names) and len(set(names)) == len(names)


def _record(record: Mapping[str, object], label: str, source: Source, context: Context, number: int) -> Document | None:
    columns = find_columns(context.fields, tuple(record))
    if columns.text is None and context.fields.text == TEXT:
        text = "\n".join(f"{name}: {_written(cell)}" for name, cell in record.items() if cell is not None)
        made: Document | None = _row_as_text(record, text, columns, source, number)
    else:
        made = context.document(record, source, number, unit="row")
    if made is not None and columns.id is None:
        return replace(made, id=f"{source.name}{label}:{number}")
    return made


def _row_as_text(record: Mapping[str, object], text: str, columns: Any, source: Source, number: int) -> Document:
    identity = _written(record[columns.id]) if columns.id else ""
    title = _written(record[columns.title]) if columns.title else ""
    fields = {name: scalar(cell) for name, cell in record.items() if name not in columns}
    return Document(identity or f"{source.name}:{number}", text, title, source.name, number, fields)


def _value(cell: object) -> object:
    """A cell as a record has it: None for an empty one, whole numbers as integers, which a sheet does not know."""
    if cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    return str(cell) if isinstance(cell, timedelta) else clean_value(cell)


def _written(cell: object) -> str:
    value = scalar(cell)
    return "" if value is None else str(value)
