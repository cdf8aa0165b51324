"""Rows and buffers: documents become rows, rows are gathered into buffers whose borders depend on the input alone.

A buffer is what is encoded at once and what one part on disk holds. Its digest says, when a job goes on, that the input
still is what it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import queue
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeVar

from vecloom.data.records import Document, FieldValue

T = TypeVar("T")
_WORDED_LINE = re.compile(r"^[\W_]*(\w.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Limits:
    """When a buffer is full: whichever of the two is reached first.

    Attributes:
        texts: number of texts. 16,384 vectors of 384 dimensions are 24 MiB, and the longest and the shortest text
            among so many find neighbours of their own length.
        characters: their length in all. One longer text is a buffer of its own.
    """

    texts: int = 16_384
    characters: int = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """One document as it is encoded and written.

    Attributes:
        id: the document's id.
        source: where it was read.
        position: its line or ordinal there.
        text: what is encoded: title, space, text; the one alone where the other is empty or the first line is the title.
        fields: the record's other fields as JSON text, "" where they are not kept.
    """

    id: str
    source: str
    position: int
    text: str
    fields: str = ""

    def record(self, *, with_text: bool, with_fields: bool) -> dict[str, Any]:
        """What is written beside the vector."""
        record: dict[str, Any] = {"id": self.id, "source": self.source, "position": self.position}
        if with_text:
            record["text"] = self.text
        if with_fields:
            record["fields"] = json.loads(self.fields)
        return record


def as_row(document: Document, *, with_fields: bool, shorten: Callable[[str], str] = str) -> Row:
    """Make the row of a document; lone surrogates, which no file format can hold, become U+FFFD.

    Args:
        document: what was read.
        with_fields: keep its other fields.
        shorten: cuts a title that stands before a text, so that it leaves room for it.
    """
    text, title = document.text, document.title
    if title and (not text or text.isspace()):
        text = title
    elif title and _first_line(text) != title:
        text = f"{shorten(title)} {text}"
    fields = json.dumps(_finite(document.fields), ensure_ascii=False) if with_fields else ""
    return Row(_clean(document.id), _clean(document.source), document.position, _clean(text), _clean(fields))


def buffers(
    documents: Iterable[Document],
    limits: Limits,
    *,
    with_fields: bool = False,
    shorten: Callable[[str], str] = str,
) -> Iterator[list[Row]]:
    """Gather documents into lists of rows; the borders depend on the documents, ``limits`` and ``shorten`` only."""
    rows: list[Row] = []
    characters = 0
    for document in documents:
        row = as_row(document, with_fields=with_fields, shorten=shorten)
        if rows and (len(rows) >= limits.texts or characters + len(row.text) > limits.characters):
            yield rows
            rows, characters = [], 0
        rows.append(row)
        characters += len(row.text)
    if rows:
        yield rows


def digest(rows: Sequence[Row]) -> str:
    """Hex digest of all that the rows say."""
    state = hashlib.blake2b(digest_size=16)
    for row in rows:
        line = json.dumps([row.id, row.source, row.position, row.text, row.fields], ensure_ascii=False)
        state.update(line.encode())
        state.update(b"\n")
    return state.hexdigest()


def ahead(items: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """Yield ``items`` while a thread makes the next ``depth`` of them.

    An exception of ``items`` is raised here, in its turn. Closing the generator stops the thread at its next item.
    """
    ready: queue.Queue[Callable[[], T]] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    # A daemon, because a read from a terminal or a pipe may never return.
    threading.Thread(target=_produce, args=(items, ready, stop), name="vecloom-read", daemon=True).start()
    try:
        while True:
            try:
                item = ready.get()()
            except _End:
                return
            yield item
    finally:
        stop.set()


class _End(Exception):  # noqa: N818 - a signal, not an error
    """No more items."""


def _produce(items: Iterable[T], ready: queue.Queue[Callable[[], T]], stop: threading.Event) -> None:
    try:
        for item in items:
            if not _put(ready, partial(_give, item), stop):
                return
        _put(ready, partial(_throw, _End()), stop)
    except BaseException as error:
        _put(ready, partial(_throw, error), stop)


def _put(ready: queue.Queue[Callable[[], T]], item: Callable[[], T], stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False


def _give(item: T) -> T:
    return item


def _throw(error: BaseException) -> NoReturn:
    raise error


def _first_line(text: str) -> str:
    # Of a Markdown or reStructuredText file this is its first heading, which is also its title.
    found = _WORDED_LINE.search(text)
    return found[1].strip() if found else ""


def _finite(fields: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    # JSON knows neither NaN nor infinity.
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in fields.items()}


def _clean(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
