"""``vecloom search``: ask an index."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vecloom.cli import options, show, snippet

if TYPE_CHECKING:
    from vecloom.search import Hit, Index

INDENT = 4
WIDEST = 120  # columns; longer lines are hard to read


@click.command(short_help="Ask an index.")
@click.argument("index")
@click.argument("query", required=False)
@click.option("-k", "--hits", "k", type=click.IntRange(min=1), default=10, show_default=True, help="How many hits.")
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "vector", "keyword"]),
    default="hybrid",
    show_default=True,
    help="By meaning and words together, by meaning, or by words (BM25).",
)
@click.option("--where", metavar="FILTER", help="Only among these, as in \"year > 2020 AND lang = 'en'\".")
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
    model: str | None,
    backend: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Ask an index and print what answers best.

    Without QUERY, each line of standard input is a query. With --json, each query gives one line: an object with the
    query and its hits. Scores compare hits of one answer: rank fusion for hybrid, cosine for vector, BM25 for keyword.

    \b
    Examples:
      vecloom search docs.index "how to read a csv file row by row"
      vecloom search news.index "rate cuts" --where "year >= 2024 AND lang = 'en'" -k 3
      vecloom search docs.index --json < questions.txt > answers.jsonl
    """  # noqa: D301 - click wants the character \b, not a backslash
    opened = opened_for(index, mode, model, backend, threads)
    for asked in [query] if query is not None else asked_lines():
        started = time.perf_counter()
        hits = opened.search(asked, k, mode=mode, where=where)  # type: ignore[arg-type]
        seconds = time.perf_counter() - started
        if as_json:
            show.as_json({"query": asked, "hits": [asdict(hit) for hit in hits], "seconds": round(seconds, 4)})
        else:
            click.echo(readable(asked, hits, titled=query is None))
        sys.stdout.flush()


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
        click.echo("One query a line; Ctrl-D ends.", err=True)
    for line in sys.stdin:
        if line.strip():
            yield line.strip()


def readable(query: str, hits: list[Hit], *, titled: bool) -> str:
    """Ranked hits for people: rank, score, title, place, and the part of the text that answers."""
    words = snippet.words_of(query)
    width = min(shutil.get_terminal_size().columns, WIDEST) - INDENT
    blocks = [_block(rank, hit, words, width) for rank, hit in enumerate(hits, start=1)]
    head = [click.style(f"> {query}", bold=True)] if titled else []
    return "\n".join([*head, *(blocks or ["Nothing was found."])])


def _block(rank: int, hit: Hit, words: list[str], width: int) -> str:
    title = hit.heading if hit.heading.startswith(hit.title) else f"{hit.title} > {hit.heading}".removesuffix(" > ")
    place = hit.id if hit.id.startswith(hit.source) else f"{hit.source}  {hit.id}"
    lines = [
        f"{click.style(title, bold=True)}  {place}".strip(),
        snippet.mark(snippet.cut(hit.text, words, width), words),
    ]
    margin = " " * INDENT
    return f"{rank:>2}. {hit.score:.4f}  " + f"\n{margin}".join(line for line in lines if line)
