"""What the W3C's feed validator asks of a feed, from RFC 4287 (Atom), RFC 3339, RSS 2.0 and its advisory board's profile.

Written from the specifications, without the code that makes feeds: a list of what is wrong, empty for a valid feed.
"""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree

ATOM = "{http://www.w3.org/2005/Atom}"
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
MAIL_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d (GMT|[+-]\d{4})")


def is_web_address(text):
    return (
        bool(text)
        and bool(URI.fullmatch(text))
        and urlsplit(text).scheme in ("http", "https")
        and urlsplit(text).netloc
    )


def wrong_with_atom(body, address):
    """RFC 4287, sections 4.1.1, 4.1.2, 4.2.6, 4.2.7 and 4.2.15."""
    root, wrong = ElementTree.fromstring(body), []

    def check(fine, what):
        if not fine:
            wrong.append(what)

    def moment(parent, name, needed):
        text = parent.findtext(ATOM + name)
        check(bool(text) or not needed, f"no {name}")
        if text:
            check(MOMENT.fullmatch(text), f"{name} is {text}")
            datetime.fromisoformat(text)

    def once(parent, name):
        check(len(parent.findall(ATOM + name)) == 1, f"{len(parent.findall(ATOM + name))} {name}")

    check(root.tag == f"{ATOM}feed", root.tag)
    for parent in (root, *root.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            once(parent, name)
        moment(parent, "updated", True)
        moment(parent, "published", False)
        check(URI.fullmatch(parent.findtext(f"{ATOM}id") or ""), f"id {parent.findtext(f'{ATOM}id')!r}")
        for link in parent.findall(f"{ATOM}link"):
            check(is_web_address(link.get("href")), f"link {link.get('href')!r}")
        for author in parent.findall(f"{ATOM}author"):
            check((author.findtext(f"{ATOM}name") or "").strip(), "an author without a name")
    check(root.find(f"{ATOM}author") is not None, "no author")
    return wrong + _wrong_links(root, address)


def _wrong_links(root, address):
    wrong = []

    def check(fine, what):
        if not fine:
            wrong.append(what)

    selves = [link.get("href") for link in root.findall(f"{ATOM}link") if link.get("rel") == "self"]
    check(selves == [address], f"self is {selves}, asked was {address}")
    entries = root.findall(f"{ATOM}entry")
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    check(len(set(ids)) == len(ids), "ids repeat")
    for entry in entries:
        alternates = [link for link in entry.findall(f"{ATOM}link") if link.get("rel", "alternate") == "alternate"]
        check(len(alternates) == 1, f"{len(alternates)} alternate links")
        check((entry.findtext(f"{ATOM}summary") or "").strip(), "an empty summary")
    return wrong


def wrong_with_rss(body, address):
    """RSS 2.0 and the profile's recommendation of a self link."""
    root, wrong = ElementTree.fromstring(body), []

    def check(fine, what):
        if not fine:
            wrong.append(what)

    check((root.tag, root.get("version")) == ("rss", "2.0"), root.tag)
    channel = root.find("channel")
    for name in ("title", "link", "description"):
        check((channel.findtext(name) or "").strip(), f"no {name}")
    check(is_web_address(channel.findtext("link")), "the channel's link")
    link = channel.find(f"{ATOM}link")
    check(link is not None and link.get("rel") == "self" and link.get("href") == address, "self")
    items = channel.findall("item")
    for parent, name in [(channel, "lastBuildDate"), *((item, "pubDate") for item in items)]:
        text = parent.findtext(name)
        check(MAIL_DATE.fullmatch(text or ""), f"{name} {text!r}")
        parsedate_to_datetime(text)
    for item in items:
        check((item.findtext("title") or item.findtext("description") or "").strip(), "neither title nor description")
        check(is_web_address(item.findtext("link")), f"link {item.findtext('link')!r}")
        guid = item.find("guid")
        check(guid.get("isPermaLink") == "false" and URI.fullmatch(guid.text), f"guid {guid.text!r}")
    guids = [item.findtext("guid") for item in items]
    check(len(set(guids)) == len(guids), "guids repeat")
    return wrong


RULES = {"atom": wrong_with_atom, "rss": wrong_with_rss}
