"""``read``: files, folders, globs and standard input as one stream of documents, in the same order every time."""

from __future__ import annotations

import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import numbered_lines
from vecloom.data.fields import FieldMap
from vecloom.data.formats import FORMATS, MANUAL, format_of, json_lines
from vecloom.data.formats.manual import is_manual
from vecloom.data.names import STDIN
from vecloom.data.records import Document
from vecloom.data.report import ReadReport
from vecloom.data.selection import ALL, Selection
from vecloom.data.sources import Identity, check_inputs, find

_JSON_OBJECT = re.compile(r"\s*\{\s*[\"}]")


def read(
    inputs: Sequence[str],
    *,
    fields: FieldMap | None = None,
    skip_bad: bool = False,
    lines: bool = False,
    report: ReadReport | None = None,
    selection: Selection = ALL,
    known: Mapping[Identity, str] | None = None,
    allow_empty: bool = False,
) -> Iterator[Document]:
    """Read documents from files, folders (recursively), globs and "-" (standard input).

    The order is that of ``inputs``, and sorted by name within folders and globs, so that a run can be taken up by
    counting. A file is read once, however often it is named or linked. Line formats,
    JSON arrays and Parquet are streamed. Standard input is JSON lines where its first line
    that is not blank starts a JSON object, else one document per line. A named file of unknown format is plain text.

    Args:
        inputs: what to read.
        fields: names of the text, title and id columns.
        skip_bad: leave out bad records and files and count them, instead of stopping.
        lines: a .txt file is one document per line (empty ones too), not one document.
        report: counts what is met, while it goes on.
        selection: which files of folders and globs are read.
        known: names that files have already; they keep these.
        allow_empty: a folder that holds nothing to read is not an error.

    Raises:
        UsageError: an input does not exist (raised by the call itself).
        DataError: a bad record or file, naming file and line.
        MissingExtraError: a named file, as a pdf or docx, needs the extra ``[files]``.
    """
    check_inputs(inputs)
    context = Context(fields or FieldMap(), skip_bad, lines, report if report is not None else ReadReport())
    found = find(inputs, context.report, selection=selection, known=known, allow_empty=allow_empty)
    return read_sources(found, context)


def read_sources(sources: Iterable[Source], context: Context) -> Iterator[Document]:
    """Read documents from files that were found."""
    report = context.report
    for source in sources:
        for document in _read_source(source, context):
            report.documents += 1
            if not (document.text or document.title):
                report.empty_texts += 1
                report.name("empty_texts", document.id)
            yield document


def _read_source(source: Source, context: Context) -> Iterator[Document]:
    before = context.report.left_out
    yield from _read_file(source, context)
    for kind, count in context.report.left_out.items():
        if count > before[kind]:
            context.report.name(kind, source.name)


def _read_file(source: Source, context: Context) -> Iterator[Document]:
    context.report.files += 1
    if _is_stream(source):
        yield from _read_stream(source, context)
        return
    if source.path.stat().st_size == 0:
        context.report.empty_files += 1
        return
    form = format_of(source.name) or (MANUAL if is_manual(source.name) else FORMATS[".txt"])
    always = form.records or context.lines
    if context.vectors is not None and not form.columns:
        _refuse_vectors(source, context)
        return
    try:
        yield from form.read(source, context)
    except EOFError:
        context.bad_file(source, "its compressed data ends too early; the file is cut off.", always=always)
    except (OSError, zlib.error) as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        context.bad_file(source, f"it cannot be read: {reason}.", always=always)


def _refuse_vectors(source: Source, context: Context) -> None:
    name = context.vectors.name if context.vectors is not None else ""
    context.bad_file(source, f"it has no columns, so none named {name!r} for the vectors.", "Leave it out.")


def _is_stream(source: Source) -> bool:
    """Standard input, or a pipe or device that was named, such as the shell's ``<(command)``."""
    return source.name == STDIN or not stat.S_ISREG(source.path.stat().st_mode)


def _read_stream(source: Source, context: Context) -> Iterator[Document]:
    with open_bytes(source, context) as stream:
        numbered = numbered_lines(stream, source, context)
        blank: list[tuple[int, str]] = []
        for number, line in numbered:
            blank.append((number, line))
            if line.strip():
                break
        everything = chain(blank, numbered)
        if blank and _JSON_OBJECT.match(blank[-1][1]):
            yield from json_lines.parse(everything, source, context)
        elif blank and context.vectors is not None:
            _refuse_vectors(source, context)
        else:
            for number, line in everything:
                yield Document(id=f"{source.name}:{number}", text=line, source=source.name, position=number)
