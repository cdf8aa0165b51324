"""RSS and Atom by feedparser, JSON Feed, and what arXiv's own feeds (its API's Atom, its RSS) say beyond that.

feedparser is given bytes, never an address: nothing is fetched. HTML in titles and summaries becomes plain text.
"""

from __future__ import annotations

import html
import io
import json
import re
from calendar import timegm
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source
from vecloom.data.decoding import SNIFF, read_whole, wide_encoding
from vecloom.data.fields import BadRecordError
from vecloom.data.papers.dates import instant, moment
from vecloom.data.papers.people import listed_names, turned
from vecloom.data.papers.record import Paper, abs_url, arxiv_id, doi_of, names, one_line
from vecloom.data.records import Document
from vecloom.errors import MissingExtraError
from vecloom.files import text_digest

# "arXiv:2410.15035v1 Announce Type: new Abstract: ..." stands before the abstract in arXiv's RSS
_ANNOUNCED = re.compile(r"^arXiv:\S+\s+Announce Type:\s*\S+\s+(?:Abstract:\s*)?", re.IGNORECASE)
# "A title. (arXiv:2301.00001v1 [cs.CL])": its RSS before 2024
_IN_TITLE = re.compile(r"\s*\(arXiv:\S+\s+\[[^\]]+\][^)]*\)\s*$")
# elements that part no words
_INLINE = frozenset(
    "a abbr b bdi bdo cite code em font i ins kbd mark q s small span strong sub sup tt u var wbr".split()  # noqa: SIM905
)
_UNSEEN = frozenset(("script", "style", "template"))
_DECLARED = re.compile(r"^\ufeff?\s*<\?xml[^>]*\?>|^\ufeff")
_TAG = re.compile(r"<[A-Za-z/!]|&[#\w]+;")


