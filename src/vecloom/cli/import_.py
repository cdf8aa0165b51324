"""``vecloom import``: papers from arXiv, BibTeX, RIS, CSV and feeds, as records or straight into an index."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import click

from vecloom.cli import options, show

if TYPE_CHECKING:
    from vecloom.data import Document, ReadReport
    from vecloom.data.papers.choice import Repeats

KINDS = ("arxiv", "bibtex", "ris", "csv", "rss", "feed")
_ISO = re.compile(r"\d{4}(-\d{1,2}(-\d{1,2}(T.+)?)?)?", re.ASCII)


@click.command("import", short_help="Take in papers: arXiv, BibTeX, RIS, CSV, RSS, Atom.")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("inputs", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", metavar="OUT", help="File of JSON lines to write; - for standard output.")
@click.option("-i", "--index", "path", metavar="INDEX", help="Put them into this index; made where there is none.")
@click.option(
    "--category", "categories", multiple=True, metavar="NAME", help="Only of this category; cs takes in cs.CL."
)
@click.option("--since", metavar="DATE", help="Only those of this date and later, as in 2024-01-31.")
@click.option("--strict", is_flag=True, help="Stop at the first bad record instead of listing it.")
@options.model_option
@options.speed_options
@options.json_option
@options.debug_option
def import_(
    kind: str,
    inputs: tuple[str, ...],
    output: str | None,
    path: str | None,
    categories: tuple[str, ...],
    since: str | None,
    strict: bool,
    as_json: bool,
    **model: Any,
) -> None:
    """Take in papers from files of other programs.

    KIND is arxiv (the metadata snapshot as JSON lines, answers of the API, of OAI-PMH, or its RSS; .gz and .zst too), bibtex,
    ris (or MEDLINE, .nbib, .enw), csv (or TSV, with a header line as Zotero, Scopus or PubMed write it), rss or feed (any
    RSS, Atom or JSON Feed). FILE may be - for standard input. Each becomes a record with id (the DOI if it has one), title,
    text (the abstract), authors, date, categories, category, url. A bad record is left out and listed with file and line.
    Called again with -i, only what is new or changed is encoded; of two records with one id the later one stays. --since
    leaves out what is older for certain, and what has no date.

    \b
    Examples:
      vecloom import arxiv arxiv-metadata.json --category cs.CL --since 2024-01-01 -i papers.index
      vecloom import bibtex library.bib -o library.jsonl
      curl -s https://rss.arxiv.org/atom/cs.CL | vecloom import arxiv - -i papers.index
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.data import ReadReport
    from vecloom.data.papers import read_papers
    from vecloom.data.papers.choice import Choice, Repeats

    if (output is None) == (path is None):
        raise click.UsageError("Where to? Give either -o OUT or -i INDEX.")
    started, report = time.perf_counter(), ReadReport()
    choice, repeats = Choice(categories, _date(since)), Repeats()
    found = something(read_papers(kind, inputs, skip_bad=not strict, report=report), report)
    wanted = repeats.watch(choice.of(found))
    done: dict[str, Any] = {"written": write(wanted, repeats, str(output))} if output else {}
    if path:
        done = index(wanted, path, inputs, report, **model)
    done["seconds"] = round(time.perf_counter() - started, 3)
    left_out = {**choice.as_dict(), "repeated": repeats.again.count}
    told = {"kind": kind, "output": path or output, **done, "read": report.as_dict(), "left_out": left_out}
    quiet = output == "-"
    if as_json:
        show.as_json(told, err=quiet)
    else:
        show.echo("\n".join(sentences(told, report, [*choice.sentences(), *repeats.sentences()])), err=quiet)


def something(found: Iterator[Document], report: ReadReport) -> Iterator[Document]:
    """Pass papers on.

    Raises:
        DataError: there were none, and something could not be read.
    """
    from vecloom.errors import DataError

    yield from found
    if not report.documents and (report.unreadable or report.bad_records):
        more = report.unreadable + report.bad_records - 1
        told = f"No paper could be read. {report.notes[0]}" + (f" And {more:,} more like this." if more else "")
        raise DataError(told, "Check that the file is whole, and of the kind that was named.")


def _date(text: str | None) -> str:
    from vecloom.data.papers.dates import iso_date

    found = iso_date(text or "")
    if text and (not _ISO.fullmatch(text.strip()) or found.count("-") != min(text.split("T")[0].count("-"), 2)):
        raise click.UsageError(f"--since {text} is not a date. Write it as in 2024-01-31.")
    return found


def write(found: Iterator[Document], repeats: Repeats, output: str) -> int:
    """Write records as JSON lines, a file wholly or not at all; how many."""
    from pathlib import Path

    from vecloom.errors import from_os_error
    from vecloom.files import atomic_path

    if output == "-":
        return _to_stdout(found, repeats)
    try:
        with atomic_path(output) as temporary, temporary.open("w+b") as file:
            return _write(found, repeats, file)
    except OSError as error:
        raise from_os_error(error, "writing the records", Path(output)) from error


def _to_stdout(found: Iterator[Document], repeats: Repeats) -> int:
    """Print records once all are known: a later one may replace an earlier one."""
    import shutil
    import tempfile

    with tempfile.TemporaryFile() as file:
        written = _write(found, repeats, file)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
        return written


def _write(found: Iterator[Document], repeats: Repeats, file: IO[bytes]) -> int:
    written = 0
    for document in found:
        file.write(f"{as_line(document)}\n".encode())
        written += 1
    if repeats.lost:
        _drop_lines(file, repeats.lost)
    return written - len(repeats.lost)


def _drop_lines(file: IO[bytes], dropped: set[int]) -> None:
    """Take lines (from 0) out of a file, in place."""
    file.seek(0)
    number = end = 0
    while line := file.readline():
        place = file.tell()
        if number not in dropped:
            file.seek(end)
            file.write(line)
            end += len(line)
            file.seek(place)
        number += 1
    file.truncate(end)


def as_line(document: Document) -> str:
    """A record that ``vecloom index`` and ``vecloom embed`` read."""
    record = {"id": document.id, "title": document.title, "text": document.text, **document.fields}
    return show.json_line(record)


def index(
    found: Iterator[Document], path: str, inputs: tuple[str, ...], report: ReadReport, **model: Any
) -> dict[str, Any]:
    """Add papers to an index; what was done."""
    from vecloom import load
    from vecloom.cli.index import to_fill
    from vecloom.cli.progress import bar

    first = next(found, None)  # a file that gives nothing leaves no index behind
    if first is not None:
        found = chain([first], found)
    encoder = load(model.pop("model"), **model)
    with to_fill(path, encoder) as opened, bar("Importing", inputs, report) as drawn:
        added = opened.add(found, progress=drawn.advance, build_progress=drawn.build)
    return {name: value for name, value in asdict(added).items() if name != "seen"}


def sentences(told: dict[str, Any], report: ReadReport, left_out: Sequence[str]) -> list[str]:
    """Say what was done: counts, what was read, what was left out, and each bad record."""
    if "written" in told:
        counts = f"{show.count(told['written'], 'record')} written"
    else:
        counts = f"{show.count(told['added'], 'paper')} new, {told['replaced']:,} changed, {told['unchanged']:,} known already"
    more = report.bad_records + report.unreadable - len(report.notes)
    return [
        f"{told['output']}: {counts}, {told['seconds']:,.1f} s.",
        f"  read {report.summary()}",
        *(f"  {sentence}" for sentence in left_out),
        *(f"  {note}" for note in report.notes),
        *([f"  and {more:,} more"] if more > 0 else []),
    ]
