r"""Bytes to text: whole files and lines, with a bound on memory, counting what had to be repaired.

Text is UTF-8, or UTF-16 or UTF-32 where a byte order mark or the place of the NUL bytes says so. A line that is none of
them is read as Windows-1252 (Latin-1 with typographic signs) where it makes words in it; otherwise its invalid bytes
become U+FFFD. NUL bytes and byte order marks are removed. All but the marks is counted. Lines end at "\n" or "\r\n" only.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SNIFF = 8192
_MARKS = (  # UTF-32 first: its mark starts with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PATTERNS = (  # (name, bytes of four that are NUL in ASCII, bytes that rarely are)
    ("utf-32-le", (1, 2, 3), (0,)),
    ("utf-32-be", (0, 1, 2), (3,)),
    ("utf-16-le", (1, 3), (0, 2)),
    ("utf-16-be", (0, 2), (1, 3)),
)
_LEAST_NULS = 0.3  # in their places: a table or JSON in any language has this much ASCII in it
_CONTROLS = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f]")

# What the names mean in the Encoding Standard, which pages are written by: a superset that is used in their place.
_SUPERSETS = {
    **dict.fromkeys(("ascii", "us-ascii", "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1"), "cp1252"),
    **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("iso-8859-11", "tis-620"), "cp874"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk"), "gb18030"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "ksc5601"), "cp949"),
    "big5": "big5hkscs",
}

# Signs that stand by themselves, and letters that are words by themselves in some language.
_ALONE = "€‚„…†‡‰‹‘’“”•–—™›\xa0¡£¥§©ª«®°±²³´µ·¹º»¼½¾¿×" + "àáèéìíòóùúåäöøæÀÁÈÉÌÍÒÓÙÚÅÄÖØÆ"
_HIGH = "\x80-\U0010ffff"
_WRONG_IN_1252 = re.compile(
    # a letter that touches no other and is not a word, a capital after a small letter, too many in a row
    rf"(?<![a-zA-Z{_HIGH}])[{_HIGH}](?![a-zA-Z{_HIGH}])(?<![{_ALONE}])|[a-zß-ÿ][À-Þ]|[À-ÿŠšŽžŒœŸƒ]{{5}}"
)


def wide_encoding(head: bytes) -> str | None:
    """Name UTF-16 or UTF-32 by a file's first bytes (their mark, or where the NULs are); None where it is neither."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    head = head[: len(head[:SNIFF]) // 4 * 4]
    if b"\0" not in head:
        return None
    # only ASCII characters are sure to have NULs, always in the same bytes of a unit
    nuls = [head[place::4].count(0) / (len(head) // 4) for place in range(4)]
    for name, zeros, filled in _PATTERNS:
        if (
            min(nuls[place] for place in zeros) >= _LEAST_NULS
            and max(nuls[place] for place in filled) < _LEAST_NULS / 3
        ):
            return None if _CONTROLS.search(head.decode(name, "replace")) else name
    return None


def is_binary(head: bytes) -> bool:
    """Whether a file that starts so is not text: a NUL byte in its first 8 KiB, and neither UTF-16 nor UTF-32."""
    return b"\0" in head[:SNIFF] and wide_encoding(head) is None


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
    text = _declared(data, wide_encoding(data) or encoding, source, context)
    if text is None:
        text = _try(data, "utf-8")
    if text is None:
        text = _by_lines(data, source, context)
    if "\0" in text:
        context.report.nul_bytes += 1
        text = text.replace("\0", "")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # files that were joined bring their marks along
    return text.removeprefix("\ufeff").replace("\n\ufeff", "\n")


def superset(name: str) -> str:
    """The encoding that is meant where pages and mails name one: "latin-1" is read as Windows-1252."""
    name = name.strip().lower()
    return _SUPERSETS.get(name, name)


def declared_html_encoding(data: bytes) -> str | None:
    """What a page declares (<meta charset>, an XML declaration), as a codec of Python; None where it is UTF-8 anyway."""
    from bs4.dammit import EncodingDetector

    # The declaration decides only where the bytes are not UTF-8: pages are often converted without their header.
    if _try(data, "utf-8") is not None:
        return None
    named = EncodingDetector.find_declared_encoding(data, is_html=True)
    name = (named or "").strip().lower()
    # a declaration that can be read byte by byte is not in UTF-16, whatever it says
    return None if name.startswith(("utf-", "utf8", "ucs")) else _SUPERSETS.get(name, name) or None


def _declared(data: bytes, encoding: str | None, source: Source, context: Context) -> str | None:
    if not encoding:
        return None
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "cp1252":  # five bytes mean nothing, and browsers drop them
            return data.decode(encoding, "ignore")
        context.report.invalid(source.name, data.count(b"\n", 0, error.start) + 1)
        return data.decode(encoding, "replace")
    except LookupError:
        return None


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def windows_1252(raw: bytes) -> str | None:
    """Read bytes that are not UTF-8 as Windows-1252; None where that makes no words, or part of them is UTF-8."""
    text = _try(raw, "cp1252")
    if text is None or not raw.decode("utf-8", "ignore").isascii() or _WRONG_IN_1252.search(text):
        return None
    return text


def decode_line(raw: bytes) -> tuple[str, str]:
    """Decode a line; also return what was done to it: "", "windows-1252" or "replaced"."""
    try:
        return raw.decode("utf-8"), ""
    except UnicodeDecodeError:
        text = windows_1252(raw)
    return (raw.decode("utf-8", "replace"), "replaced") if text is None else (text, "windows-1252")


def _by_lines(data: bytes, source: Source, context: Context) -> str:
    """Decode a file line by line, and count the first place of each kind of repair."""
    decoded = [decode_line(line) for line in data.split(b"\n")]
    first: dict[str, int] = {}
    for number, (_, done) in enumerate(decoded, 1):
        first.setdefault(done, number)
    for done, number in first.items():
        context.report.decoded(done, source.name, number)
    return "\n".join(text for text, _ in decoded)


def as_utf8(stream: io.BufferedReader, source: Source, context: Context) -> io.BufferedReader:
    """The stream itself, or the same text in UTF-8 where it is in UTF-16 or UTF-32."""
    encoding = wide_encoding(stream.peek(SNIFF)[:SNIFF])
    if encoding is None:
        return stream
    raw = _Transcoded(stream, encoding, source, context)
    return io.BufferedReader(cast(io.RawIOBase, raw), ctx.BUFFER)


class _Transcoded(io.RawIOBase):
    """A stream's text in UTF-8; from the first invalid place on, which is counted, U+FFFD replaces."""

    def __init__(self, stream: io.BufferedReader, encoding: str, source: Source, context: Context) -> None:
        self._stream, self._encoding, self._source, self._context = stream, encoding, source, context
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._waiting = b""
        self._lines = 1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        ended = False
        while not self._waiting and not ended:
            data = self._stream.read(min(len(view), ctx.BUFFER) or 1)
            ended = not data
            self._waiting = self._text(data, ended).encode("utf-8")
            self._lines += self._waiting.count(b"\n")
        count = min(len(view), len(self._waiting))
        view[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count

    def _text(self, data: bytes, ended: bool) -> str:
        state = self._decoder.getstate()
        try:
            return self._decoder.decode(data, final=ended)
        except UnicodeDecodeError:
            self._context.report.invalid(self._source.name, self._lines)
            self._decoder = codecs.getincrementaldecoder(self._encoding)("replace")
            self._decoder.setstate(state)
            return self._decoder.decode(data, final=ended)


def numbered_lines(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[tuple[int, str]]:
    """Yield (1-based number, text without its line end), one line at a time.

    A line of more than ``context.MAX_BYTES`` is read to its end in pieces, dropped, and reported as a bad record.
    """
    stream = as_utf8(stream, source, context)
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
        text, done = decode_line(raw)
        if done:
            report.decoded(done, source.name, number)
        if "\0" in text:
            report.nul_bytes += 1
            text = text.replace("\0", "")
        # not on the first line only: files that were joined bring their marks along
        yield number, text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")


def _skip_line(stream: io.BufferedReader, limit: int) -> int:
    """Read to the end of the line in pieces of at most 1 MiB; return how many bytes it had."""
    skipped = 0
    while piece := stream.readline(min(limit, ctx.BUFFER)):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped
