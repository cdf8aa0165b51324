"""JSON lines (.jsonl, .ndjson): one object a line; memory is bounded by the longest line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import numbered_lines
from vecloom.data.fields import clean_value
from vecloom.data.records import Document

_NAMES = {list: "a list", str: "a string", int: "a number", float: "a number", bool: "true or false"}


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one document a line; blank lines are passed over."""
    with open_bytes(source, context) as stream:
        yield from parse(numbered_lines(stream, source, context), source, context)


def parse(lines: Iterator[tuple[int, str]], source: Source, context: Context) -> Iterator[Document]:
    """Make documents of numbered lines.

    Raises:
        DataError: a line is no JSON object or has no text field, and not ``context.skip_bad``.
    """
    # strict=False lets tabs and other control characters stand in strings, as sloppy writers leave them
    decode = json.JSONDecoder(strict=False).decode
    for number, line in lines:
        if not line or line.isspace():
            continue
        try:
            value = decode(line)
        except (ValueError, RecursionError) as error:
            context.bad_record(source, number, f"this is not JSON: {reason(error)}.")
            continue
        if not isinstance(value, dict):
            context.bad_record(source, number, f"this is {kind(value)}, not an object.")
            continue
        # only a \\u escape can bring a NUL or a lone surrogate past the decoder of the line
        record = clean_value(value) if "\\u" in line else value
        document = context.document(record, source, number)  # type: ignore[arg-type]
        if document is not None:
            yield document


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return _NAMES.get(type(value), "null")


def reason(error: Exception) -> str:
    """Why a text is not JSON, in words."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:]} at column {error.colno}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).rstrip(".")
