"""JSON files: an array of objects, an object that holds one, or a single object.

An array is read piece by piece, so that memory is bounded by its largest item; an object is loaded whole.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import as_utf8, decode_file, read_whole, windows_1252
from vecloom.data.fields import clean_value, find_columns, lacks_text, no_text
from vecloom.data.formats.json_lines import kind, reason
from vecloom.data.records import Document

PIECE = 1024 * 1024
MAX_OBJECT_BYTES = 4 * ctx.MAX_BYTES
_SPACE = " \t\n\r"


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read the objects of a JSON file, numbered from 1.

    A single object without a text field is an error where the user named the file, and counted where it was found in
    a folder: settings of all kinds lie about as JSON.
    """
    with open_bytes(source, context) as opened:
        stream = as_utf8(opened, source, context)
        head = stream.peek(256)
        if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            for position, item in enumerate(_array(stream, source, context), 1):
                yield from _record(item, position, source, context)
        else:
            yield from _object(stream, source, context)


def _record(item: object, position: int, source: Source, context: Context) -> Iterator[Document]:
    if not isinstance(item, dict):
        context.bad_record(source, position, f"this is {kind(item)}, not an object.", unit="item")
        return
    document = context.document(clean_value(item), source, position, unit="item")  # type: ignore[arg-type]
    if document is not None:
        yield document


def _object(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    data = read_whole(stream, MAX_OBJECT_BYTES)
    if data is None:
        what = f"one JSON object of more than {MAX_OBJECT_BYTES:,} bytes is too large."
        context.bad_file(source, what, "Write one object per line (.jsonl), which has no limit.", always=True)
        return
    text = decode_file(data, source, context)
    if not text.strip():
        context.report.empty_files += 1
        return
    try:
        value = json.JSONDecoder(strict=False).decode(text)
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        context.bad_file(source, f"this is not JSON{line}: {reason(error)}.")
        return
    if not isinstance(value, dict):
        context.bad_file(source, f"this is {kind(value)}, not an object or an array of objects.")
        return
    yield from _choose(value, source, context)


def _choose(value: dict[str, object], source: Source, context: Context) -> Iterator[Document]:
    """Read the object itself where it has a text, else the longest array of objects in it."""
    columns = find_columns(context.fields, tuple(value))
    text = columns.text
    lists = [item for item in value.values() if isinstance(item, list) and item]
    arrays: list[list[object]] = [items for items in lists if isinstance(items[0], dict)]
    if arrays and (text is None or isinstance(value[text], list)):
        longest = max(arrays, key=len)
        for position, item in enumerate(longest, 1):
            yield from _record(item, position, source, context)
    elif lacks_text(columns, context.fields):
        error = no_text(context.fields, tuple(value))
        context.bad_file(source, error.what, error.todo)
    else:
        yield from _record(value, 1, source, context)


class _Pieces:
    """A window on the decoded text of a stream that can be lengthened at its end and dropped at its start."""

    def __init__(self, stream: io.BufferedReader, source: Source, context: Context) -> None:
        self._stream, self._source, self._context = stream, source, context
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._lines = 1
        self._ascii = True  # so far: once there was UTF-8, bytes that are none are damage
        self.text, self.place, self.ended = "", 0, False

    def more(self, size: int) -> None:
        """Read on, dropping what lies before ``place``."""
        data = self._stream.read(size)
        self.ended = not data
        self.text = self.text[self.place :] + self._decode(data)
        self.place = 0
        self._lines += data.count(b"\n")

    def _decode(self, data: bytes) -> str:
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            text = self._repaired(data, state, self._lines + error.object.count(b"\n", 0, error.start))
        self._ascii = self._ascii and text.isascii()
        return text

    def _repaired(self, data: bytes, state: tuple[bytes, int], line: int) -> str:
        """Decode what is not UTF-8; counted once a file: from here on the decoder does the same."""
        latin = self._ascii and windows_1252(state[0] + data) is not None
        self._context.report.decoded("windows-1252" if latin else "replaced", self._source.name, line)
        self._decoder = codecs.getincrementaldecoder("cp1252" if latin else "utf-8")("replace")
        if latin:
            return self._decoder.decode(state[0] + data, final=self.ended)
        self._decoder.setstate(state)
        return self._decoder.decode(data, final=self.ended)

    def next_char(self) -> str:
        """Pass over blanks and return the character that follows, without taking it; "" at the end."""
        while True:
            while self.place < len(self.text):
                if self.text[self.place] not in _SPACE + "\ufeff":
                    return self.text[self.place]
                self.place += 1
            if self.ended:
                return ""
            self.more(PIECE)


def _array(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[object]:
    """Yield the items of a JSON array as they are read; stops at the first place that is not JSON."""
    pieces = _Pieces(stream, source, context)
    pieces.next_char()
    pieces.place += 1
    count = 0
    if pieces.next_char() == "]":
        return
    while True:
        try:
            item = _item(pieces)
        except (ValueError, RecursionError) as error:
            context.bad_file(source, f"item {count + 1} of the array is not JSON: {_why(error)}.", always=True)
            return
        yield item
        count += 1
        mark = pieces.next_char()
        pieces.place += 1
        if mark == "]":
            return
        if mark != ",":
            what = f"the array breaks off after item {count}" if not mark else f"{mark!r} stands after item {count}"
            context.bad_file(source, f"{what}, where ',' or ']' has to be.", always=True)
            return


def _item(pieces: _Pieces) -> object:
    """Parse the value at ``pieces.place``, reading on (twice as much each time) while it is not complete."""
    decoder = json.JSONDecoder(strict=False)
    pieces.next_char()
    size = PIECE
    while True:
        try:
            item, end = decoder.raw_decode(pieces.text, pieces.place)
        except json.JSONDecodeError:
            if pieces.ended:
                raise
        else:
            if end < len(pieces.text) or pieces.ended:  # a number may go on in the next piece
                pieces.place = end
                return item
        if len(pieces.text) - pieces.place > ctx.MAX_BYTES:
            raise ValueError(f"it does not end within {ctx.MAX_BYTES:,} characters")
        pieces.more(size)
        size *= 2


def _why(error: Exception) -> str:
    # columns of a window into the file would mislead
    return error.msg.lower() if isinstance(error, json.JSONDecodeError) else reason(error)
