"""``vecloom digest``: compose what subscribers wait for, and send, show or write it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.cli.desk_options import desk_option, now, opened

if TYPE_CHECKING:
    from vecloom.desk.digests import Composed, Report
    from vecloom.desk.items import Item, Library
    from vecloom.desk.mail import Sender
    from vecloom.desk.state import Desk


@click.command(short_help="Send new papers to subscribers, by mail and as feeds.")
@click.argument("indexes", nargs=-1, required=True, metavar="INDEX...")
@click.option("--send", is_flag=True, help="Send what is due and what waits.")
@click.option("--preview", is_flag=True, help="Show what would be sent if all were due now; send nothing.")
@click.option("--feeds", metavar="FOLDER", help="Write an Atom and an RSS file of each subscription.")
@click.option("--only", type=int, metavar="N", help="With --preview: only this subscription.")
@click.option("-o", "--output", metavar="FOLDER", help="With --preview: write whole mails (.eml) there.")
@desk_option
@options.speed_options
@options.json_option
@options.debug_option
def digest(
    indexes: tuple[str, ...],
    send: bool,
    preview: bool,
    feeds: str | None,
    only: int | None,
    output: str | None,
    desk_path: str | None,
    as_json: bool,
    **model: Any,
) -> None:
    """Tell subscribers of new papers in INDEX.

    Run it as often as you like, say every hour: each subscription gets one mail a period, and no reader the same paper
    twice. What could not be sent waits for the next run. Settings: VECLOOM_MAIL_FROM, VECLOOM_BASE_URL (where the desk is
    served), VECLOOM_SMTP_HOST, _PORT, _SECURITY (starttls, tls or none), _USER, _PASSWORD.

    \b
    Examples:
      vecloom digest papers.index --send
      vecloom digest papers.index --preview --only 1
      vecloom digest papers.index --feeds public/feeds
    """  # noqa: D301 - click wants the character \b, not a backslash
    if send + preview + (feeds is not None) != 1:
        raise click.UsageError("What is to be done? Give one of --send, --preview and --feeds FOLDER.")
    if not preview and (only is not None or output):
        raise click.UsageError("--only and --output go with --preview.")
    sender = _sender(needed=send)
    desk, library = opened(indexes, desk_path, in_step=feeds is not None, **model)
    if send:
        report = sent(desk, library, sender)
        show.as_json(asdict(report)) if as_json else show.echo(sentences(report))
    elif preview:
        from vecloom.desk.digests import preview as compose

        _show_preview(compose(desk, library, sender, now(), only), output, as_json)
    else:
        paths = write_feeds(desk, library, sender, Path(str(feeds)))
        show.as_json({"written": paths}) if as_json else show.echo("\n".join(paths) or "There are no subscriptions.")


def _sender(*, needed: bool) -> Sender:
    """Who sends; a preview and feeds of a desk that is not served yet get a place on this machine."""
    import os

    from vecloom.desk.smtp import sender_settings

    here = {} if needed else {"VECLOOM_MAIL_FROM": "desk@localhost", "VECLOOM_BASE_URL": "http://localhost:8080"}
    return sender_settings({**here, **os.environ})


def sent(desk: Desk, library: Library, sender: Sender) -> Report:
    """One run."""
    from vecloom.desk.digests import run
    from vecloom.desk.smtp import Smtp, smtp_settings

    return run(desk, library, sender, Smtp(smtp_settings(), sender.address), now())


def sentences(report: Report) -> str:
    """What a run did."""
    counts = {
        "sent": report.sent,
        "to be tried again": report.later,
        "refused": report.failed,
        "dropped": report.dropped,
        "subscriptions paused": report.paused,
    }
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing to send"
    head = f"{show.count(report.due, 'subscription')} due, {show.count(report.composed, 'digest')} written; {told}."
    return "\n".join([head, *(f"  {note}" for note in report.notes)])


def _show_preview(found: list[Composed], output: str | None, as_json: bool) -> None:
    if output:
        from vecloom.files import atomic_path

        for made in found:
            if made.content:
                with atomic_path(Path(output, f"subscription-{made.subscription.id}.eml")) as path:
                    path.write_bytes(made.content)
    if as_json:
        show.as_json([as_record(made) for made in found])
    else:
        show.echo("\n\n".join(map(as_text, found)) or "There are no subscriptions.")


def as_record(made: Composed) -> dict[str, Any]:
    """A digest for programs."""
    papers = [
        {"id": match.item.doc_id, "title": match.item.title, "score": match.score, "reason": match.reason}
        for match in made.matches
    ]
    told = {"subscription": made.subscription.id, "recipient": made.recipient, "papers": papers}
    return {**told, "trouble": made.trouble} if made.trouble else told


def as_text(made: Composed) -> str:
    """A digest as a text reader shows it, with the scores, by which one sets a threshold."""
    import email
    import email.policy

    one = made.subscription
    head = f"Subscription {one.id} ({one.name}, threshold {one.threshold:g}) to {made.recipient}"
    if made.trouble:
        return f"{head}: {made.trouble}"
    if not made.matches:
        return f"{head}: nothing new."
    letter = email.message_from_bytes(made.content, policy=email.policy.default)
    scores = [f"{match.score:.3f}  {match.item.title}" for match in made.matches]
    body = letter.get_body(("plain",))
    return "\n".join(
        [head, *scores, "", f"Subject: {letter['Subject']}", "", body.get_content().rstrip() if body else ""]
    )


def write_feeds(desk: Desk, library: Library, sender: Sender, folder: Path) -> list[str]:
    """Write the feeds of all subscriptions over these indexes, each file only where it changed; their paths."""
    from vecloom.desk.feeds import TYPES, Publisher, of_subscription
    from vecloom.desk.subscriptions import every, feed_token
    from vecloom.errors import FilterError, FilterTimeError
    from vecloom.files import atomic_path
    from vecloom.serve.page.question import document_url

    home = sender.base_url.rstrip("/")

    def page_of(item: Item) -> str:
        return f"{home}{document_url(item.index_name, item.doc_id)}"

    paths = []
    for one in every(desk):
        if one.index_name not in library:
            continue
        for form in TYPES:
            path = folder / f"{one.index_name}-{one.id}.{form}"
            address = sender.link("f", f"{feed_token(desk, one.id, now())}.{form}")
            publisher = Publisher(sender.name, sender.host, f"{home}/", address, page_of)
            try:
                body = of_subscription(desk, library, publisher, one, now(), form).body
            except (FilterError, FilterTimeError) as error:  # the other feeds are written all the same
                show.echo(f"Subscription {one.id} has no feed: {error.what}", err=True)
                break
            if not path.exists() or path.read_bytes() != body:
                with atomic_path(path) as temporary:
                    temporary.write_bytes(body)
            paths.append(str(path))
    return paths
