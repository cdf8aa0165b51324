"""What the fields of a BibTeX entry hold: strings joined by #, macros, and what an entry takes over from its parents.

Values are the LaTeX that stands in the file. They are decoded by whoever knows what a field means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Fields = dict[str, str]

MACROS = {name: name for name in ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]}
"""Months are macros that every style knows; the abbreviation will do."""
JOINED = {"author": " and ", "editor": " and ", "keywords": ", "}
"""Fields that some programs repeat, one value each; of others the first counts."""

_WORD = re.compile(r"[^\s#{}\",=]+")
_FIELD = re.compile(r"\s*([A-Za-z][\w:.+/-]*)\s*=\s*")
_COMMENT = re.compile(r"^\s*%.*$\n?", re.MULTILINE)

DATES = ("date", "year", "month", "day")
# What a volume says of all that is in it; its DOI, its abstract, its address and its key words are its own.
_SHARED = (*DATES, "publisher", "journal", "journaltitle", "booktitle", "archiveprefix")
_CONTAINERS = {"article": "journal", "periodical": "journal"}
_DEPTH = 8  # parents of parents; biblatex has no more than a few, and circles end here


def fields_of(entry: Any, macros: Mapping[str, str]) -> Fields:
    """The fields of an entry of bibtexparser by their names in lower case."""
    found: Fields = {}
    for field in entry.fields:
        for name, value in _values(_COMMENT.sub("", field.key), str(field.value), macros):
            if not found.get(name):
                found[name] = value
            elif name in JOINED and value and value not in found[name]:
                found[name] += JOINED[name] + value
    return found


def expanded(source: str, macros: Mapping[str, str]) -> str:
    """The text of an expression.

    >>> expanded('first # { and curd}', {"first": "Whey"}), expanded("2020", {})
    ('Whey and curd', '2020')
    """
    return next(_values("", source, macros), ("", ""))[1]


def _values(name: str, source: str, macros: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A field, and those that a missing comma made part of its value: "{A} year = 2020"."""
    place, text = 0, ""
    while True:
        term, place = _term(source, place, macros)
        text += term
        following = _skip(source, place)
        if source[following : following + 1] == "#":
            place = following + 1
            continue
        yield name.strip().lower(), text
        found = _FIELD.match(source, following)
        if not found:
            return
        name, place, text = found[1], found.end(), ""


def _term(source: str, place: int, macros: Mapping[str, str]) -> tuple[str, int]:
    """A string, a group, a number or a macro, and where it ends."""
    place = _skip(source, place)
    first = source[place : place + 1]
    if first == "{":
        end = _closing(source, place, "}")
        return source[place + 1 : end], end + 1
    if first == '"':
        end = _closing(source, place, '"')
        return source[place + 1 : end], end + 1
    word = _WORD.match(source, place)
    if not word:
        return "", len(source)
    return macros.get(word[0].lower(), word[0]), word.end()


def _closing(source: str, start: int, mark: str) -> int:
    depth, place = 0, start + 1
    while place < len(source):
        character = source[place]
        if character == "\\":
            place += 2
            continue
        if character == mark and depth == 0:
            return place
        depth += {"{": 1, "}": -1}.get(character, 0)
        place += 1
    return len(source)


def _skip(source: str, place: int) -> int:
    while place < len(source) and source[place].isspace():
        place += 1
    return place


def with_parents(kind: str, fields: Fields, library: Mapping[str, tuple[str, Fields]]) -> Fields:
    """An entry's fields, and what it lacks from its parents (``crossref``) and its data containers (``xdata``).

    Args:
        kind: the entry's type.
        fields: its own fields.
        library: type and fields of every entry by its key in lower case.
    """
    return _with_parents(kind, fields, library, _DEPTH)


def _with_parents(kind: str, fields: Fields, library: Mapping[str, tuple[str, Fields]], depth: int) -> Fields:
    found = dict(fields)
    if not depth:
        return found
    for name in _keys(fields.get("xdata", "")):
        if name in library:
            _fill(found, _with_parents(*library[name], library, depth - 1))
    for name in _keys(fields.get("crossref", "")):
        if name in library:
            parent = _with_parents(*library[name], library, depth - 1)
            _fill(found, _inherited(kind, fields, parent))
    return found


def _keys(source: str) -> list[str]:
    return [key.strip().lower() for key in source.split(",") if key.strip()]


def _fill(found: Fields, more: Mapping[str, str]) -> None:
    year = found.get("year")
    dated = bool(found.get("date")) or bool(year and year != more.get("year"))
    for name, value in more.items():
        # a parent's year says nothing where the entry has its own date
        if not found.get(name) and not (dated and name in DATES):
            found[name] = value


def _inherited(kind: str, fields: Fields, parent: Fields) -> Fields:
    """What a part takes over from its volume, whose title names the volume in which it stands."""
    given = {name: value for name, value in parent.items() if name in _SHARED}
    container = _CONTAINERS.get(kind, "booktitle")
    volume = parent.get(container) or parent.get("title", "")
    if not fields.get("title"):  # a chapter that a number alone names, in plain BibTeX
        given["title"] = parent.get("title", "")
    if not fields.get("author") and not fields.get("editor"):
        given["author"] = parent.get("author", "")
    if volume and volume not in (given.get("title"), fields.get("title")):
        given.setdefault(container, volume)
    return {name: value for name, value in given.items() if value}
