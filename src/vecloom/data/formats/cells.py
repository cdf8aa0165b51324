r"""Lines to rows of cells, for CSV and TSV: dialects, and quotes that are never closed.

CSV is read by RFC 4180, strictly. A row that cannot be read ends with its first line: the lines that an unclosed quote has
taken are read again as rows of their own, so that one stray quote costs one record.

TSV has no quoting (IANA text/tab-separated-values). But spreadsheets write it with quotes: a cell that is quoted as a whole
is unquoted, and a line with too few or too many cells is read with quotes where that gives as many cells as the header has.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source
from vecloom.errors import first_line
from vecloom.wording import counted

DELIMITERS = (",", ";", "\t")
QUOTED_LINES = 1000  # of TSV that one quoted cell may span

_CHECK_QUOTES = "Check the quotes from this line on"
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')

Line: TypeAlias = tuple[int, str]
Row: TypeAlias = tuple[int, list[str]]
Usable: TypeAlias = Callable[[Sequence[str]], bool]


class _Lines:
    """Lines for ``csv.reader``, which can be given back once it is clear that a row does not go on so far."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []
        self.most = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.most and len(self.taken) >= self.most:
            raise StopIteration
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return f"{line[1]}\n"

    def give_back(self) -> None:
        """Give back all taken lines but the first."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def csv_rows(lines: Iterator[Line], source: Source, context: Context, usable: Usable) -> Iterator[Row]:
    """Yield (line on which it starts, cells), the header first; blank lines are passed over.

    Args:
        lines: numbered.
        source: names the file of a bad row.
        context: counts bad rows, or stops.
        usable: whether a header of these names will do, where the delimiter is not clear.
    """
    lines = _old_mac(lines)
    first = next(lines, None)
    if first is None:
        return
    named = _SEP.fullmatch(first[1].strip())
    numbered = _Lines(lines)
    if not named:
        numbered.taken = [first, first]
        numbered.give_back()
    # an unclosed quote must not gather the rest of a large file in memory
    csv.field_size_limit(ctx.MAX_BYTES)
    # strict, because otherwise a quote that never ends makes the rest of the file one cell without a word
    delimiter = named[1] if named else delimiter_of(first[1], usable)
    reader = csv.reader(numbered, delimiter=delimiter, strict=True)
    width = 0
    todo = f"{_CHECK_QUOTES}, or leave such rows out {context.lenient}." if context.lenient else f"{_CHECK_QUOTES}."
    while True:
        numbered.taken.clear()
        try:
            cells = next(reader)
            bad = _swallowed(numbered.taken, cells, width, delimiter)
        except StopIteration:
            return
        except csv.Error as error:
            cells, bad = [], f"this is not CSV: {first_line(error)}."
        if bad:
            number = numbered.taken[0][0]
            numbered.give_back()
            if not width:
                context.bad_file(source, f"its header, line {number}: {bad}", todo, always=True)
                return
            context.bad_record(source, number, bad, todo)
        elif cells:
            width = width or len(cells)
            yield numbered.taken[0][0], cells


def _old_mac(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines; where a carriage return alone ends them, as in a spreadsheet's "CSV (Macintosh)", they are parted there."""
    first = next(lines, None)
    if first is None:
        return
    everything = chain([first], lines)
    if "\r" in _QUOTED.sub("", first[1]):
        yield from enumerate((part for _, line in everything for part in line.split("\r")), start=1)
    else:
        yield from everything


def _swallowed(taken: list[Line], cells: list[str], width: int, delimiter: str) -> str:
    """Say what is wrong where a quote seems to have taken rows that follow; "" where all is well."""
    if len(taken) < 2 or not width or len(cells) == width:
        return ""
    if len(cells) < width and taken[0][1].count(delimiter) != width - 1:
        return ""
    return (
        f"{counted(len(cells), 'cell')} under {width} column names, up to line {taken[-1][0]}; a quote may be missing."
    )


def delimiter_of(header: str, usable: Usable) -> str:
    """The delimiter of a CSV by its header line: the commonest outside quotes under which the header is usable."""
    bare = _QUOTED.sub("", header)
    found = sorted((sign for sign in DELIMITERS if sign in bare), key=bare.count, reverse=True)
    for sign in found:
        if usable(_literal(header, sign)):
            return sign
    return found[0] if found else ","


def _literal(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(delimiter)]


def tsv_rows(lines: Iterator[Line]) -> Iterator[Row]:
    """Yield (line on which it starts, cells), the header first; blank lines are passed over."""
    numbered = _Lines(lines)
    width = 0
    while True:
        numbered.taken.clear()
        line = next(numbered, None)
        if line is None:
            return
        line = line.removesuffix("\n")
        cells = line.split("\t")
        if len(cells) != width and width and '"' in line:
            quoted = _with_quotes(line, numbered)
            if len(quoted) == width:
                yield numbered.taken[0][0], quoted
                continue
            numbered.give_back()
        if line:
            width = width or len(cells)
            yield numbered.taken[0][0], [_unquoted(cell) for cell in cells]


def _with_quotes(line: str, numbered: _Lines) -> list[str]:
    """The cells of a row that starts with this line, read with quotes; none where that cannot be."""

    def all_lines() -> Iterator[str]:
        yield f"{line}\n"
        yield from numbered

    csv.field_size_limit(ctx.MAX_BYTES)
    numbered.most = QUOTED_LINES
    try:
        return next(csv.reader(all_lines(), delimiter="\t", strict=True), [])
    except csv.Error:
        return []
    finally:
        numbered.most = 0


def _unquoted(cell: str) -> str:
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        inner = cell[1:-1].replace('""', "\0")  # no NUL can be in a line: it marks the doubled quotes
        if '"' not in inner:
            return inner.replace("\0", '"')
    return cell
