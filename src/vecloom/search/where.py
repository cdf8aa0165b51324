"""The ``where`` filter: SQL in the user's field names, checked and put into the table's column names.

``year > 2020 AND lang = 'en'`` and whatever else DataFusion's expressions offer: ``IN``, ``BETWEEN``, ``LIKE``,
``IS NULL``, arithmetic, functions such as ``lower(x)``. Text stands in single quotes. A field is named bare where it
is one word (``a.b`` counts as one word where there is such a field), otherwise in double quotes or backticks:
``"Publication Year" >= 1990``. Names are case-sensitive; keywords are not. ``fields.NAME`` always means the record's
field, also where an own column of the index (``id``, ``text``, ``position`` ...) has the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vecloom.errors import FilterError

_OPERATORS = "and or not in is null like ilike between true false case when then else end as cast"
_TYPES_AND_WORDS = """
    try_cast escape regexp rlike similar to date timestamp interval decimal boolean bool int integer bigint smallint
    tinyint float double real string varchar char unsigned binary"""
OPERATORS = frozenset(_OPERATORS.split())
KEYWORDS = OPERATORS | frozenset(_TYPES_AND_WORDS.split())
_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')
      | "(?P<double>(?:[^"]|"")*)"
      | `(?P<tick>[^`]*)`
      | (?P<word>[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)*)
      | (?P<number>\d[\w.]*)
      | (?P<open>['"`])
      | (?P<end>;)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def nameable(own: Sequence[str], fields: Mapping[str, str]) -> dict[str, str]:
    """Name -> column of everything that a filter can name.

    Args:
        own: the index's own columns; they win over fields of the same name.
        fields: field -> column.
    """
    aliases = {f"fields.{name}": column for name, column in fields.items()}
    return {**aliases, **fields, **{name: name for name in own}}


def translate(where: str, columns: Mapping[str, str]) -> str:
    """Put a filter into column names.

    Args:
        where: the filter as the user wrote it.
        columns: name -> column of everything that can be named.

    Raises:
        FilterError: it is empty, a quote is not closed, or a name is not there.
    """
    if not where.strip():
        raise FilterError("The filter is empty.", f"Leave it out, or write a condition on {_names(columns)}.")
    out = []
    for match in _TOKEN.finditer(where):
        kind, token = str(match.lastgroup), match[0]
        if kind in ("open", "end"):
            raise FilterError(f"The filter {where!r} has {_TROUBLE[kind]} at character {match.start() + 1}.", _HOWTO)
        out.append(_column(token, kind, match, where, columns) if kind in ("double", "tick", "word") else token)
    return "".join(out)


_TROUBLE = {"open": "a quote that is not closed", "end": "a semicolon"}
_HOWTO = "Write it as in: year > 2020 AND lang = 'en'"


def _column(token: str, kind: str, match: re.Match[str], where: str, columns: Mapping[str, str]) -> str:
    name = match[kind].replace('""', '"') if kind == "double" else match[kind]
    if kind == "word" and _is_syntax(name.lower(), where[match.end() :].lstrip()[:1], name in columns):
        return token
    if name in columns:
        return f"`{columns[name]}`"
    todo = f"The fields are {_names(columns)}."
    if kind == "double":
        todo = f"If {name!r} is text, put it in single quotes. {todo}"
    raise FilterError(f"The filter {where!r} names {name!r}, which is not a field of this index.", todo)


def _is_syntax(word: str, following: str, is_field: bool) -> bool:
    """Whether a bare word is SQL: an operator, a call such as year(x), a typed literal such as date '2020-01-01'."""
    if word in OPERATORS or following == "(":
        return True
    return word in KEYWORDS and (following == "'" or not is_field)


def _names(columns: Mapping[str, str]) -> str:
    hidden = {f"fields.{name}" for name, column in columns.items() if columns.get(f"fields.{name}") == column}
    return ", ".join(sorted(set(columns) - hidden, key=str.lower))


def refused(where: str, reason: str, columns: Mapping[str, str]) -> FilterError:
    """The error for a filter that the engine refused; the engine's reason is cut to what a user can use."""
    reason = re.sub(r",? ?/[\w/.\-]+\.rs:\d+:\d+", "", reason)
    reason = re.sub(r"^(Invalid user input: |Error parsing statement: |Error parsing function: )+", "", reason)
    reason = " ".join(reason.split()).rstrip(".")
    todo = f"{_HOWTO}; the fields are {_names(columns)}."
    return FilterError(f"The filter {where!r} cannot be used: {reason}.", todo)
