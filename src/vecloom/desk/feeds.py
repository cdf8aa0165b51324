"""Atom and RSS: what a subscription, or any query, selects among the items of the last days. No HTTP, but what it has to say.

Items have ids that never change (RFC 4151 tag URIs of the desk's host, the day an item was added, and its number). The bytes
depend on the items and the address alone, so that an ``ETag`` holds as long as they do. An item without an address of its own
links to its page on the server: RFC 4287, section 4.1.2, wants a link or content in every entry.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal, TypeAlias
from xml.etree.ElementTree import Element, SubElement, tostring

from vecloom.desk.items import Item, Library
from vecloom.desk.mail import one_line, shortened, web_address
from vecloom.desk.matching import Match, Matcher, matcher
from vecloom.desk.state import Desk
from vecloom.desk.subscriptions import Subscription
from vecloom.search.results import Mode

Form: TypeAlias = Literal["atom", "rss"]
TYPES: dict[Form, str] = {"atom": "application/atom+xml; charset=utf-8", "rss": "application/rss+xml; charset=utf-8"}
DAYS = 30
MOST = 50
ATOM = "http://www.w3.org/2005/Atom"
DC = "http://purl.org/dc/elements/1.1/"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Publisher:
    """Who gives a feed, and where it is.

    Attributes:
        name: the author's name.
        host: the domain in the items' ids; it must not change.
        home: the server's address.
        address: the feed's own address, as it was asked.
        page: the address of an item's page on the server; "" if it has none.
    """

    name: str
    host: str
    home: str
    address: str
    page: Callable[[Item], str]


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
    desk: Desk, library: Library, publisher: Publisher, one: Subscription, now: int, form: Form = "atom"
) -> Feed:
    """The feed of a subscription, whether or not its mails were sent; its address carries ``subscriptions.feed_token``."""
    return _feed(desk, library, publisher, one, now, form)


def of_query(
    desk: Desk,
    library: Library,
    publisher: Publisher,
    index_name: str,
    query: str,
    now: int,
    *,
    mode: Mode = "vector",
    filters: str = "",
    threshold: float = 0.35,
    form: Form = "atom",
) -> Feed:
    """The feed of any query over an index."""
    asked = Subscription(
        0, 0, "query", index_name, query, mode, filters, threshold, MOST, "weekly", 0, "UTC", True, 0, 0, now
    )
    return _feed(desk, library, publisher, asked, now, form)


def _feed(desk: Desk, library: Library, publisher: Publisher, one: Subscription, now: int, form: Form) -> Feed:
    made = matcher(desk, library, [one], now, days=DAYS)
    found = made.select(replace(one, seen_item=0), fresh=False)[:MOST]
    found.sort(key=lambda match: (match.item.published_at is None, -match.item.added_at, -match.item.id))
    updated = max((match.item.added_at for match in found), default=one.created_at if one.id else 0)
    title = f"{one.name} · {one.index_name}"
    body = WRITERS[form](publisher, title, updated, found, made)
    return Feed(body, TYPES[form], f'"{hashlib.sha256(body).hexdigest()[:32]}"', updated)


def item_id(publisher: Publisher, item: Item) -> str:
    """The tag URI of an item."""
    return f"tag:{publisher.host},{_day(item.added_at)}:item/{item.id}"


def _atom(publisher: Publisher, title: str, updated: int, found: Sequence[Match], made: Matcher) -> bytes:
    root = Element("feed", {"xmlns": ATOM})
    _add(root, "title", title)
    _add(root, "id", publisher.address)
    _add(root, "updated", _moment(updated))
    _author(root, publisher.name)
    SubElement(root, "link", rel="self", type="application/atom+xml", href=web_address(publisher.address))
    SubElement(root, "link", rel="alternate", type="text/html", href=web_address(publisher.home))
    for match in found:
        item, entry = match.item, SubElement(root, "entry")
        _add(entry, "title", item.title)
        _add(entry, "id", item_id(publisher, item))
        _add(entry, "updated", _moment(item.added_at))
        if item.published_at is not None:
            _add(entry, "published", _moment(item.published_at))
        for name in _names(item):
            _author(entry, name)
        if link := item.url or publisher.page(item):
            SubElement(entry, "link", rel="alternate", href=web_address(link))
        _add(entry, "summary", shortened(made.text(item)) or item.title)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _rss(publisher: Publisher, title: str, updated: int, found: Sequence[Match], made: Matcher) -> bytes:
    root = Element("rss", {"version": "2.0", "xmlns:atom": ATOM, "xmlns:dc": DC})
    channel = SubElement(root, "channel")
    _add(channel, "title", title)
    _add(channel, "link", web_address(publisher.home))
    _add(channel, "description", f"New papers: {title}")
    SubElement(channel, "atom:link", rel="self", type="application/rss+xml", href=web_address(publisher.address))
    _add(channel, "lastBuildDate", _mail_date(updated))
    for match in found:
        item, entry = match.item, SubElement(channel, "item")
        _add(entry, "title", item.title)
        if link := item.url or publisher.page(item):
            _add(entry, "link", web_address(link))
        SubElement(entry, "guid", isPermaLink="false").text = item_id(publisher, item)
        _add(entry, "pubDate", _mail_date(item.dated))
        for name in _names(item):
            _add(entry, "dc:creator", name)
        _add(entry, "description", shortened(made.text(item)) or item.title)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


WRITERS = {"atom": _atom, "rss": _rss}


def _add(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = _clean(text)


def _author(parent: Element, name: str) -> None:
    _add(SubElement(parent, "author"), "name", name)


def _names(item: Item) -> list[str]:
    return [name for name in (_clean(one) for one in item.authors.split("; ")) if name]


def _clean(text: str) -> str:
    """On one line, without the characters that XML cannot hold."""
    return one_line(_NOT_XML.sub(" ", text))


def _moment(seconds: int) -> str:
    """RFC 3339, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"


def _mail_date(seconds: int) -> str:
    """RFC 822 with four digits of the year, in UTC."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
