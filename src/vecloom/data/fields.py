"""From a record's columns to a ``Document``: which column is the text, and what the others become.

The text, title and id columns are found by name: the names the user gave with ``--field``, else the usual ones in
order, first as written and then without regard to case. All other columns are kept as ``Document.fields``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from vecloom.data.records import Document, FieldValue
from vecloom.errors import UsageError

TEXT = ("text", "body", "content", "contents", "passage", "sentence", "document", "abstract", "description", "summary")
TITLE = ("title", "headline")
ID = ("id", "_id", "doc_id")
MANY_WORDS = 8  # what a column has to hold to look like a text
ROLES = ("text", "title", "id")

_INT64 = 2**63
# Lone halves of a UTF-16 pair: JSON can spell them ("\\ud800"), UTF-8 and with it every tokenizer and store cannot.
_SURROGATES = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})", re.ASCII)
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)\.\d+", re.ASCII)
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

VECTOR_WIDTH = 16
"""Numbers from which on a list is a vector."""
_WRITTEN = re.compile(r"\[\s*[-+]?[\d.][-+.\deE,\s]*\]", re.ASCII)


@dataclass(frozen=True)
class FieldMap:
    """Names under which a record's text, title and id are looked for, the first that is there wins.

    >>> FieldMap.parse(["text=body", "title=headline"]).text
    ('body',)
    """

    text: tuple[str, ...] = TEXT
    title: tuple[str, ...] = TITLE
    id: tuple[str, ...] = ID

    @classmethod
    def parse(cls, options: Sequence[str]) -> FieldMap:
        """Read ``--field`` options such as ``text=body``.

        Args:
            options: ``role=name`` strings; a role that comes twice gets both names, in that order.

        Raises:
            UsageError: an option has no "=", an empty name or a role other than text, title and id.
        """
        given: dict[str, tuple[str, ...]] = {}
        for option in options:
            role, equals, name = option.partition("=")
            role, name = role.strip(), name.strip()
            if not equals or not name:
                raise UsageError(f"--field {option!r} does not say which column.", "Write it as --field text=NAME.")
            if role not in ROLES:
                raise UsageError(f"--field {option!r} maps {role!r}.", f"Only {', '.join(ROLES)} can be mapped.")
            given[role] = (*given.get(role, ()), name)
        return replace(cls(), **given)


class Columns(NamedTuple):
    """The names of the columns that hold a record's parts; None where there is none."""

    text: str | None
    title: str | None
    id: str | None


@lru_cache(maxsize=4096)
def find_columns(fields: FieldMap, names: tuple[str, ...]) -> Columns:
    """Choose the text, title and id columns among ``names``."""
    folded = {name.casefold(): name for name in reversed(names)}

    def first(candidates: tuple[str, ...]) -> str | None:
        exact = next((name for name in candidates if name in names), None)
        return exact or next((folded[name.casefold()] for name in candidates if name.casefold() in folded), None)

    return Columns(first(fields.text), first(fields.title), first(fields.id))


def lacks_text(columns: Columns, fields: FieldMap) -> bool:
    """Whether a table with these columns has nothing to encode: a title is a text, but not in place of a column named."""
    return columns.text is None and (columns.title is None or fields.text != TEXT)


class BadRecordError(Exception):
    """Why a record cannot become a document; the caller adds file and line."""

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.what, self.todo = what, todo


def no_text(fields: FieldMap, names: Sequence[str]) -> BadRecordError:
    """Say that none of the columns ``names`` holds the text."""
    found = ", ".join(repr(name) for name in names) or "none"
    wanted = f"no field {' or '.join(fields.text)}" if fields.text != TEXT else "no text field"
    return BadRecordError(f"{wanted}; fields found: {found}.", "Name the one to use with --field text=NAME.")


def check_title_alone(record: Mapping[str, object], columns: Columns, fields: FieldMap) -> None:
    """Refuse to take a title for all there is where another column plainly holds a text.

    Raises:
        BadRecordError: it does: 8 words or more, and more than twice the title's.
    """
    most = max(MANY_WORDS - 1, 2 * len(str(record[str(columns.title)]).split()))
    if any(isinstance(value, str) and len(value.split()) > most for value in record.values()):
        raise no_text(fields, tuple(record))


