"""A classification dictionary: a table of codes, names and definitions, and the hierarchy above each of them.

The hierarchy is either a column that names each entry's parent, or columns that name its classes, the outermost first
(``level_1``, ``1st_lev_superclass``, ...). Columns are found by their usual names, or named by the user.

Our choices: spaces around a cell are dropped and runs of them become one, and nothing else of a cell is changed, so codes
match exactly or not at all; a parent that has no row of its own is a class without a definition; where a file has both
forms of hierarchy the parent column counts.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from vecloom.errors import DataError, UsageError

USUAL = {
    "code": ("code", "notation", "entity_name", "class_code", "entity_id", "identifier", "id"),
    "title": ("title", "natural_name", "preflabel", "label", "name", "heading"),
    "description": ("description", "definition", "scope_note", "text"),
    "parent": ("parent", "parent_code", "parent_id", "broader"),
    "tags": ("tags", "tag"),
}
_LEVEL = re.compile(r"(?:level|class)[ _-]?(\d+)|(\d+)(?:st|nd|rd|th)?[ _-]?lev(?:el)?(?:[ _-]\w+)?", re.IGNORECASE)
_BETWEEN_TAGS = re.compile(r"[,;|]")

Path_: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaxonomyColumns:
    """Which columns hold what; None is looked for under the usual names (``USUAL``), and levels by their numbers."""

    code: str | None = None
    title: str | None = None
    description: str | None = None
    parent: str | None = None
    tags: str | None = None
    levels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row.

    Attributes:
        code: unique within the file.
        title: its name.
        description: its definition, or "".
        path: the classes above it, the outermost first: codes of its ancestors, or names from the level columns. An
            empty name is a level that the entry does not have.
        tags: further groups that it is in.
        cells: all columns.
    """

    code: str
    title: str
    description: str = ""
    path: Path_ = ()
    tags: tuple[str, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dictionary:
    """A file of entries.

    Attributes:
        source: the file's name.
        entries: in the order of the file.
        by_parent: whether a parent column made the paths, so that they hold codes.
        names: the file's columns.
    """

    source: str
    entries: tuple[Entry, ...]
    by_parent: bool = False
    names: tuple[str, ...] = ()

    @cached_property
    def by_code(self) -> dict[str, Entry]:
        """Entries by code."""
        return {entry.code: entry for entry in self.entries}

    @cached_property
    def leaves(self) -> tuple[Entry, ...]:
        """Entries that are no other entry's ancestor; all of them where level columns made the paths."""
        inner = {code for entry in self.entries for code in entry.path} if self.by_parent else set()
        return tuple(entry for entry in self.entries if entry.code not in inner)

    def label(self, name: str) -> str:
        """The title of a class in a path: a class that has a row is called by its title."""
        return self.by_code[name].title if self.by_parent and name in self.by_code else name


def read_dictionary(path: str | PathLike[str], columns: TaxonomyColumns | None = None) -> Dictionary:
    """Read a CSV (by commas, or by semicolons where the header has no comma) or TSV file.

    Args:
        path: UTF-8, the first line names the columns.
        columns: which column holds what.

    Raises:
        UsageError: there is no such file, or a column that ``columns`` names is not in it.
        DataError: no column holds codes or titles; a row has too many cells, no code or no title, or a code that came before;
            an entry is its own ancestor; or the file is not UTF-8 or not CSV.
    """
    file = Path(path)
    names, rows = _rows(file)
    found = find_columns(names, columns or TaxonomyColumns(), file.name)
    paths = _paths_by_parent(rows, found, file) if found.parent else _paths_by_level(rows, found)
    entries = tuple(_entry(cells, found, above) for (_, cells), above in zip(rows, paths, strict=True))
    _check(rows, entries, file)
    return Dictionary(file.name, entries, by_parent=found.parent is not None, names=names)


def find_columns(names: Sequence[str], given: TaxonomyColumns, source: str) -> TaxonomyColumns:
    """Fill the columns that the user did not name.

    Raises:
        UsageError: a named column is not among ``names``.
        DataError: two columns have the same name; or none holds codes, or none holds titles.
    """
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if doubled:
        raise DataError(f"{source} has two columns {doubled[0]!r}.", "Rename one of them.")
    stated = {role.name: getattr(given, role.name) for role in fields(TaxonomyColumns)}
    wanted = [name for name in [*(stated[role] for role in USUAL), *(given.levels or ())] if name is not None]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise UsageError(f"{source} has no column {unknown[0]!r}.", f"Its columns: {', '.join(names)}.")
    for role, usual in USUAL.items():
        stated[role] = stated[role] or _usual(names, usual, {name for name in stated.values() if isinstance(name, str)})
        if role in ("code", "title") and stated[role] is None:
            what = f"{source} has no column for the {role}; columns found: {', '.join(names) or 'none'}."
            raise DataError(what, f"Name the column that holds the {role}.")
    return replace(given, **{**stated, "levels": given.levels or _levels(names)})


def _usual(names: Sequence[str], usual: Sequence[str], taken: set[str]) -> str | None:
    folded = {name.casefold(): name for name in names if name not in taken}
    return next((folded[name] for name in usual if name in folded), None)


def _levels(names: Sequence[str]) -> tuple[str, ...]:
    matched = {name: _LEVEL.fullmatch(name) for name in names}
    numbered = {name: int(match.group(1) or match.group(2)) for name, match in matched.items() if match}
    return tuple(sorted(numbered, key=lambda name: numbered[name]))


def _rows(file: Path) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    """The column names, and (line on which it ends, cells by column) of each row."""
    text = _text(file)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(file, text), strict=True)
    try:
        names = tuple(name.strip() for name in reader.fieldnames or ())
        rows = [(reader.line_num, _cells(row, reader.line_num, file)) for row in reader]
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: this is not CSV: {error}.", "Check the quotes.") from error
    if not rows:
        raise DataError(f"{file} has no rows.", "Give a CSV file of codes, titles and descriptions.")
    return names, rows


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"{file} does not exist.", "Give a CSV file of codes, titles and descriptions.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 (byte {error.start}).", "Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.", "Check the file.") from error


