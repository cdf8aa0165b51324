"""Atom and RSS: what a subscription, or any query, selects among the items of the last days. No HTTP, but what it has to say.

Items have ids that never change (RFC 4151 tag URIs of the desk's host, the day an item was added, and its number). The bytes
depend on the items alone, so that an ``ETag`` holds as long as they do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal, TypeAlias
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from vecloom.desk.items import Item, Library
from vecloom.desk.mail import Sender, shortened
from vecloom.desk.matching import Match, Matcher, matcher
from vecloom.desk.state import Desk
from vecloom.desk.subscriptions import Subscription, feed_token
from vecloom.search.results import Mode

Form: TypeAlias = Literal["atom", "rss"]
TYPES: dict[Form, str] = {"atom": "application/atom+xml; charset=utf-8", "rss": "application/rss+xml; charset=utf-8"}
DAYS = 30
MOST = 50
ATOM = "http://www.w3.org/2005/Atom"
DC = "http://purl.org/dc/elements/1.1/"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Feed:
    """A feed and its headers.

    Attributes:
        body: the XML.
        content_type: for ``Content-Type``.
        etag: for ``ETag``, with its quotes; answer 304 where ``If-None-Match`` names it.
        updated: seconds since 1970, for ``Last-Modified``: when its youngest item was added.
    """

    body: bytes
    content_type: str
    etag: str
    updated: int

    @property
    def last_modified(self) -> str:
        """``Last-Modified`` as HTTP writes it."""
        return format_datetime(datetime.fromtimestamp(self.updated, UTC), usegmt=True)

    def unchanged(self, if_none_match: str | None, if_modified_since: str | None) -> bool:
        """Whether a request with these headers is answered by 304; the first counts where both are there (RFC 9110)."""
        if if_none_match is not None:
            known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
            return "*" in known or self.etag in known
        if if_modified_since is None:
            return False
        from email.utils import parsedate_to_datetime

        try:
            return parsedate_to_datetime(if_modified_since).timestamp() >= self.updated
        except (TypeError, ValueError, OverflowError):
            return False


def of_subscription(
    desk: Desk, library: Library, sender: Sender, one: Subscription, now: int, form: Form = "atom"
) -> Feed:
    """The feed of a subscription, whether or not its mails were sent; its address carries ``feed_token``."""
    link = sender.link("f", f"{feed_token(desk, one.id, now)}.{form}")
    return _feed(desk, library, sender, one, link, now, form)


def of_query(
    desk: Desk,
    library: Library,
    sender: Sender,
    index_name: str,
    query: str,
    link: str,
    now: int,
    *,
    mode: Mode = "vector",
    filters: str = "",
    threshold: float = 0.35,
    form: Form = "atom",
) -> Feed:
    """The feed of any query over an index; ``link`` is the address under which it is given."""
    asked = Subscription(
        0, 0, "query", index_name, query, mode, filters, threshold, MOST, "weekly", 0, "UTC", True, 0, 0, now
    )
    return _feed(desk, library, sender, asked, link, now, form)


def _feed(desk: Desk, library: Library, sender: Sender, one: Subscription, link: str, now: int, form: Form) -> Feed:
    made = matcher(desk, library, [one], now, days=DAYS)
    found = made.select(replace(one, seen_item=0), fresh=False)[:MOST]
    found.sort(key=lambda match: (-match.item.added_at, -match.item.id))
    updated = max((match.item.added_at for match in found), default=one.created_at if one.id else 0)
    title = f"{one.name} · {one.index_name}"
    body = WRITERS[form](sender, title, link, updated, found, made)
    return Feed(body, TYPES[form], f'"{hashlib.sha256(body).hexdigest()[:32]}"', updated)


def item_id(sender: Sender, item: Item) -> str:
    """The tag URI of an item."""
    return f"tag:{sender.host},{_day(item.added_at)}:item/{item.id}"


def _atom(sender: Sender, title: str, link: str, updated: int, found: Sequence[Match], made: Matcher) -> bytes:
    register_namespace("", ATOM)
    root = Element(f"{{{ATOM}}}feed")
    _add(root, f"{{{ATOM}}}title", title)
    _add(root, f"{{{ATOM}}}id", link)
    _add(root, f"{{{ATOM}}}updated", _moment(updated))
    _add(root, f"{{{ATOM}}}author", "", {"name": sender.name})
    SubElement(root, f"{{{ATOM}}}link", rel="self", href=link)
    for match in found:
        item, entry = match.item, SubElement(root, f"{{{ATOM}}}entry")
        _add(entry, f"{{{ATOM}}}title", item.title)
        _add(entry, f"{{{ATOM}}}id", item_id(sender, item))
        _add(entry, f"{{{ATOM}}}updated", _moment(item.added_at))
        if item.published_at is not None:
            _add(entry, f"{{{ATOM}}}published", _moment(item.published_at))
        for name in filter(None, item.authors.split("; ")):
            _add(entry, f"{{{ATOM}}}author", "", {"name": name})
        if item.url:
            SubElement(entry, f"{{{ATOM}}}link", rel="alternate", href=_clean(item.url))
        _add(entry, f"{{{ATOM}}}summary", shortened(made.text(item)))
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _rss(sender: Sender, title: str, link: str, updated: int, found: Sequence[Match], made: Matcher) -> bytes:
    register_namespace("dc", DC)
    root = Element("rss", version="2.0")
    channel = SubElement(root, "channel")
    _add(channel, "title", title)
    _add(channel, "link", sender.base_url)
    _add(channel, "description", f"New papers: {title}")
    _add(channel, "lastBuildDate", format_datetime(datetime.fromtimestamp(updated, UTC)))
    for match in found:
        item, entry = match.item, SubElement(channel, "item")
        _add(entry, "title", item.title)
        if item.url:
            _add(entry, "link", item.url)
        SubElement(entry, "guid", isPermaLink="false").text = item_id(sender, item)
        _add(entry, "pubDate", format_datetime(datetime.fromtimestamp(item.dated, UTC)))
        for name in filter(None, item.authors.split("; ")):
            _add(entry, f"{{{DC}}}creator", name)
        _add(entry, "description", shortened(made.text(item)))
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


WRITERS = {"atom": _atom, "rss": _rss}


def _add(parent: Element, tag: str, text: str, children: dict[str, str] | None = None) -> None:
    made = SubElement(parent, tag)
    made.text = _clean(text) or None
    for name, value in (children or {}).items():
        SubElement(made, f"{{{ATOM}}}{name}").text = _clean(value)


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NOT_XML.sub("", text)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
