"""Importers of papers: files of other programs become documents with title, abstract, authors, date, categories, url.

``read_papers("arxiv", ["arxiv-metadata.json"])`` streams; a bad record is counted and listed with file and line, or stops the
run. One module per format.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import numbered_lines
from vecloom.data.names import STDIN
from vecloom.data.papers import bibtex, feed, oai, ris, snapshot, table
from vecloom.data.papers.record import Paper
from vecloom.data.records import Document
from vecloom.data.report import ReadReport
from vecloom.data.sources import check_inputs
from vecloom.errors import UsageError

Parse: TypeAlias = Callable[[io.BufferedReader, Source, Context], Iterator[Document]]
_OAI = re.compile(rb"<(?:\w+:)?OAI-PMH[\s>]")
_HEAD = 4096


def _arxiv(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Whatever arXiv gives: the snapshot, an OAI-PMH answer, its API's Atom or its RSS; told apart by how they begin."""
    head = stream.peek(_HEAD)[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head.startswith(b"<"):
        yield from snapshot.parse(numbered_lines(stream, source, context), source, context)
    elif _OAI.search(head):
        yield from oai.parse(stream, source, context)
    else:
        yield from feed.parse(stream, source, context)


def _ris(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    yield from ris.parse(numbered_lines(stream, source, context), source, context)


KINDS: dict[str, Parse] = {
    "arxiv": _arxiv,
    "bibtex": bibtex.parse,
    "ris": _ris,
    "csv": table.parse,
    "rss": feed.parse,
    "feed": feed.parse,
}
"""What can be imported; ``rss`` and ``feed`` are one reader, which takes RSS and Atom of all versions."""


def read_papers(
    kind: str, inputs: Sequence[str], *, skip_bad: bool = True, report: ReadReport | None = None
) -> Iterator[Document]:
    """Papers of files and standard input ("-"), in their order.

    Args:
        kind: one of ``KINDS``.
        inputs: files, perhaps compressed (.gz, .zst).
        skip_bad: count bad records and files, and note them with their place, instead of stopping.
        report: counts what is met, while it goes on.

    Raises:
        UsageError: there is no such kind or no such file (raised by the call itself).
        DataError: a bad record or file, unless ``skip_bad``.
        MissingExtraError: the format's library is not installed.
    """
    if kind not in KINDS:
        raise UsageError(f"There is no importer {kind!r}.", f"Use one of {', '.join(KINDS)}.")
    check_inputs(inputs)
    context = Context(skip_bad=skip_bad, lenient="by leaving out --strict", report=report or ReadReport())
    return _documents(kind, inputs, context)


def _documents(kind: str, inputs: Sequence[str], context: Context) -> Iterator[Document]:
    for source in map(Source, inputs):
        context.report.files += 1
        try:
            with open_bytes(source, context) as stream:
                context.report.empty_files += not stream.peek(1)
                for document in KINDS[kind](stream, source, context):
                    context.report.documents += 1
                    yield document
        except EOFError:
            context.bad_file(source, "its compressed data ends too early; the file is cut off.")
        except (OSError, zlib.error) as error:
            reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
            context.bad_file(source, f"it cannot be read: {reason}.")


__all__ = ["KINDS", "STDIN", "Paper", "read_papers"]