def parse(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Entries of a feed; a bad one is reported with its number."""
    data = read_whole(stream, ctx.MAX_BYTES)
    if data is None:
        context.bad_file(source, f"a feed may have {ctx.MAX_BYTES:,} bytes.", "Split it.")
        return
    for number, entry in enumerate(_entries(data, source, context), start=1):
        try:
            yield paper(entry).document(source.name, number)
        except BadRecordError as error:
            context.bad_record(source, number, error.what, error.todo, unit="entry")


def _entries(data: bytes, source: Source, context: Context) -> list[dict[str, Any]]:
    """Entries as feedparser names their parts, links made whole, authors of the feed with entries that name none."""
    if encoding := wide_encoding(data[:SNIFF]):  # of which feedparser reads only what is declared as what it is
        data = _DECLARED.sub("", data.decode(encoding, "replace"), count=1).encode()
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _json_entries(data, source, context)
    try:
        import feedparser
    except ImportError as error:
        raise MissingExtraError("Reading a feed needs feedparser, which is not installed.", "desk") from error
    found = feedparser.parse(io.BytesIO(data))
    version, why = found.get("version", ""), one_line(str(found.get("bozo_exception", "no element of RSS or Atom")))
    if not found.entries and data.strip() and (found.bozo or not version):
        context.bad_file(source, f"it is not a feed: {why}.")
    elif found.bozo and data.strip():
        context.report.note(f"{source.name}: not well-formed, read as far as it goes: {why}.")
    inherited = found.feed.get("authors") if version.startswith("atom") else None
    for entry in found.entries:
        if link := entry.get("link"):
            entry["link"] = urljoin(found.feed.get("link", ""), link)
        if inherited and not entry.get("authors"):
            entry["authors"] = inherited
    return list(found.entries)


def _json_entries(data: bytes, source: Source, context: Context) -> list[dict[str, Any]]:
    """Entries of a JSON Feed (jsonfeed.org), version 1 or 1.1, under feedparser's names."""
    try:
        feed = json.loads(data)
        entries = [_json_entry(item, feed) for item in feed["items"]]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        context.bad_file(source, "it is not a feed: this JSON is not a JSON Feed.")
        return []
    return entries


def _json_entry(item: Any, feed: Any) -> dict[str, Any]:
    people = item.get("authors") or [item.get("author") or {}]
    if not any(person.get("name") for person in people):
        people = feed.get("authors") or [feed.get("author") or {}]
    texts = ("content_html", "text/html"), ("content_text", "text/plain"), ("summary", "text/plain")
    return {
        "id": str(item.get("id") or ""),
        "link": str(item.get("url") or item.get("external_url") or ""),
        "title": str(item.get("title") or ""),
        "title_detail": {"type": "text/plain"},
        "content": [{"value": str(item[name]), "type": kind} for name, kind in texts if item.get(name)],
        "published": str(item.get("date_published") or ""),
        "updated": str(item.get("date_modified") or ""),
        "authors": [{"name": str(person.get("name") or "")} for person in people],
        "tags": [{"term": str(tag)} for tag in item.get("tags") or []],
    }


def paper(entry: Any) -> Paper:
    """One entry, as feedparser gives it."""
    link, identity = entry.get("link", ""), entry.get("id", "")
    place = identity if "arxiv.org" in identity.lower() else link
    name, version = arxiv_id(place) if "arxiv.org" in place.lower() else ("", None)
    title, text = _plain(entry.get("title", ""), entry.get("title_detail")), _longest(entry)
    if name:
        title, text = _IN_TITLE.sub("", title), _ANNOUNCED.sub("", text)
    published, updated = _moment(entry, "published") or _moment(entry, "created"), _moment(entry, "updated")
    return Paper(
        id=name or identity or link or (f"entry-{text_digest(title + text)}" if title or text else ""),
        title=title,
        abstract=text,
        authors=_authors(entry, bool(name)),
        date=published or updated,
        categories=_categories(entry),
        url=abs_url(name) if name else link if link.startswith(("http://", "https://")) else "",
        others={
            "updated": updated if published and not published.startswith(updated) else None,
            "version": version,
            "doi": doi_of(entry.get("arxiv_doi") or entry.get("prism_doi") or entry.get("dc_identifier") or ""),
            "journal": entry.get("arxiv_journal_ref") or entry.get("prism_publicationname"),
            "comments": entry.get("arxiv_comment"),
        },
    )


def plain(markup: str) -> str:
    """HTML as text on one line: paragraphs and the like are apart, "<b>B</b>ERT" is one word.

    >>> plain("<p>H<sub>2</sub>O &amp; milk</p><p>Whey</p>")
    'H2O & milk Whey'
    """
    if not _TAG.search(markup):
        return one_line(markup)
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(markup, "html.parser")
    for tag in soup.find_all(True):
        if tag.name in _UNSEEN:
            tag.decompose()
        elif tag.name not in _INLINE:
            tag.insert_before(" ")
            tag.insert_after(" ")
    return one_line(soup.get_text())


def _plain(value: str, detail: Any) -> str:
    """The text of a part: what the feed calls plain may speak of <tags>."""
    if detail and detail.get("type") == "text/plain":
        return one_line(html.unescape(value))
    return plain(value)


def _longest(entry: Any) -> str:
    contents = [_plain(str(part.get("value", "")), part) for part in entry.get("content", [])]
    return max([_plain(str(entry.get("summary", "")), entry.get("summary_detail")), *contents], key=len)


def _authors(entry: Any, arxiv: bool) -> tuple[str, ...]:
    people = [person.get("name", "") for person in entry.get("authors", [])] or [entry.get("author", "")]
    if len(people) == 1:
        people = plain(people[0]).split(", ") if arxiv else listed_names(plain(people[0]))  # all in one dc:creator
    return names(people if arxiv else [turned(plain(person)) for person in people])


def _categories(entry: Any) -> tuple[str, ...]:
    terms = [tag.get("term") or "" for tag in entry.get("tags", [])]
    first = entry.get("arxiv_primary_category", {}).get("term", "")
    return tuple(dict.fromkeys(names([first, *terms])))


def _moment(entry: Any, name: str) -> str:
    """A date of an entry; feedparser's reading where the text is of a form that only it knows."""
    written = str(entry.get(name) or "")
    found = moment(written)
    if found or written.strip().isdecimal():  # seconds since 1970 would be years of the Middle Ages
        return found
    parsed = entry.get(f"{name}_parsed")
    try:
        return instant(datetime.fromtimestamp(timegm(parsed), UTC)) if parsed else ""
    except (ValueError, OverflowError, OSError):
        return ""
