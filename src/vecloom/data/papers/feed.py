"""RSS and Atom by feedparser, and what arXiv's own feeds (its API's Atom, its RSS) say beyond that.

feedparser is given bytes, never an address: nothing is fetched. HTML in titles and summaries becomes plain text.
"""

from __future__ import annotations

import io
import re
from calendar import timegm
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source
from vecloom.data.decoding import read_whole
from vecloom.data.fields import BadRecordError
from vecloom.data.papers.record import Paper, abs_url, arxiv_id, instant, names, one_line
from vecloom.data.records import Document
from vecloom.errors import MissingExtraError
from vecloom.files import text_digest

# "arXiv:2410.15035v1 Announce Type: new Abstract: ..." stands before the abstract in arXiv's RSS
_ANNOUNCED = re.compile(r"^arXiv:\S+\s+Announce Type:\s*\S+\s+(?:Abstract:\s*)?", re.IGNORECASE)
# "A title. (arXiv:2301.00001v1 [cs.CL])": its RSS before 2024
_IN_TITLE = re.compile(r"\s*\(arXiv:\S+\s+\[[^\]]+\][^)]*\)\s*$")
_TAG = re.compile(r"<[A-Za-z/!]|&[#\w]+;")


def parse(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Entries of a feed; a bad one is reported with its number."""
    data = read_whole(stream, ctx.MAX_BYTES)
    if data is None:
        context.bad_file(source, f"a feed may have {ctx.MAX_BYTES:,} bytes.", "Split it.")
        return
    try:
        import feedparser
    except ImportError as error:
        raise MissingExtraError("Reading a feed needs feedparser, which is not installed.", "desk") from error
    found = feedparser.parse(io.BytesIO(data))
    if found.bozo and not found.entries:
        context.bad_file(source, f"it is no feed: {one_line(str(found.bozo_exception))}.")
        return
    if found.bozo:
        context.report.note(f"{source.name}: not well-formed, read as far as it goes: {found.bozo_exception}.")
    for number, entry in enumerate(found.entries, start=1):
        try:
            yield paper(entry).document(source.name, number)
        except BadRecordError as error:
            context.bad_record(source, number, error.what, error.todo, unit="entry")


def paper(entry: Any) -> Paper:
    """One entry, as feedparser gives it."""
    link, identity = entry.get("link", ""), entry.get("id", "")
    place = identity if "arxiv.org" in identity.lower() else link
    name, version = arxiv_id(place) if "arxiv.org" in place.lower() else ("", None)
    title, text = plain(entry.get("title", "")), plain(_longest(entry))
    if name:
        title, text = _IN_TITLE.sub("", title), _ANNOUNCED.sub("", text)
    published, updated = _moment(entry, "published"), _moment(entry, "updated")
    return Paper(
        id=name or identity or link or (f"entry-{text_digest(title + text)}" if title else ""),
        title=title,
        abstract=text,
        authors=_authors(entry),
        date=published or updated,
        categories=_categories(entry),
        url=abs_url(name) if name else link if link.startswith(("http://", "https://")) else "",
        others={
            "updated": updated if published and updated != published else None,
            "version": version,
            "doi": entry.get("arxiv_doi"),
            "journal": entry.get("arxiv_journal_ref"),
            "comments": entry.get("arxiv_comment"),
        },
    )


def plain(markup: str) -> str:
    """Text without tags and entities, on one line."""
    if not _TAG.search(markup):
        return one_line(markup)
    from bs4 import BeautifulSoup

    return one_line(BeautifulSoup(markup, "html.parser").get_text(" "))


def _longest(entry: Any) -> str:
    contents = [str(part.get("value", "")) for part in entry.get("content", [])]
    return max([str(entry.get("summary", "")), *contents], key=len)


def _authors(entry: Any) -> tuple[str, ...]:
    people = [person.get("name", "") for person in entry.get("authors", [])] or [entry.get("author", "")]
    if len(people) == 1:  # arXiv's RSS has all of them in one dc:creator
        people = plain(people[0]).split(", ")
    return names(map(plain, people))


def _categories(entry: Any) -> tuple[str, ...]:
    terms = [tag.get("term") or "" for tag in entry.get("tags", [])]
    first = entry.get("arxiv_primary_category", {}).get("term", "")
    return tuple(dict.fromkeys(names([first, *terms])))


def _moment(entry: Any, name: str) -> str:
    parsed = entry.get(f"{name}_parsed")
    try:
        return instant(datetime.fromtimestamp(timegm(parsed), UTC)) if parsed else ""
    except (ValueError, OverflowError, OSError):
        return ""