def _delimiter(file: Path, text: str) -> str:
    header = text.partition("\n")[0]
    if file.suffix.lower() == ".tsv" or ("\t" in header and "," not in header):
        return "\t"
    return ";" if ";" in header and "," not in header else ","


def _cells(row: Mapping[str | None, str | list[str] | None], line: int, file: Path) -> dict[str, str]:
    if None in row:
        raise DataError(f"{file}, line {line}: more cells than columns.", "Quote cells that hold the separator.")
    return {str(name).strip(): " ".join(cell.split()) if isinstance(cell, str) else "" for name, cell in row.items()}


def _entry(cells: Mapping[str, str], columns: TaxonomyColumns, path: Path_) -> Entry:
    def cell(name: str | None) -> str:
        return cells[name] if name else ""

    tags = tuple(tag for part in _BETWEEN_TAGS.split(cell(columns.tags)) if (tag := part.strip()))
    return Entry(cell(columns.code), cell(columns.title), cell(columns.description), path, tags, cells)


def _paths_by_level(rows: Sequence[tuple[int, Mapping[str, str]]], columns: TaxonomyColumns) -> list[Path_]:
    return [tuple(cells[name] for name in columns.levels or ()) for _, cells in rows]


def _paths_by_parent(
    rows: Sequence[tuple[int, Mapping[str, str]]], columns: TaxonomyColumns, file: Path
) -> list[Path_]:
    code, parent = str(columns.code), str(columns.parent)
    above = {cells[code]: cells[parent] for _, cells in rows}
    return [_climb(cells[code], above.get, f"{file}, line {line}") for line, cells in rows]


def _climb(code: str, parent: Callable[[str], str | None], place: str) -> Path_:
    path: list[str] = []
    seen = {code}
    above = parent(code)
    while above:
        if above in seen:
            raise DataError(f"{place}: {code!r} is its own ancestor.", "Leave the parent of the outermost entry empty.")
        seen.add(above)
        path.append(above)
        above = parent(above)
    return tuple(reversed(path))


def _check(rows: Sequence[tuple[int, object]], entries: Sequence[Entry], file: Path) -> None:
    counts = Counter(entry.code for entry in entries)
    for (line, _), entry in zip(rows, entries, strict=True):
        if not entry.code or not entry.title:
            what = f"{file}, line {line}: no {'title' if entry.code else 'code'}."
            raise DataError(what, "Give each row a code and a title, or take the row out.")
        if counts[entry.code] > 1:
            what = f"{file}, line {line}: the code {entry.code!r} stands in {counts[entry.code]} rows."
            raise DataError(what, "Give each row a code of its own, or name another column for the code.")
