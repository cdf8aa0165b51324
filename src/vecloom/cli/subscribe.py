"""``vecloom subscribe``: be told of new papers, by mail and as a feed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.cli.desk_options import desk_option, now, opened

if TYPE_CHECKING:
    from vecloom.desk.state import Desk
    from vecloom.desk.subscriptions import Subscription


@click.command(short_help="Be told of new papers, by mail and as a feed.")
@click.argument("index")
@click.argument("query", required=False, default="")
@click.option(
    "--kind",
    type=click.Choice(["query", "tag", "for-you", "trending"]),
    default="query",
    show_default=True,
    help="What answers QUERY; what is like the papers tagged QUERY; like all that you kept; what trends.",
)
@click.option("--email", metavar="ADDRESS", help="Where mails go; it is asked to agree first.")
@click.option("--period", type=click.Choice(["daily", "weekly"]), default="daily", show_default=True, help="How often.")
@click.option("--hour", type=click.IntRange(0, 23), default=8, show_default=True, help="From which hour on.")
@click.option("--timezone", default="UTC", show_default=True, help="Whose hours, as in Europe/Berlin.")
@click.option("--threshold", type=float, help="Least score.  [default: 0.35 for a query, else 0]")
@click.option("--most", type=click.IntRange(1, 100), default=10, show_default=True, help="Most papers in a mail.")
@click.option(
    "--mode",
    type=click.Choice(["vector", "keyword", "hybrid"]),
    default="vector",
    show_default=True,
    help="By meaning, by words, or by both; for vector and hybrid the threshold is a cosine.",
)
@click.option("--where", metavar="FILTER", default="", help="Only among these, as in \"categories LIKE '%cs.CL%'\".")
@click.option("--list", "list_all", is_flag=True, help="Only list the subscriptions.")
@click.option("--remove", metavar="N|TOKEN", help="Remove a subscription, or stop the mails of an unsubscribe link.")
@click.option("--confirm", metavar="TOKEN", help="Agree to mails, with the last part of the link that was sent.")
@desk_option
@options.json_option
@options.debug_option
def subscribe(
    index: str,
    query: str,
    list_all: bool,
    remove: str | None,
    confirm: str | None,
    desk_path: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Be told of new papers in INDEX.

    'vecloom digest --send' sends what is due. The first address belongs to the one who uses this desk, whose saved papers
    count for --kind for-you and tag; further ones are further readers. An address gets one mail that asks, and nothing else
    before its owner has followed the link. Without an address there is a feed: 'vecloom digest --feeds FOLDER'.

    \b
    Examples:
      vecloom subscribe papers.index "text embedding" --email ann@example.org --timezone Europe/Berlin
      vecloom subscribe papers.index --kind trending --period weekly --most 20
      vecloom subscribe papers.index --list
      vecloom subscribe papers.index --remove 2
    """  # noqa: D301 - click wants the character \b, not a backslash
    desk, library = opened([index], desk_path)
    if list_all:
        _show([described(desk, one) for one in _every(desk)], as_json, as_rows)
    elif remove:
        _show(removed(desk, remove), as_json, lambda told: f"Subscription {told['id']} is {told['state']}.")
    elif confirm:
        from vecloom.desk.readers import confirm as agree

        told = {"email": agree(desk, confirm, now()).email, "confirmed": True}
        _show(told, as_json, lambda told: f"{told['email']} gets mails from now on.")
    else:
        for source in library.values() if given["where"] else ():
            source.select(given["where"])  # a filter that does not fit is told now, not by the first run
        _show(described(desk, made(desk, index, query, **given)), as_json, sentence)


def made(
    desk: Desk, index: str, query: str, *, kind: str, email: str | None, most: int, where: str, **given: Any
) -> Subscription:
    """Make the subscription, and its reader where an address is new."""
    from vecloom.desk import readers, subscriptions
    from vecloom.desk.sources import name_of

    reader = readers.local(desk)
    if email:
        from vecloom.desk.smtp import sender_settings

        first = reader.email is None or reader.email.lower() == email.strip().lower()
        reader = readers.enrol(desk, sender_settings(), email, now(), as_local=first)
    return subscriptions.subscribe(
        desk,
        reader.id,
        name_of(index),
        kind.replace("-", "_"),  # type: ignore[arg-type]
        query,
        now=now(),
        max_items=most,
        filters=where,
        **given,
    )


def removed(desk: Desk, what: str) -> dict[str, Any]:
    """Remove a subscription by number, or do what an unsubscribe link does."""
    from vecloom.desk import subscriptions
    from vecloom.errors import UsageError

    if "." in what:
        return {"id": subscriptions.unsubscribe(desk, what, now()), "state": "stopped"}
    if not what.isdecimal() or not subscriptions.remove(desk, int(what)):
        raise UsageError(f"There is no subscription {what}.", "Ask for them with --list.")
    return {"id": int(what), "state": "removed"}


def _every(desk: Desk) -> list[Subscription]:
    from vecloom.desk.subscriptions import every

    return every(desk)


def described(desk: Desk, one: Subscription) -> dict[str, Any]:
    """A subscription with its reader's address."""
    from vecloom.desk.readers import get

    reader = get(desk, one.reader_id)
    return {**asdict(one), "email": reader.email, "confirmed": reader.confirmed_at is not None}


def sentence(told: dict[str, Any]) -> str:
    """What was made, and what has to happen next."""
    name = told["query"] or told["kind"].replace("_", " ")
    what = f"Subscription {told['id']}: {name} in {told['index_name']}, {told['period']}."
    if told["email"] is None:
        return f"{what}\nIt has no address: read its feed, made by: vecloom digest INDEX --feeds FOLDER"
    if not told["confirmed"]:
        return f"{what}\n{told['email']} has to agree first; 'vecloom digest INDEX --send' sends the question."
    return f"{what}\n{told['email']} gets it from {told['hour']}:00 {told['timezone']} on."


def as_rows(found: list[dict[str, Any]]) -> str:
    """Subscriptions in columns."""
    if not found:
        return "There are no subscriptions."
    rows = [
        (
            str(one["id"]),
            one["kind"].replace("_", " "),
            one["query"] or "-",
            one["index_name"],
            f"{one['period']} {one['hour']}:00 {one['timezone']}",
            one["email"] or "-",
            _state(one),
        )
        for one in found
    ]
    return show.columns(rows, ("id", "kind", "query or tag", "index", "when", "reader", "mails"))


def _state(one: dict[str, Any]) -> str:
    if not one["active"]:
        return "stopped"
    return "no address" if one["email"] is None else "on" if one["confirmed"] else "not confirmed"


def _show(value: Any, as_json: bool, written: Any) -> None:
    if as_json:
        show.as_json(value)
    else:
        show.echo(written(value))
