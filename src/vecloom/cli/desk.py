"""``vecloom desk``: papers by trend, date or taste, and what you think of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.cli.desk_options import desk_option, now, opened
from vecloom.control_characters import visible

if TYPE_CHECKING:
    from vecloom.desk.listing import Entry
    from vecloom.desk.state import Desk


@click.command(short_help="Papers by trend, date or taste; save, up-vote, tag and hide them.")
@click.argument("index")
@click.argument("query", required=False, default="")
@click.option(
    "--sort",
    type=click.Choice(["relevance", "date", "trending", "for-you"]),
    help="By what.  [default: relevance with QUERY, else trending]",
)
@click.option("--similar", metavar="ID", help="Papers like this one instead.")
@click.option("--save", multiple=True, metavar="ID", help="Keep a paper; 'for-you' learns from it.")
@click.option("--upvote", multiple=True, metavar="ID", help="Vote for a paper.")
@click.option("--hide", multiple=True, metavar="ID", help="Never show a paper again.")
@click.option("--tag", "tags", multiple=True, metavar="ID=NAME", help="Give a paper a tag.")
@click.option("--undo", is_flag=True, help="Take the marks back that the options before name.")
@click.option("--where", metavar="FILTER", help="Only among these, as in \"categories LIKE '%cs.CL%'\".")
@click.option("-k", "--papers", "k", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@desk_option
@options.speed_options
@options.json_option
@options.debug_option
def desk(
    index: str,
    query: str,
    sort: str | None,
    similar: str | None,
    save: tuple[str, ...],
    upvote: tuple[str, ...],
    hide: tuple[str, ...],
    tags: tuple[str, ...],
    undo: bool,
    where: str | None,
    k: int,
    desk_path: str | None,
    as_json: bool,
    **model: Any,
) -> None:
    """List papers of INDEX, or mark some.

    ID is what a list shows. Trending is interest (views, saves, up-votes) that fades with age; for-you is learnt from what you
    saved, up-voted and tagged. Everything is kept in the desk's file and nowhere else.

    \b
    Examples:
      vecloom desk papers.index --sort trending
      vecloom desk papers.index --save 2410.15035 --tag 2410.15035=embeddings
      vecloom desk papers.index --sort for-you -k 10
      vecloom desk papers.index --similar 2410.15035
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.desk import listing
    from vecloom.desk.migrations import LOCAL_READER
    from vecloom.desk.sources import name_of

    state, library = opened([index], desk_path, **model)
    name = name_of(index)
    wanted = {"save": save, "upvote": upvote, "hide": hide}
    if any(wanted.values()) or tags:
        done = marked(state, name, wanted, tags, undo)
        show.as_json(done) if as_json else show.echo("\n".join(f"{one['id']}: {one['mark']}" for one in done))
        return
    if similar:
        found = listing.similar(state, library, name, similar, LOCAL_READER, limit=k)
    else:
        order: Any = (sort or ("relevance" if query else "trending")).replace("-", "_")
        found = listing.listing(
            state, library, name, LOCAL_READER, now(), query=query, sort=order, where=where, limit=k
        )
    show.as_json([asdict(entry) for entry in found]) if as_json else show.styled(readable(found))


def marked(
    state: Desk, name: str, wanted: dict[str, tuple[str, ...]], tags: tuple[str, ...], undo: bool
) -> list[dict[str, str]]:
    """Mark papers, or take marks back; what was done."""
    from vecloom.desk import marks
    from vecloom.desk.items import find
    from vecloom.desk.migrations import LOCAL_READER

    done = []
    for kind, ids in wanted.items():
        for doc_id in ids:
            item = find(state, name, doc_id)
            if undo:
                marks.unmark(state, LOCAL_READER, item.id, kind)  # type: ignore[arg-type]
            else:
                marks.mark(state, LOCAL_READER, item.id, kind, now())  # type: ignore[arg-type]
            done.append({"id": doc_id, "mark": f"no {kind}" if undo else kind})
    for given in tags:
        doc_id, equals, tag = given.rpartition("=")
        if not equals:
            raise click.UsageError(f"--tag {given} is not ID=NAME.")
        item = find(state, name, doc_id)
        if undo:
            marks.untag(state, LOCAL_READER, item.id, tag)
        else:
            tag = marks.tag(state, LOCAL_READER, item.id, tag)
        done.append({"id": doc_id, "mark": f"{'no ' if undo else ''}tag {tag}"})
    return done


def readable(found: list[Entry]) -> str:
    """A list for people: title, id and date, marks, and why."""
    from datetime import UTC, datetime

    lines = []
    for rank, entry in enumerate(found, start=1):
        published = entry.item.published_at
        date = datetime.fromtimestamp(published, UTC).date().isoformat() if published is not None else ""
        mine = [name for name in ("saved", "upvoted") if getattr(entry.marks, name)] + list(entry.marks.tags)
        lines.append(f"{rank:>3}. {show.bold(entry.item.title)}")
        place = "  ".join(filter(None, [entry.item.doc_id, date, f"{entry.score:.4g}", *mine]))
        lines += [f"     {visible(one)}" for one in (place, entry.reason) if one]
    return "\n".join(lines) or "There is nothing to list."
