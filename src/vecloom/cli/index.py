"""``vecloom index``: make files searchable, keep an index up to date, say what is inside one."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import index_vectors, index_watch, options, show, unread
from vecloom.cli.progress import bar
from vecloom.errors import VecloomError
from vecloom.wording import MOST_NAMES, counted, have, some

if TYPE_CHECKING:
    from vecloom.data import Document, ReadReport
    from vecloom.data.context import Context, Source
    from vecloom.data.selection import Selection
    from vecloom.encoders.protocol import Encoder
    from vecloom.search import Index, IndexInfo


@click.command(short_help="Make files searchable, or say what an index holds.")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("-i", "--index", "path", metavar="INDEX", help="Folder of the index; made where there is none.")
@options.model_option
@options.reading_options
@options.selection_options
@click.option(
    "--vectors",
    metavar="COLUMN",
    help="Take the documents' vectors from this column and encode nothing; they must come from the model of -m.",
)
@click.option("--delete-missing", is_flag=True, help="Remove documents of INPUT that are not there any more.")
@click.option("--yes", is_flag=True, help="Remove them without asking, also if they are more than a fifth.")
@click.option(
    "--watch", is_flag=True, help="Stay, and follow every change of INPUT until Ctrl-C; removes what is gone, too."
)
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

    INPUT is any number of files, folders, globs, or - for standard input: txt, log, md, rst, html, py, ipynb, epub, pptx,
    odt, eml, emlx, mbox, json, jsonl, csv, tsv, parquet, and with the extra [files] pdf, docx, xlsx, ods and rtf. Long
    documents are cut into chunks. Called again, it adds what is new and replaces what has changed; what is
    there already is not encoded again.

    In folders, text of any other suffix is read if it is prose; hidden, binary and other files are counted and named, and
    an index is never read. A file is one document, however it is spelled or linked. --delete-missing looks only at
    INPUT, and asks (or wants --yes) before more than a fifth of the documents there go.

    --vectors COLUMN is for records whose vectors are made already: lists of numbers, as many as the model of -m has
    dimensions, and made by that model, because it encodes the queries. Each record becomes one chunk.

    \b
    Examples:
      vecloom index docs/ -i docs.index
      vecloom index articles.csv --field text=body --field title=headline -i news.index
      vecloom index docs/ -i docs.index --delete-missing --exclude drafts/
      vecloom index docs/ -i docs.index --watch
      vecloom index made.parquet --vectors embedding -m minilm -i made.index
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
    delete_missing: bool,
    language: str | None,
    yes: bool,
    watch: bool,
    vectors: str | None,
    **reading: Any,
) -> None:
    """Read, add, remove what is gone, and show what was done."""
    from vecloom import load
    from vecloom.data.sources import check_inputs

    check_inputs(inputs)
    selection, context = opened_reading(**reading)
    if watch:
        index_watch.check_extra()
        index_watch.folders_of(inputs)
    encoder = load(model, backend=backend, threads=threads)
    context = index_vectors.with_column(context, vectors, encoder)
    unsure = vectors is not None and not is_there(path)  # no index is made for vectors of another model
    if watch:
        if unsure:
            index_vectors.check_first(inputs, selection, context)
        follow(open_or_create(path, encoder, chunk_tokens, overlap), inputs, selection, context, yes, as_json, language)
        return
    started, report = time.perf_counter(), context.report
    with to_fill(path, encoder, chunk_tokens, overlap) as opened, bar("Indexing", inputs, report, selection) as drawn:
        emptied = delete_missing and yes and not selection.include and not selection.exclude
        found = find_again(opened, inputs, selection, report, allow_empty=emptied)
        documents = read_sources_of(found, context)
        if unsure:
            documents = index_vectors.looked_at(documents)
        noted = unread.Noted(documents)
        added = opened.add(noted, language=language, progress=drawn.advance, build_progress=drawn.build)
    removal = remove_missing(opened, inputs, added.seen, report, yes) if delete_missing else Removal()
    done = {name: value for name, value in asdict(added).items() if name != "seen"} | {"removed": removal.removed}
    done["truncated"] = int(getattr(encoder, "truncated", 0))
    done["seconds"] = round(time.perf_counter() - started, 3)
    show.columns_read(report)
    if added.chunks and (note := unread.told(encoder, noted.texts)):
        show.echo(f"Note: {note}", err=True)
    if as_json:
        show.as_json({"index": path, **done, "kept_missing": removal.kept, "read": report.as_dict()})
    else:
        show.echo("\n".join([*sentences(path, done, report), *([f"  {removal.said}"] if removal.said else [])]))
    if removal.refused:
        raise VecloomError(removal.said, "Look whether a folder is empty or not mounted; --yes removes them.")


def opened_reading(
    *,
    fields: tuple[str, ...],
    lines: bool,
    skip_bad: bool,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
) -> tuple[Selection, Context]:
    """How to read, as the options say it."""
    from vecloom.data import FieldMap
    from vecloom.data.context import Context
    from vecloom.data.selection import Selection

    return Selection(include, exclude), Context(FieldMap.parse(list(fields)), skip_bad, lines)


def find_again(
    opened: Index | None, inputs: tuple[str, ...], selection: Selection, report: ReadReport, *, allow_empty: bool
) -> Iterator[Source]:
    """The files to read, by the names that the index knows them by, if there is one."""
    from vecloom.data.sources import find, known_files

    known = known_files(opened.sources() if opened is not None else ())
    return find(inputs, report, selection=selection, known=known, allow_empty=allow_empty)


def read_sources_of(found: Iterator[Source], context: Context) -> Iterator[Document]:
    """Their documents."""
    from vecloom.data.reader import read_sources

    return read_sources(found, context)


@dataclass(frozen=True)
class Removal:
    """What became of documents that are not there any more.

    Attributes:
        removed: how many are gone from the index.
        kept: how many stay though they are missing.
        said: why they stay.
        refused: they stay because nobody agreed.
    """

    removed: int = 0
    kept: int = 0
    said: str = ""
    refused: bool = False


def remove_missing(
    opened: Index, inputs: tuple[str, ...], seen: Collection[str], report: ReadReport, yes: bool
) -> Removal:
    """Remove the documents of ``inputs`` that did not come by; ask where they are many."""
    from vecloom.data.sources import covers

    lost = report.unreadable + report.bad_records + report.missing_extras
    gone, there = opened.missing(seen, covers(inputs))
    if lost:
        inputs_lost = counted(lost, "input")
        why = f"nothing was removed, because {inputs_lost} could not be read and may still exist"
        return Removal(0, len(gone), why)
    told = f"{counted(len(gone), 'document')} of {there:,} there would be removed ({some(gone)})"
    if MANY * len(gone) > there and not yes and not _agreed(told):
        return Removal(0, len(gone), f"nothing was removed: {told}", refused=True)
    return Removal(opened.delete(gone) if gone else 0)


def _agreed(told: str) -> bool:
    return sys.stdin.isatty() and click.confirm(f"{told}. Remove them?", err=True)


def follow(
    opened: Index,
    inputs: tuple[str, ...],
    selection: Selection,
    context: Context,
    yes: bool,
    as_json: bool,
    language: str | None,
) -> None:
    """Add what is there, then follow every change until the process is told to stop."""

    def told(done: dict[str, int]) -> None:
        if as_json:
            show.as_json({"index": str(opened.path), **done})
        else:
            show.echo(f"{opened.path}: {counts_of(done)}.")
        sys.stdout.flush()

    def find_now() -> tuple[list[Source], Context]:
        now = replace(context, report=ReadReport())
        return list(find_again(opened, inputs, selection, now.report, allow_empty=True)), now

    from vecloom.data import ReadReport

    with index_watch.stopped_by_signals() as stop:
        follower = index_watch.Follower(opened, inputs, find_now, yes, stop, language)
        done = follower.look()
        seen = set[str]().union(*follower.ids.values())
        if not stop.is_set() and follower.report is not None:
            first = remove_missing(opened, inputs, seen, follower.report, yes)
            told(done | {"removed": done["removed"] + first.removed})
            if first.said:
                show.echo(f"  {first.said}; --yes removes them", err=True)
            show.echo(f"Watching {', '.join(inputs)}; stop with Ctrl-C.", err=True)
        index_watch.follow(follower, inputs, told)
    show.echo("Stopped; the index is complete up to the last change that was named.", err=True)


@contextmanager
def to_fill(
    path: str, encoder: Encoder, chunk_tokens: int | None = None, overlap: int | None = None
) -> Iterator[Index]:
    """Open the index, or make it; one that is made here goes away again if a failure leaves it empty."""
    made = not (Path(path) / "index.json").exists()
    opened = open_or_create(path, encoder, chunk_tokens, overlap)
    try:
        yield opened
    except BaseException:
        if made:
            with suppress(VecloomError):  # the failure itself is what matters
                opened.discard_if_empty()
        raise


def open_or_create(path: str, encoder: Encoder, chunk_tokens: int | None, overlap: int | None) -> Index:
    """Open the index, or make it where there is none.

    Raises:
        UsageError: other chunk sizes are asked for than the index has.
    """
    from vecloom.errors import UsageError
    from vecloom.search import Index

    asked = {"chunk_tokens": chunk_tokens, "overlap": overlap}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if not is_there(path):
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


def is_there(path: str) -> bool:
    """Whether the folder is an index."""
    return (Path(path) / "index.json").exists()


def sentences(path: str, done: dict[str, Any], report: ReadReport) -> list[str]:
    """Say what was done: one line of counts, one of time, one of what was read."""
    rate = report.documents / done["seconds"] if done["seconds"] else 0.0
    notes = [
        f"{show.count(done['chunks'], 'chunk')} written in {done['seconds']:,.1f} s, {rate:,.0f} documents/s",
        f"{show.count(done['truncated'], 'text')} cut to the model's length" if done["truncated"] else "",
        f"without text and title: {some(done['empty_ids'], done['empty'])}" if done["empty"] else "",
        f"{show.count(done['repeated'], 'document')} with an id that came before, the last of each is kept: "
        f"{some(done['repeated_ids'], max(len(done['repeated_ids']), 0))}"
        if done["repeated"]
        else "",
        f"read {report.summary()}",
        *report.notes[:MOST_NAMES],
    ]
    return [f"{path}: {counts_of(done)}.", *(f"  {note}" for note in notes if note)]


def counts_of(done: dict[str, Any]) -> str:
    """What was done, by count; new documents are named even if there are none."""
    new = f"{counted(done['added'], 'document')} new"
    return ", ".join([new, *(f"{done[name]:,} {word}" for name, word in COUNTS.items() if done.get(name))])


COUNTS = {
    "replaced": "replaced",
    "unchanged": "unchanged",
    "removed": "removed",
    "empty": "without text and title, left out",
}
"""What is counted, and how it is called."""
MANY = 5  # one in so many may be removed without a question


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
        kind = f"ann: graph over {counted(info.ann.rows, 'row')}, recall@10 {info.ann.recall:.3f} on {info.ann.sample:,} queries"
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
        told["broken"] = (
            f"{counted(info.unsearchable, 'chunk')} {have(info.unsearchable)} a vector that is not finite and not searched"
        )
    return told


def _only(inputs: tuple[str, ...], path: str | None) -> str:
    named = [*inputs, *([path] if path else [])]
    if len(named) != 1:
        raise click.UsageError("--info wants one index: vecloom index --info INDEX.")
    return named[0]
