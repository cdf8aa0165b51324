"""JSON files: an array of objects, an object that holds one, a single object, or objects that follow one another.

An array is read piece by piece, so that memory is bounded by its largest item; objects are loaded whole.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from itertools import chain

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import as_utf8, decode_file, read_whole, windows_1252
from vecloom.data.fields import TEXT, Columns, clean_value, find_columns, lacks_text, no_text
from vecloom.data.formats.json_text import LAST_COMMA, Decoder, TooDeepError, blanks_end, end_of, kind, reason
from vecloom.data.records import Document
from vecloom.wording import counted

PIECE = 1024 * 1024
MAX_OBJECT_BYTES = 4 * ctx.MAX_BYTES
_SPACE = " \t\n\r"
_OF_COLLECTIONS = ("description", "summary")  # texts that an object of records may have of its own


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read the objects of a JSON file, numbered from 1.

    A single object without a text field is an error where the user named the file, and counted where it was found in
    a folder: settings of all kinds lie about as JSON.
    """
    with open_bytes(source, context) as opened:
        stream = as_utf8(opened, source, context)
        head = stream.peek(256)
        if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            yield from _array(stream, source, context)
        else:
            yield from _objects(stream, source, context)


def _record(item: object, position: int, source: Source, context: Context, line: int = 0) -> Iterator[Document]:
    unit = f"line {line}, item" if line else "item"
    if not isinstance(item, dict):
        context.bad_record(source, position, f"this is {kind(item)}, not an object.", unit=unit)
        return
    document = context.document(clean_value(item), source, position, unit=unit)  # type: ignore[arg-type]
    if document is not None:
        yield document


