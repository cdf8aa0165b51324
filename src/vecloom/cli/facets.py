"""``vecloom facets``: what the fields of an index hold, and how many documents have each value."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click

from vecloom.cli import options, show

MOST = 20  # values of a field that are printed for people
WIDEST = 60  # characters of a value


@click.command(short_help="Values of an index's fields, counted.")
@click.argument("index")
@click.argument("fields", nargs=-1, metavar="[FIELD]...")
@click.option("--where", metavar="FILTER", help='Count only documents that it selects, as in "year > 2020".')
@options.json_option
@options.debug_option
def facets(index: str, fields: tuple[str, ...], where: str | None, as_json: bool) -> None:
    """Count the documents of INDEX by the values of their fields, the most frequent first.

    Without FIELD, the fields that sort documents into few groups are listed. A list counts for each of its members. Names and
    values can be used in --where; 'vecloom index --info INDEX' lists all fields.

    \b
    Examples:
      vecloom facets papers.index
      vecloom facets papers.index year tags --where "lang = 'en'"
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.search import Index

    opened = Index.open(index)
    check_fields(fields, opened.fields)
    found = opened.facets(list(fields) or None, where=where)
    if as_json:
        counted = {name: [{"value": value, "count": count} for value, count in pairs] for name, pairs in found.items()}
        show.as_json(counted)
        return
    blocks = [_block(name, pairs) for name, pairs in found.items()]
    show.echo(
        "\n\n".join(blocks) or "No field sorts the documents into few groups. Name a field to count it all the same."
    )


def check_fields(wanted: Sequence[str], known: Sequence[str]) -> None:
    """Check that the fields are there.

    Raises:
        click.UsageError: one is not; close names are offered.
    """
    for name in wanted:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=2) or sorted(known)
            hint = f"Did you mean {' or '.join(close)}?" if len(close) <= 2 else f"The fields are {', '.join(close)}."
            raise click.UsageError(f"There is no field {name!r}. {hint if known else 'The index has none.'}")


def _block(name: str, pairs: Sequence[tuple[object, int]]) -> str:
    rows = [(f"  {count:,}", _cell(value)) for value, count in pairs[:MOST]]
    more = len(pairs) - MOST
    tail = [f"  and {show.count(more, 'more value')}"] if more > 0 else []
    return "\n".join([name, *([show.columns(rows)] if rows else ["  no document has it"]), *tail])


def _cell(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else " ".join(str(value).split())
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
