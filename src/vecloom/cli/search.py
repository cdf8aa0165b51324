"""``vecloom search``: ask an index."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from vecloom.cli import options, show

if TYPE_CHECKING:
    from vecloom.search import Hit, Index


@click.command(short_help="Ask an index.")
@click.argument("index")
@click.argument("query", required=False)
@click.option(
    "-k", "--hits", "k", type=click.IntRange(min=1), default=10, show_default=True, help="How many documents."
)
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "vector", "keyword"]),
    default="hybrid",
    show_default=True,
    help="By meaning and words together, by meaning, or by words (BM25).",
)
@click.option("--where", metavar="FILTER", help="Only among these, as in \"year > 2020 AND lang = 'en'\".")
@click.option("--full", is_flag=True, help="Print whole passages instead of the part with the query's words.")
@click.option("--passages", is_flag=True, help="List every passage for itself instead of one entry a document.")
@click.option("-m", "--model", help="The index's model, where it is not under the name that the index knows.")
@options.speed_options
@options.json_option
@options.debug_option
def search(
    index: str,
    query: str | None,
    k: int,
    mode: str,
    where: str | None,
    full: bool,
    passages: bool,
    model: str | None,
    backend: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Ask an index and print what answers best.

    Without QUERY, each line of standard input is a query. Each document is listed once, with its best passage. The number
    is the cosine of query and passage, whatever ranks them; with the bundled model a word says what it means (close, fair,
    far), and you are told if nothing fits well. By words alone it is BM25's score.

    With --json, each query gives one line: an object with the query and its hits. Their "score" is what ranks them: for
    hybrid both lists' scores joined, which only compares hits of one answer, cosine for vector, BM25 for keyword.

    \b
    Examples:
      vecloom search docs.index "how to read a csv file row by row"
      vecloom search news.index "rate cuts" --where "year >= 2024 AND lang = 'en'" -k 3
      vecloom search docs.index --json < questions.txt > answers.jsonl
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.cli import hits as looks
    from vecloom.cli import unread
    from vecloom.search.closeness import nothing_fits

    opened = opened_for(index, mode, model, backend, threads)
    fingerprint = opened.fingerprint
    said = mode == "keyword"
    for asked in [query] if query is not None else asked_lines():
        if not said and (note := unread.told(opened.encoder, [asked])):
            show.echo(f"Note: {note}", err=True)
            said = True
        started = time.perf_counter()
        documents = found(opened, asked, k, mode, where, passages)
        seconds = time.perf_counter() - started
        unfit = nothing_fits(asked, [hits[0] for hits in documents], fingerprint)
        if as_json:
            told = {"query": asked, "hits": looks.as_objects(documents, fingerprint), "nothing_fits": unfit}
            show.as_json({**told, "seconds": round(seconds, 4)})
        else:
            head = f"{show.bold(f'> {asked}')}\n" if query is None else ""
            show.styled(head + looks.readable(documents, asked, fingerprint, full=full, unfit=unfit))
        sys.stdout.flush()


def found(opened: Index, asked: str, k: int, mode: str, where: str | None, passages: bool) -> list[list[Hit]]:
    """The hits of the best documents, or each passage for itself."""
    from vecloom.cli.hits import CHUNKS
    from vecloom.search.results import grouped

    if passages:
        return [[hit] for hit in opened.search(asked, k, mode=mode, where=where)]  # type: ignore[arg-type]
    return grouped(opened.search(asked, k * CHUNKS, mode=mode, where=where))[:k]  # type: ignore[arg-type]


def opened_for(path: str, mode: str, model: str | None, backend: str, threads: int | None) -> Index:
    """Open the index with the model that it names; keyword search needs none."""
    from vecloom.search import Index

    opened = Index.open(path)
    if mode == "keyword":
        return opened
    from vecloom import load

    return Index.open(path, load(model or opened.model, backend=backend, threads=threads))


def asked_lines() -> Iterator[str]:
    """Queries from standard input, one a line, blank ones left out; a person is prompted."""
    if sys.stdin.isatty():
        show.echo("One query a line; Ctrl-D ends.", err=True)
    for line in sys.stdin:
        if line.strip():
            yield line.strip()
