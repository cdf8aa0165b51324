r"""Bytes to text: whole files and lines, with a bound on memory, counting what had to be repaired.

Text is UTF-8 (a byte order mark is dropped; whole files may be UTF-16 with one). Invalid bytes become U+FFFD and NUL
bytes are removed; both are counted. Lines end at "\n" or "\r\n" only.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source

SNIFF = 8192
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_binary(head: bytes) -> bool:
    """Whether a file that starts so is no text: a NUL byte in its first 8 KiB and no UTF-16 mark."""
    return b"\0" in head[:SNIFF] and not head.startswith(_UTF16)


def read_whole(stream: io.BufferedReader, limit: int) -> bytes | None:
    """Read everything, or return None where it is more than ``limit`` bytes."""
    data = stream.read(limit + 1)
    return None if len(data) > limit else data


def decode_file(data: bytes, source: Source, context: Context, encoding: str | None = None) -> str:
    r"""Decode a whole file; line ends become "\n".

    Args:
        data: its bytes.
        source: names the file where bytes are invalid.
        context: counts them.
        encoding: what the file itself declares; UTF-8 where it is None or unknown.
    """
    if data.startswith(_UTF16):
        encoding = "utf-16"
    text = _try(data, encoding) if encoding else None
    if text is None:
        text = _try(data, "utf-8")
    if text is None:
        text = data.decode("utf-8", "replace")
        context.report.invalid(source.name, _line_of_first_error(data))
    if "\0" in text:
        context.report.nul_bytes += 1
        text = text.replace("\0", "")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _line_of_first_error(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    return 1


def numbered_lines(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[tuple[int, str]]:
    """Yield (1-based number, text without its line end), one line at a time.

    A line of more than ``context.MAX_BYTES`` is read to its end in pieces, dropped, and reported as a bad record.
    """
    report, limit = context.report, ctx.MAX_BYTES
    number = 0
    while raw := stream.readline(limit + 1):
        number += 1
        if len(raw) > limit and not raw.endswith(b"\n"):
            length = len(raw) + _skip_line(stream, limit)
            report.long_lines += 1
            what = f"the line has {length:,} bytes; at most {limit:,} are read."
            context.bad_record(source, number, what)
            continue
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("utf-8", "replace")
            report.invalid(source.name, number)
        if "\0" in text:
            report.nul_bytes += 1
            text = text.replace("\0", "")
        if number == 1:
            text = text.removeprefix("\ufeff")
        yield number, text.removesuffix("\n").removesuffix("\r")


def _skip_line(stream: io.BufferedReader, limit: int) -> int:
    """Read to the end of the line in pieces of at most 1 MiB; return how many bytes it had."""
    skipped = 0
    while piece := stream.readline(min(limit, ctx.BUFFER)):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped
