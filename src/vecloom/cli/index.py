"""``vecloom index``: make files searchable, keep an index up to date, say what is inside one."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.cli.progress import bar

if TYPE_CHECKING:
    from vecloom.data import ReadReport
    from vecloom.encoders.protocol import Encoder
    from vecloom.search import Index, IndexInfo


@click.command(short_help="Make files searchable, or say what an index holds.")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("-i", "--index", "path", metavar="INDEX", help="Folder of the index; made where there is none.")
@options.model_option
@options.reading_options
@click.option("--delete-missing", is_flag=True, help="Remove documents that INPUT does not have any more.")
@click.option("--chunk-tokens", type=click.IntRange(min=8), help="Most tokens in a chunk.  [default: 256]")
@click.option(
    "--overlap",
    type=click.IntRange(min=0),
    help="Tokens that neighbouring chunks share.  [default: an eighth of a chunk]",
)
@click.option(
    "--lang",
    "language",
    metavar="LANGUAGE",
    help="Language of the texts, as in de, for keyword search.  [default: found for each text]",
)
@click.option("--info", is_flag=True, help="Only say what is inside INDEX.")
@options.speed_options
@options.json_option
@options.debug_option
def index(inputs: tuple[str, ...], path: str | None, info: bool, as_json: bool, **settings: Any) -> None:
    """Make files searchable.

    INPUT is any number of files, folders, globs, or - for standard input: txt, md, rst, html, py, json, jsonl, csv,
    tsv, parquet, and with the extra [files] pdf and docx. Long documents are cut into chunks. Called again, it adds
    what is new and replaces what has changed; what is there already is not encoded again.

    \b
    Examples:
      vecloom index docs/ -i docs.index
      vecloom index articles.csv --field text=body --field title=headline -i news.index
      vecloom index docs/ -i docs.index --delete-missing
      vecloom index --info docs.index
    """  # noqa: D301 - click wants the character \b, not a backslash
    if info:
        show_info(_only(inputs, path), as_json)
        return
    if not path:
        raise click.UsageError("Where is the index to be? Name its folder with -i INDEX.")
    if not inputs:
        raise click.UsageError("What is to be searched? Name files or folders, or - for standard input.")
    add(inputs, path, as_json, **settings)


def add(
    inputs: tuple[str, ...],
    path: str,
    as_json: bool,
    *,
    model: str,
    backend: str,
    threads: int | None,
    chunk_tokens: int | None,
    overlap: int | None,
    fields: tuple[str, ...],
    lines: bool,
    skip_bad: bool,
    delete_missing: bool,
    language: str | None,
) -> None:
    """Read, add, remove what is gone, and show what was done."""
    from vecloom import load
    from vecloom.data import FieldMap, ReadReport, read

    started = time.perf_counter()
    mapping = FieldMap.parse(list(fields))
    report = ReadReport()
    documents = read(inputs, fields=mapping, skip_bad=skip_bad, report=report, lines=lines)
    encoder = load(model, backend=backend, threads=threads)
    opened = open_or_create(path, encoder, chunk_tokens, overlap)
    with bar("Indexing", inputs, report) as drawn:
        added = opened.add(documents, language=language, progress=drawn.advance, build_progress=drawn.build)
    lost = report.unreadable + report.bad_records + report.missing_extras
    done = {name: value for name, value in asdict(added).items() if name != "seen"}
    done["removed"] = opened.delete_missing(added.seen) if delete_missing and not lost else 0
    done["truncated"] = int(getattr(encoder, "truncated", 0))
    done["seconds"] = round(time.perf_counter() - started, 3)
    if as_json:
        show.as_json({"index": path, **done, "read": report.as_dict()})
        return
    show.echo("\n".join(sentences(path, done, report)))
    if delete_missing and lost:
        show.echo(f"  nothing was removed, because {lost:,} inputs could not be read and may still exist")


def open_or_create(path: str, encoder: Encoder, chunk_tokens: int | None, overlap: int | None) -> Index:
    """Open the index, or make it where there is none.

    Raises:
        UsageError: other chunk sizes are asked for than the index has.
    """
    from vecloom.errors import UsageError
    from vecloom.search import Index

    asked = {"chunk_tokens": chunk_tokens, "overlap": overlap}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if not (Path(path) / "index.json").exists():
        if chunk_tokens is not None:
            given.setdefault("overlap", chunk_tokens // 8)
        return Index.create(path, encoder, **given)
    opened = Index.open(path, encoder)
    if given:
        has = opened.info()
        other = [name for name, value in given.items() if getattr(has, name) != min(value, encoder.max_length)]
        if other:
            raise UsageError(
                f"{path} was made with --chunk-tokens {has.chunk_tokens} --overlap {has.overlap}.",
                "Leave these options out, or make a new index.",
            )
    return opened


def sentences(path: str, done: dict[str, Any], report: ReadReport) -> list[str]:
    """Say what was done: one line of counts, one of time, one of what was read."""
    counts = [f"{done[name]:,} {word}" for name, word in COUNTS.items() if done[name] or name == "added"]
    rate = report.documents / done["seconds"] if done["seconds"] else 0.0
    notes = [
        f"{show.count(done['chunks'], 'chunk')} written in {done['seconds']:,.1f} s, {rate:,.0f} documents/s",
        f"{show.count(done['truncated'], 'text')} cut to the model's length" if done["truncated"] else "",
        f"read {report.summary()}",
    ]
    return [f"{path}: {', '.join(counts)}.", *(f"  {note}" for note in notes if note)]


COUNTS = {
    "added": "documents new",
    "replaced": "replaced",
    "unchanged": "unchanged",
    "removed": "removed",
    "empty": "without text, left out",
}
"""What is counted, and how it is called."""


def show_info(path: str, as_json: bool) -> None:
    """Say what is inside an index."""
    from vecloom.search import Index

    info = Index.open(path).info()
    if as_json:
        show.as_json(asdict(info))
    else:
        show.echo(show.pairs(described(info)))


def described(info: IndexInfo) -> dict[str, str]:
    """What an index holds, for people."""
    kind = "exact: every row is compared"
    if info.ann:
        kind = f"ann: graph over {info.ann.rows:,} rows, recall@10 {info.ann.recall:.3f} on {info.ann.sample:,} queries"
    told = {
        "index": info.path,
        "documents": f"{info.documents:,}",
        "chunks": f"{info.rows:,}, up to {info.chunk_tokens} tokens, {info.overlap} shared",
        "model": f"{info.model} ({info.fingerprint[:12]}), {info.dim} dimensions",
        "search": kind,
        "size": show.size(info.size_bytes),
        "made": f"{info.created} by vecloom {info.vecloom}",
        "fields": ", ".join(f"{name} ({kind})" for name, kind in info.fields.items()),
    }
    if info.languages:
        told["language"] = ", ".join(info.languages)
    if info.lacks:
        told["lacks"] = f"{info.lacks} Make the index again to have them found."
    if info.unsearchable:
        told["broken"] = f"{info.unsearchable:,} chunks have a vector that is not finite; vector search skips them"
    return told


def _only(inputs: tuple[str, ...], path: str | None) -> str:
    named = [*inputs, *([path] if path else [])]
    if len(named) != 1:
        raise click.UsageError("--info wants one index: vecloom index --info INDEX.")
    return named[0]
