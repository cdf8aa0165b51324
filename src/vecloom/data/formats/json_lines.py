"""JSON lines (.jsonl, .ndjson): one object a line; memory is bounded by the longest line."""

from __future__ import annotations

from collections.abc import Iterator

from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import numbered_lines
from vecloom.data.fields import clean_value
from vecloom.data.formats.json_text import Decoder, TooDeepError, kind, reason
from vecloom.data.records import Document


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one document a line; blank lines are passed over."""
    with open_bytes(source, context) as stream:
        yield from parse(numbered_lines(stream, source, context), source, context)


def parse(lines: Iterator[tuple[int, str]], source: Source, context: Context) -> Iterator[Document]:
    """Make documents of numbered lines.

    Raises:
        DataError: a line is not a JSON object or has no text field, and not ``context.skip_bad``.
    """
    decoder = Decoder()
    for number, line in lines:
        if not line or line.isspace():
            continue
        try:
            value = decoder.whole(line)
        except ValueError as error:
            what = "this cannot be read" if isinstance(error, TooDeepError) else "this is not JSON"
            context.bad_record(source, number, f"{what}: {reason(error)}.")
            continue
        if not isinstance(value, dict):
            context.bad_record(source, number, f"this is {kind(value)}, not an object.")
            continue
        if decoder.repeated:
            context.report.repeat_keys(source.name, number)
        # only a \\u escape can bring a NUL or a lone surrogate past the decoder of the line
        record = clean_value(value) if "\\u" in line else value
        document = context.document(record, source, number)  # type: ignore[arg-type]
        if document is not None:
            yield document
