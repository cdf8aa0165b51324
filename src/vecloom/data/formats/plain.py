"""Plain text: a whole file as one document, or each line as one."""

from __future__ import annotations

from collections.abc import Iterator

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import SNIFF, decode_file, is_binary, numbered_lines, read_whole
from vecloom.data.records import Document


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read a .txt file: one document, or with ``context.lines`` one per line (empty lines too: rows match lines)."""
    yield from read_lines(source, context) if context.lines else read_file(source, context)


def read_file(source: Source, context: Context) -> Iterator[Document]:
    """Read a file as one document; one without any text gives none."""
    text = load(source, context)
    if text is not None:
        yield Document(id=source.name, text=text, source=source.name)


def read_lines(source: Source, context: Context) -> Iterator[Document]:
    """Read each line as one document."""
    with open_bytes(source, context) as stream:
        if is_binary(stream.peek(SNIFF)):
            _binary(source, context)
            return
        for number, text in numbered_lines(stream, source, context):
            yield Document(id=f"{source.name}:{number}", text=text, source=source.name, position=number)


def load(source: Source, context: Context) -> str | None:
    """Read a whole text file; None where it is binary, too large or blank, which is counted."""
    data = load_bytes(source, context)
    if data is None:
        return None
    text = decode_file(data, source, context)
    if not text.strip():
        context.report.empty_files += 1
        return None
    return text


def load_bytes(source: Source, context: Context) -> bytes | None:
    """Read a whole file that has to be text; None where it is binary or too large, which is counted.

    Raises:
        DataError: it is binary or too large, and the user named it.
    """
    with open_bytes(source, context) as stream:
        data = read_whole(stream, ctx.MAX_BYTES)
    if data is None:
        what = f"the file has more than {ctx.MAX_BYTES:,} bytes, too many for one document."
        context.bad_file(source, what, "Split it, or give one document per line (.jsonl, .csv).")
        return None
    if is_binary(data):
        _binary(source, context)
        return None
    return data


def _binary(source: Source, context: Context) -> None:
    if source.explicit:
        context.bad_file(source, "this is a binary file, not text.", "Leave it out, or convert it to text.")
    else:
        context.report.binary += 1
