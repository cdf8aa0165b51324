"""``vecloom import``: papers from arXiv, BibTeX, RIS, CSV and feeds, as records or straight into an index."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

import click

from vecloom.cli import options, show

if TYPE_CHECKING:
    from vecloom.data import Document, ReadReport

KINDS = ("arxiv", "bibtex", "ris", "csv", "rss", "feed")


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
    ris, csv (or TSV, with a header line as Zotero, Scopus or PubMed write it), rss or feed (any RSS or Atom). FILE may be -
    for standard input. Each becomes a record with id, title, text (the abstract), authors, date, categories, category, url. A
    bad record is left out and listed with file and line. Called again with -i, only what is new or changed is encoded; of two
    records with one id the later one stays.

    \b
    Examples:
      vecloom import arxiv arxiv-metadata.json --category cs.CL --since 2024-01-01 -i papers.index
      vecloom import bibtex library.bib -o library.jsonl
      curl -s https://rss.arxiv.org/atom/cs.CL | vecloom import arxiv - -i papers.index
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.data import ReadReport
    from vecloom.data.papers import read_papers

    if (output is None) == (path is None):
        raise click.UsageError("Where to? Give either -o OUT or -i INDEX.")
    started, report = time.perf_counter(), ReadReport()
    found = chosen(read_papers(kind, inputs, skip_bad=not strict, report=report), categories, _date(since))
    done: dict[str, Any] = {"written": write(found, str(output))} if output else {}
    if path:
        done = index(found, path, inputs, report, **model)
    done["seconds"] = round(time.perf_counter() - started, 3)
    told = {"kind": kind, "output": path or output, **done, "read": report.as_dict()}
    quiet = output == "-"
    if as_json:
        show.as_json(told, err=quiet)
    else:
        show.echo("\n".join(sentences(told, report)), err=quiet)


def chosen(found: Iterator[Document], categories: tuple[str, ...], since: str) -> Iterator[Document]:
    """Those of a category, or of one below it, and of a date and later; undated ones only where no date is asked for."""
    for document in found:
        of = str(document.fields.get("categories", "")).split("; ")
        if categories and not any(one == name or one.startswith(f"{name}.") for one in of for name in categories):
            continue
        if since and str(document.fields.get("date", "")) < since:
            continue
        yield document


def _date(text: str | None) -> str:
    from vecloom.data.papers.record import iso_date

    found = iso_date(text or "")
    if text and not found:
        raise click.UsageError(f"--since {text} is not a date. Write it as in 2024-01-31.")
    return found


def write(found: Iterator[Document], output: str) -> int:
    """Write records as JSON lines, a file wholly or not at all; how many."""
    from pathlib import Path

    from vecloom.errors import from_os_error
    from vecloom.files import atomic_path

    if output == "-":
        return _write(found, sys.stdout)
    try:
        with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8") as file:
            return _write(found, file)
    except OSError as error:
        raise from_os_error(error, "writing the records", Path(output)) from error


def _write(found: Iterator[Document], file: TextIO) -> int:
    written = 0
    for document in found:
        file.write(f"{as_line(document)}\n")
        written += 1
    return written


def as_line(document: Document) -> str:
    """A record that ``vecloom index`` and ``vecloom embed`` read."""
    record = {"id": document.id, "title": document.title, "text": document.text, **document.fields}
    return show.json_line(record)


def index(
    found: Iterator[Document], path: str, inputs: tuple[str, ...], report: ReadReport, **model: Any
) -> dict[str, Any]:
    """Add papers to an index; what was done."""
    from vecloom import load
    from vecloom.cli.index import open_or_create
    from vecloom.cli.progress import bar

    encoder = load(model.pop("model"), **model)
    opened = open_or_create(path, encoder, None, None)
    with bar("Importing", inputs, report) as drawn:
        added = opened.add(found, progress=drawn.advance, build_progress=drawn.build)
    return {name: value for name, value in asdict(added).items() if name != "seen"}


def sentences(told: dict[str, Any], report: ReadReport) -> list[str]:
    """Say what was done: counts, what was read, and each bad record."""
    if "written" in told:
        counts = f"{show.count(told['written'], 'record')} written"
    else:
        counts = f"{show.count(told['added'], 'paper')} new, {told['replaced']:,} changed, {told['unchanged']:,} known already"
    more = report.bad_records + report.unreadable - len(report.notes)
    return [
        f"{told['output']}: {counts}, {told['seconds']:,.1f} s.",
        f"  read {report.summary()}",
        *(f"  {note}" for note in report.notes),
        *([f"  and {more:,} more"] if more > 0 else []),
    ]
