"""JSON values of a text: what the readers of JSON files and JSON lines have in common.

The last of several values under one key counts, and that there were several is told. Nesting is bounded, so that whatever is
done with a value ends. Faults are told in words, with what to do about the frequent ones.
"""

from __future__ import annotations

import json
import re

LAST_COMMA = "a comma stands before a closing bracket; take it out"
MAX_DEPTH = 200
"""Lists and objects inside one another."""

_NAMES = {list: "a list", str: "a string", int: "a number", float: "a number", bool: "true or false"}
_BLANKS = re.compile(r"\s*")
_TOKENS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.DOTALL)


class TooDeepError(ValueError):
    """A value is nested too deeply."""

    def __init__(self) -> None:
        super().__init__(f"it is nested more than {MAX_DEPTH} levels deep")


class Decoder:
    """Parses values; ``repeated`` tells whether an object of the last one has a key twice."""

    def __init__(self) -> None:
        self.repeated = False

        def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
            found = dict(pairs)
            if len(found) < len(pairs):
                self.repeated = True
            return found

        # strict=False lets tabs and other control characters stand in strings, as sloppy writers leave them
        self._decoder = json.JSONDecoder(strict=False, object_pairs_hook=members)

    def whole(self, text: str) -> object:
        """The one value that a text is.

        Raises:
            ValueError: it is not JSON, or nested too deeply.
        """
        value, end = self.first(text, blanks_end(text, 0))
        end = blanks_end(text, end)
        if end < len(text):
            raise json.JSONDecodeError("Extra data", text, end)
        return value

    def first(self, text: str, start: int) -> tuple[object, int]:
        """The value that starts there, and where it ends.

        Raises:
            ValueError: it is not JSON, or nested too deeply.
        """
        self.repeated = False
        try:
            value, end = self._decoder.raw_decode(text, start)
        except RecursionError:
            raise TooDeepError from None
        if text.count("[", start, end) + text.count("{", start, end) > MAX_DEPTH and _too_deep(value):
            raise TooDeepError
        return value, end


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        members = [
            member
            for holder in level
            for member in (holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ())
        ]
        level = [member for member in members if isinstance(member, (dict, list))]
        if not level:
            return False
    return True


def end_of(text: str, start: int) -> int | None:
    """Where a list or an object ends, by its brackets alone; None where it does not end in this text."""
    depth = 0
    for token in _TOKENS.finditer(text, start):
        sign = token.group()
        if sign == '"':
            return None
        if sign[0] != '"':
            depth += 1 if sign in "[{" else -1
        if depth <= 0:
            return token.end()
    return None


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return _NAMES.get(type(value), "null")


def reason(error: Exception, *, column: bool = True) -> str:
    """Why a text is not JSON, in words; without the column where the text is only part of a line."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error).rstrip(".")
    at = f" at column {error.colno}" if column else ""
    place = blanks_end(error.doc, error.pos)
    if error.doc.startswith(("//", "/*", "#"), place):
        return f"a comment stands{at}; JSON has none, so take out all comments"
    if _is_last_comma(error.doc, error.pos, place):
        return LAST_COMMA.replace(";", f"{at};")
    return f"{error.msg[:1].lower()}{error.msg[1:]}{at}"


def blanks_end(text: str, start: int) -> int:
    """Where the blanks that start there end."""
    match = _BLANKS.match(text, start)
    return match.end() if match else start


def _is_last_comma(text: str, start: int, place: int) -> bool:
    """Whether a comma and then a bracket stand there; Python versions put the fault at the one or the other."""
    if text.startswith(",", place):
        return text.startswith(("]", "}"), blanks_end(text, place + 1))
    while start > 0 and text[start - 1].isspace():
        start -= 1
    return text.startswith(("]", "}"), place) and text[start - 1 : start] == ","
