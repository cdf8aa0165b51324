"""Folders of mails in one file (mbox): one document a mail; memory is bounded by the longest mail that is kept whole.

The four dialects differ in how a line of a body that begins with "From " is told from the start of the next mail:
"mboxo" and "mboxrd" put ">" before it, which is taken off; "mboxcl" and "mboxcl2" give the body's length, which is
believed if the next mail, or the end, comes there. Otherwise a mail begins at a line "From ..." with a time and a
year that an empty line precedes and a header follows. Archives of mailing lists (Mailman's .txt) are in this format too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.formats import mail, plain
from vecloom.data.records import Document
from vecloom.wording import counted

SNIFF = 4096
_START = re.compile(rb"From (?=.*\d{1,2}:\d\d)(?=.*\b(?:19|20)\d\d\b)")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:|>From ")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_CONTENT_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,12})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_MOZILLA = re.compile(rb"^x-mozilla-status:[ \t]*([0-9a-f]{4})", re.IGNORECASE | re.MULTILINE)
_DELETED = 0x0008
_INTERNAL = re.compile(rb"^x-imap(?:base)?:", re.IGNORECASE | re.MULTILINE)  # UW IMAP's and Pine's own notes
_INTERNAL_SUBJECT = b"FOLDER INTERNAL DATA"


class Stored(NamedTuple):
    """One mail as it stands in a folder: its "From " line, header, body, and how many bytes were left out."""

    start: bytes
    head: bytes
    body: bytes
    dropped: int


def is_mbox(head: bytes) -> bool:
    """Whether a file begins as an mbox does: a "From " line with a time, then a header."""
    lines = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").split(b"\n", 2)
    return len(lines) > 1 and bool(_START.match(lines[0])) and bool(_HEADER.match(lines[1]))


def read_text(source: Source, context: Context) -> Iterator[Document]:
    """Read a .txt file: as mails if it is an archive of a mailing list, else as text."""
    if not context.lines:
        with open_bytes(source, Context()) as stream:
            if is_mbox(stream.peek(SNIFF)[:SNIFF]):
                yield from read(source, context)
                return
    yield from plain.read(source, context)


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read the mails of a folder; those that are only marked as deleted are left out.

    Raises:
        DataError: the file is not an mbox.
    """
    deleted = 0
    with open_bytes(source, context) as stream:
        if not is_mbox(stream.peek(SNIFF)[:SNIFF]):
            what = "this is not an mbox: it does not begin with a line 'From ...' and a header."
            context.bad_file(source, what, always=True)
            return
        for number, stored in enumerate(stored_mails(stream), start=1):
            status = _MOZILLA.search(stored.head)
            if status and int(status[1], 16) & _DELETED:
                deleted += 1
            elif not (_INTERNAL.search(stored.head) and _INTERNAL_SUBJECT in stored.head):
                yield _document(stored, number, source, context)
    if deleted:
        context.report.note(f"{source.name}: {counted(deleted, 'mail')} marked as deleted left out.")


def _document(stored: Stored, number: int, source: Source, context: Context) -> Document:
    if stored.dropped:
        kept = f"mail {number} was cut to {ctx.MAX_BYTES:,} bytes; {stored.dropped:,} more were left out."
        context.report.note(f"{source.name}: {kept}")
    data = stored.head + _QUOTED.sub(rb"\1", stored.body)
    sent = mail.envelope_date(stored.start.decode("ascii", "replace"))
    return mail.document(data, source, context, number, sent)


def stored_mails(stream: io.BufferedReader) -> Iterator[Stored]:
    """Cut a folder into mails."""
    lines = _Lines(stream)
    start = lines.next()
    while start and not _START.match(start):  # empty lines, or a byte order mark
        start = start.removeprefix(b"\xef\xbb\xbf")
        start = start if _START.match(start) else lines.next()
    while start:
        head, start_in_head = _head(lines)
        if start_in_head:
            yield Stored(start, head, b"", 0)
            start = start_in_head
            continue
        length = _CONTENT_LENGTH.search(head)
        body = _of_length(lines, int(length[1])) if length else None
        dropped = 0
        if body is None:
            body, dropped = _to_next_start(lines)
        yield Stored(start, head, body, dropped)
        start = lines.next()


class _Lines:
    """Lines of a stream, of at most 1 MiB, some of which can be put back."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._ahead = b""

    def next(self) -> bytes:
        if not self._ahead:
            return self._stream.readline(ctx.BUFFER)
        end = self._ahead.find(b"\n") + 1
        if not end:
            line, self._ahead = self._ahead, b""
            return line + self._stream.readline(ctx.BUFFER)
        line, self._ahead = self._ahead[:end], self._ahead[end:]
        return line

    def read(self, size: int) -> bytes:
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken + self._stream.read(size - len(taken)) if len(taken) < size else taken

    def put_back(self, data: bytes) -> None:
        self._ahead = data + self._ahead

    def starts_mail(self) -> bool:
        """Whether a mail begins here, or the folder ends."""
        line = self.next()
        following = self.next() if line else b""
        self.put_back(line + following)
        return not line or bool(_START.match(line) and _HEADER.match(following))


def _head(lines: _Lines) -> tuple[bytes, bytes]:
    """A mail's header; and the next mail's "From " line, if it comes before the header ends."""
    taken: list[bytes] = []
    size = 0
    while line := lines.next():
        if _START.match(line):
            return b"".join(taken), line
        size += len(line)
        if size <= ctx.BUFFER:
            taken.append(line)
        if not line.strip():
            break
    return b"".join(taken), b""


def _of_length(lines: _Lines, length: int) -> bytes | None:
    """A body of the length that its header gives; None if no mail begins behind it."""
    if length > ctx.MAX_BYTES:
        return None
    body = lines.read(length)
    blank = lines.next()
    if blank.strip():
        lines.put_back(blank)
        blank = b""
    if len(body) == length and lines.starts_mail():
        return body
    lines.put_back(body + blank)
    return None


def _to_next_start(lines: _Lines) -> tuple[bytes, int]:
    """A body up to the next "From " line that a header follows, and how many bytes of it were too many."""
    taken: list[bytes] = []
    size = dropped = 0
    blank = True
    while line := lines.next():
        if blank and _START.match(line):
            lines.put_back(line)
            if lines.starts_mail():
                break
            line = lines.next()
        blank = not line.strip()
        if size + len(line) > ctx.MAX_BYTES:
            dropped += len(line)
            continue
        size += len(line)
        taken.append(line)
    return b"".join(taken), dropped