def _objects(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Read an object, or several that follow one another."""
    data = read_whole(stream, MAX_OBJECT_BYTES)
    if data is None:
        what = f"JSON objects of more than {MAX_OBJECT_BYTES:,} bytes in one file are too large."
        context.bad_file(source, what, "Write one object per line (.jsonl), which has no limit.", always=True)
        return
    text = decode_file(data, source, context)
    if not text.strip():
        context.report.empty_files += 1
        return
    values = _values(text, source, context)
    first = next(values, None)
    if first is None:
        return
    second = next(values, None)
    if second is not None:
        for position, (line, value) in enumerate(chain([first, second], values), 1):
            yield from _record(value, position, source, context, line)
    elif isinstance(first[1], dict):
        yield from _choose(first[1], source, context)
    else:
        context.bad_file(source, f"this is {kind(first[1])}, not an object or an array of objects.")


def _values(text: str, source: Source, context: Context) -> Iterator[tuple[int, object]]:
    """Yield (line, value) for the values of a text; stops at the first place that is not JSON."""
    decoder = Decoder()
    place, line, count = blanks_end(text, 0), 1, 0
    counted_to = 0
    while place < len(text):
        line += text.count("\n", counted_to, place)
        counted_to = place
        try:
            value, place = decoder.first(text, place)
        except TooDeepError as error:
            count += 1
            context.bad_record(source, count, f"this cannot be read: {error}.", unit=f"line {line}, item")
            place = blanks_end(text, end_of(text, place) or len(text))
            continue
        except ValueError as error:
            at = error.lineno if isinstance(error, json.JSONDecodeError) else line
            context.bad_file(source, f"this is not JSON, line {at}: {reason(error)}.", always=count > 0)
            return
        count += 1
        if decoder.repeated:
            context.report.repeat_keys(source.name, line)
        yield line, value
        place = blanks_end(text, place)


def _choose(value: dict[str, object], source: Source, context: Context) -> Iterator[Document]:
    """Read the object itself where it has a text, else the array of objects in it, one level deeper as well."""
    columns = find_columns(context.fields, tuple(value))
    arrays = _arrays(value)
    readable = [items for items in arrays if not _lacks_text(items[0], context)]
    if _is_wrapper(value, columns, context, has_records=bool(readable)):
        if readable:
            longest = max(readable, key=len)
            if more := len(readable) - 1:
                arrays_left = counted(more, "other array") + " of records left out"
                context.report.note(f"{source.name}: only its longest array is read; {arrays_left}.")
            for position, item in enumerate(longest, 1):
                yield from _record(item, position, source, context)
            return
        if not arrays and columns.title is None and _is_empty(value):
            context.report.empty_files += 1
            return
        names = tuple(max(arrays, key=len)[0]) if arrays else tuple(value)
        error = no_text(context.fields, names)
        context.bad_file(source, error.what, error.todo)
    elif lacks_text(columns, context.fields):
        error = no_text(context.fields, tuple(value))
        context.bad_file(source, error.what, error.todo)
    else:
        yield from _record(value, 1, source, context)


def _is_wrapper(value: dict[str, object], columns: Columns, context: Context, *, has_records: bool) -> bool:
    """Whether an object is what records come in, and not a record: what would be its text is none, or tells of them all."""
    if columns.text is None:
        return has_records or lacks_text(columns, context.fields)
    if isinstance(value[columns.text], (list, dict)):
        return True
    return has_records and context.fields.text == TEXT and columns.text.casefold() in _OF_COLLECTIONS


def _arrays(value: dict[str, object]) -> list[list[dict[str, object]]]:
    """The arrays of objects in an object; where it has none, those in its objects."""
    found = [items for items in value.values() if isinstance(items, list) and items and isinstance(items[0], dict)]
    if found:
        return found
    deeper = [inner.values() for inner in value.values() if isinstance(inner, dict)]
    members = chain.from_iterable(deeper)
    return [items for items in members if isinstance(items, list) and items and isinstance(items[0], dict)]


def _is_empty(value: dict[str, object]) -> bool:
    """Whether an object holds one empty list, itself or one level deeper, and nothing else but scalars."""
    holders = [item for item in value.values() if isinstance(item, (list, dict))]
    if len(holders) == 1 and isinstance(holders[0], dict):
        holders = [item for item in holders[0].values() if isinstance(item, (list, dict))]
    return holders == [[]]


def _lacks_text(item: dict[str, object], context: Context) -> bool:
    return lacks_text(find_columns(context.fields, tuple(item)), context.fields)


class _Pieces:
    """A window on the decoded text of a stream that can be lengthened at its end and dropped at its start."""

    def __init__(self, stream: io.BufferedReader, source: Source, context: Context) -> None:
        self._stream, self._source, self._context = stream, source, context
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._lines = self._first_line = 1
        self._counted = 0  # up to there the window's lines are in _first_line
        self._ascii = True  # so far: once there was UTF-8, bytes that are none are damage
        self.text, self.place, self.ended = "", 0, False

    def more(self, size: int) -> None:
        """Read on, dropping what lies before ``place``."""
        self._first_line = self.line()
        data = self._stream.read(size)
        self.ended = not data
        self.text = self.text[self.place :] + self._decode(data)
        self.place = self._counted = 0
        self._lines += data.count(b"\n")

    def more_of_item(self, size: int) -> None:
        """Read on within an item.

        Raises:
            ValueError: it is too long.
        """
        if len(self.text) - self.place > ctx.MAX_BYTES:
            raise ValueError(f"it does not end within {ctx.MAX_BYTES:,} characters")
        self.more(size)

    def line(self, place: int | None = None) -> int:
        """The line of a place that is not before ``place``."""
        place = self.place if place is None else place
        found = self._first_line + self.text.count("\n", self._counted, place)
        if place == self.place:
            self._first_line, self._counted = found, place
        return found

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


def _array(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Read the items of a JSON array one by one; stops at the first place that is not JSON."""
    pieces = _Pieces(stream, source, context)
    pieces.next_char()
    pieces.place += 1
    decoder = Decoder()
    count = 0
    if pieces.next_char() == "]":
        context.report.empty_files += 1
        return
    while True:
        count += 1
        pieces.next_char()  # its line is that of its first character
        line = pieces.line()
        try:
            item = _item(pieces, decoder)
        except TooDeepError as error:
            context.bad_record(source, count, f"this cannot be read: {error}.", unit=f"line {line}, item")
            if not _skip(pieces):
                return
        except ValueError as error:
            at = pieces.line(error.pos) if isinstance(error, json.JSONDecodeError) else line
            what = f"line {at}: item {count} of the array is not JSON: {reason(error, column=False)}."
            context.bad_file(source, what, always=True)
            return
        else:
            if decoder.repeated:
                context.report.repeat_keys(source.name, line)
            yield from _record(item, count, source, context, line)
        mark = pieces.next_char()
        if mark == "]":
            return
        if mark != ",":
            what = f"the array breaks off after item {count}" if not mark else f"{mark!r} stands after item {count}"
            comment = " (JSON has no comments: take them out)" if mark in ("/", "#") else ""
            what = f"line {pieces.line()}: {what}{comment}, where ',' or ']' has to be."
            context.bad_file(source, what, always=True)
            return
        pieces.place += 1


def _item(pieces: _Pieces, decoder: Decoder) -> object:
    """Parse the value at ``pieces.place``, reading on (twice as much each time) while it is not complete."""
    if pieces.next_char() == "]":
        raise ValueError(LAST_COMMA)
    size = PIECE
    while True:
        try:
            item, end = decoder.first(pieces.text, pieces.place)
        except json.JSONDecodeError as error:
            if pieces.ended or _is_final(error):
                raise
        else:
            if end < len(pieces.text) or pieces.ended:  # a number may go on in the next piece
                pieces.place = end
                return item
        pieces.more_of_item(size)
        size *= 2


def _is_final(error: json.JSONDecodeError) -> bool:
    """Whether a fault stands so far before the end of the text that no more of it would mend it."""
    return error.pos + 64 < len(error.doc) and not error.msg.startswith("Unterminated string")


def _skip(pieces: _Pieces) -> bool:
    """Pass over a list or an object that cannot be parsed; false where it does not end."""
    size = PIECE
    while (end := end_of(pieces.text, pieces.place)) is None:
        if pieces.ended:
            return False
        pieces.more_of_item(size)
        size *= 2
    pieces.place = end
    return True
