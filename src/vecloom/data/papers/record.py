"""A paper as every importer gives it, and how it becomes a ``Document``.

Fields of the document: ``authors`` and ``categories`` (joined by "; "), ``category`` (the first), ``date`` (when it was first
published), ``updated``, ``url``, and what else a format knows (``doi``, ``version``, ``journal`` ...). Dates are ISO 8601:
"2007-04-02T19:18:42Z" where the time is known, "2007-04-02", "2007-04" or "2007" where less is; as text they sort by time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vecloom.data.fields import BadRecordError, clean
from vecloom.data.records import Document, Scalar

BETWEEN = "; "  # names hold commas and categories may hold spaces
_ARXIV = re.compile(r"(?P<id>\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v(?P<version>\d+))?", re.ASCII)
_PARTIAL = re.compile(r"(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?(?![\d-])", re.ASCII)


@dataclass(frozen=True)
class Paper:
    """What is known of a paper.

    Attributes:
        id: names it in every file that holds it, versions left out.
        title: as it was printed, LaTeX kept.
        abstract: likewise; the title stands in where there is none, so that it can be found.
        authors: names as people write them, first name first.
        date: ISO 8601, or "".
        categories: the main one first.
        url: where to read it, or "".
        others: further fields; None and "" are left out.
    """

    id: str
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    date: str = ""
    categories: tuple[str, ...] = ()
    url: str = ""
    others: Mapping[str, Scalar] = field(default_factory=dict)

    def document(self, source: str, position: int) -> Document:
        """The paper as what an index takes.

        Raises:
            BadRecordError: it has no id or no title.
        """
        title = one_line(self.title)
        if not self.id:
            raise BadRecordError("it has no id.", "Give it one, or leave it out.")
        if not title:
            raise BadRecordError(f"{self.id} has no title.", "Give it one, or leave it out.")
        known: dict[str, Scalar] = {
            "authors": BETWEEN.join(self.authors),
            "date": self.date,
            "categories": BETWEEN.join(self.categories),
            "category": self.categories[0] if self.categories else "",
            "url": self.url,
            **self.others,
        }
        fields = {name: clean(value) if isinstance(value, str) else value for name, value in known.items()}
        fields = {name: value for name, value in fields.items() if value not in (None, "")}
        text = clean(one_line(self.abstract)) or clean(title)
        return Document(clean(self.id), text, clean(title), source, position, fields)


def one_line(text: str) -> str:
    """White space collapsed.

    >>> one_line("On  the   mass of $m_H$ ")
    'On the mass of $m_H$'
    """
    return " ".join(text.split())


def names(found: Iterable[str]) -> tuple[str, ...]:
    """Names on one line each, empty ones left out."""
    return tuple(name for name in map(one_line, found) if name)


def arxiv_id(text: str) -> tuple[str, int | None]:
    """The arXiv id and version in a text, ("", None) where there is none.

    >>> arxiv_id("http://arxiv.org/abs/2410.15035v2")
    ('2410.15035', 2)
    >>> arxiv_id("oai:arXiv.org:hep-th/9901001")
    ('hep-th/9901001', None)
    """
    matches = list(_ARXIV.finditer(text))
    if not matches:
        return "", None
    found = matches[-1]  # what stands before may look like an archive
    return found["id"], int(found["version"]) if found["version"] else None


def abs_url(name: str) -> str:
    """The page of an arXiv id."""
    return f"https://arxiv.org/abs/{name}"


def instant(when: datetime) -> str:
    """A moment in UTC, to the second; one without a zone is taken to be in UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc_date(text: str) -> str:
    """A date as e-mail writes it, in ISO 8601; "" where it is none.

    >>> rfc_date("Mon, 2 Apr 2007 19:18:42 GMT")
    '2007-04-02T19:18:42Z'
    """
    try:
        return instant(parsedate_to_datetime(text))
    except (TypeError, ValueError, IndexError, OverflowError):
        return ""


def iso_date(text: str) -> str:
    """A date in ISO 8601 or near it, as exact as it was; "" where it is none.

    >>> iso_date("2024-10-19T08:34:12+02:00"), iso_date("2020/5/3//"), iso_date("2023")
    ('2024-10-19T06:34:12Z', '2020-05-03', '2023')
    """
    text = text.strip()
    if "T" in text:
        try:
            return instant(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            text = text.partition("T")[0]
    found = _PARTIAL.match(text)
    if not found:
        return ""
    year, month, day = found[1], found[2], found[3]
    try:
        datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
    except ValueError:
        return year if int(year) else ""
    return "-".join([year, *(part.zfill(2) for part in (month, day) if part)])