def to_document(record: Mapping[str, object], fields: FieldMap, source: str, position: int) -> Document:
    """Make a document of one record.

    Args:
        record: column names and values as JSON, CSV or Arrow give them.
        fields: where to look for text, title and id.
        source: the file's name.
        position: line number or ordinal, 1-based.

    Raises:
        BadRecordError: there is neither a text nor a title column, or a value of theirs is a list or an object.
    """
    names = tuple(record)
    columns = find_columns(fields, names)
    if columns.text is None and columns.title is None:
        raise no_text(fields, names)
    text = _plain(record, columns.text) if columns.text else ""
    identity = _plain(record, columns.id) if columns.id else ""
    return Document(
        id=identity or f"{source}:{position}",
        text=text,
        title=_plain(record, columns.title) if columns.title else "",
        source=source,
        position=position,
        fields=_others(record, columns),
    )


def _others(record: Mapping[str, object], columns: Columns) -> dict[str, FieldValue]:
    try:
        return {name: scalar(value) for name, value in record.items() if name not in columns}
    except RecursionError:
        raise BadRecordError("a field is nested too deeply.", "Make it flatter.") from None


def _plain(record: Mapping[str, object], name: str) -> str:
    value = record[name]
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):  # NaN stands for a value that is missing
        return ""
    if isinstance(value, (list, dict, bytes)):
        raise BadRecordError(f"field {name!r} is {_kind(value)}, not a text.", "Name a text field with --field.")
    return str(value)


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "binary"


def scalar(value: object) -> FieldValue:
    """Turn any value into one that can be stored and filtered.

    Lists of strings stay lists, other lists and objects become JSON text, dates and times ISO 8601, decimals floats, integers
    beyond 64 bits text, NaN and infinities None, in lists and objects null (neither JSON nor a filter has them).
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    isoformat: Callable[[], str] | None = getattr(value, "isoformat", None)
    if isoformat is not None:
        return isoformat()
    if (plain := _from_numpy(value)) is not value:
        return scalar(plain)
    if isinstance(value, (list, tuple)) and all(isinstance(member, str) for member in value):
        return list(value)
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(_for_json(value), ensure_ascii=False, allow_nan=False)
    return _as_text(value)


def _from_numpy(value: Any) -> object:
    """The Python value of numpy's numbers, times and arrays; all else as it is."""
    unit = getattr(getattr(value, "dtype", None), "str", None)
    if unit is None or not hasattr(value, "tolist"):
        return value
    if unit.endswith("[ns]"):  # Python's types hold no nanoseconds
        value = value.astype(unit.replace("[ns]", "[us]"))
    plain: object = value.tolist()
    return plain


def _for_json(value: object) -> object:
    """The same value of what JSON has: no NaN or infinity, dates and bytes as text, decimals as floats."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (float, Decimal)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key(key): _for_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_for_json(item) for item in value]
    plain = _from_numpy(value)
    return _as_text(value) if plain is value else _for_json(plain)


def _key(key: object) -> str:
    written = _for_json(key)
    return written if isinstance(written, str) else json.dumps(written, ensure_ascii=False)


def _as_text(value: object) -> str:
    isoformat: Callable[[], str] | None = getattr(value, "isoformat", None)
    if isoformat is not None:
        return isoformat()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def number(cell: str) -> int | float | str:
    """Read a cell as a number if it prints back as it was written: "12" and "-3.5", but not "007", "1.10", "1e5" or "+1"."""
    if _INTEGER.fullmatch(cell) and cell != "-0":
        return int(cell)
    if _DECIMAL.fullmatch(cell) and str(value := float(cell)) == cell:
        return value
    return cell


def boolean(cell: str) -> bool | str:
    """Read "true" and "false", in small letters, capitals or with a capital first; all else stays text."""
    return _BOOLEANS.get(cell, cell)


def is_vector(value: object) -> bool:
    """Whether a field holds a vector and nothing that can be shown or asked for: 16 finite numbers or more.

    Text counts where it is written as a list, as tables of vectors are.
    """
    if isinstance(value, str):
        return value[:1] == "[" and len(value) > 2 * VECTOR_WIDTH and _is_written_vector(value)
    if not isinstance(value, (list, tuple)) or len(value) < VECTOR_WIDTH:
        return False
    return all(type(item) is float or type(item) is int for item in value) and all(map(math.isfinite, value))


def _is_written_vector(text: str) -> bool:
    return bool(_WRITTEN.fullmatch(text)) and len(text[1:-1].replace(",", " ").split()) >= VECTOR_WIDTH


def clean(text: str) -> str:
    """Take out NULs and put U+FFFD in place of lone surrogates; all else stays."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def clean_value(value: object) -> object:
    """``clean`` for every string, key or value, in a parsed JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_value(item) for item in value]
    if isinstance(value, dict):
        return {clean(key) if isinstance(key, str) else key: clean_value(item) for key, item in value.items()}
    return value
