"""``vecloom delete``: take documents out of an index."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from vecloom.cli import options, show

if TYPE_CHECKING:
    from vecloom.search import Index

NAMED = 5  # ids in a sentence


@click.command(short_help="Take documents out of an index.")
@click.argument("index")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--where", metavar="FILTER", help='All documents that it selects, as in "year < 2000".')
@click.option("--yes", is_flag=True, help="Do not ask before a filter's documents are removed.")
@options.json_option
@options.debug_option
def delete(index: str, ids: tuple[str, ...], where: str | None, yes: bool, as_json: bool) -> None:
    """Remove documents from INDEX: those named by ID, or all that a filter selects.

    The files that they were read from stay. Before a filter removes anything, you are told how many documents it selects and
    asked; without a terminal to ask on, --yes is needed. If an ID is not in the index, nothing is removed.

    \b
    Examples:
      vecloom delete docs.index notes/old.md notes/older.md
      vecloom delete news.index --where "year < 2000"
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.search import Index

    if bool(ids) == (where is not None):
        raise click.UsageError("Delete what? Give either IDs or --where FILTER.")
    opened = Index.open(index)
    if where is None:
        check_ids(opened, ids)
        removed = opened.delete(list(dict.fromkeys(ids)))
    else:
        count = opened.count(where)
        if count and not yes and not allowed(count):
            raise click.Abort
        removed = opened.delete(where=where) if count else 0
    if as_json:
        show.as_json({"removed": removed})
    else:
        show.echo(f"{index}: {show.count(removed, 'document')} removed.")


def check_ids(opened: Index, ids: tuple[str, ...]) -> None:
    """Check that all are in the index.

    Raises:
        DocumentNotFoundError: some are not; nothing was removed.
    """
    from vecloom.errors import DocumentNotFoundError

    missing = [name for name in dict.fromkeys(ids) if not opened.holds(name)]
    if missing:
        named = ", ".join(map(repr, missing[:NAMED])) + (", ..." if len(missing) > NAMED else "")
        told = f"{show.count(len(missing), 'document')} not in {opened.path}: {named}. Nothing was removed."
        raise DocumentNotFoundError(told, "IDs are those that 'vecloom search' shows, without the # and what follows.")


def allowed(count: int) -> bool:
    """Ask, on a terminal.

    Raises:
        click.UsageError: there is nobody to ask.
    """
    what = f"The filter selects {show.count(count, 'document')}."
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what} Add --yes to remove {'it' if count == 1 else 'them'}.")
    return click.confirm(f"{what} Remove {'it' if count == 1 else 'them'}?", err=True)
