"""A paper as every importer gives it, and how it becomes a ``Document``.

Fields of the document: ``authors`` and ``categories`` (joined by "; "), ``category`` (the first), ``date`` (when it was first
published), ``updated``, ``url``, and what else a format knows (``doi``, ``version``, ``journal`` ...). Dates are ISO 8601:
"2007-04-02T19:18:42Z" where the time is known, "2007-04-02", "2007-04" or "2007" where less is; as text they sort by time.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from vecloom.data.fields import BadRecordError, clean
from vecloom.data.records import Document, FieldValue

BETWEEN = "; "  # names hold commas and categories may hold spaces
_ARXIV = re.compile(r"(?P<id>\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v(?P<version>\d+))?", re.ASCII)
_DOI = re.compile(r"^\s*(?:https?://(?:dx\.)?doi\.org/|(?:info:)?doi[:/]?)?\s*(10\.\S+)", re.IGNORECASE)
_NONE = re.compile(r"\A\W*no abstract(?: is)? available\W*\Z", re.IGNORECASE)  # what databases write instead of one
_MARKUP = re.compile(
    r"</?((?:jats:|mml:)?(?:[biup]|em|strong|su[bp]|inf|sc|span|div|br|h[1-6]|italic|bold|title|sec|list|list-item|[uo]l|li))"
    r"(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"</([\w:-]+)\s*>")
_WITHIN_WORDS = frozenset(("b", "i", "u", "em", "strong", "sub", "sup", "inf", "sc", "span", "italic", "bold"))
HEADLINE = 80  # letters of a title that is taken from the text


@dataclass(frozen=True)
class Paper:
    """What is known of a paper.

    Attributes:
        id: names it in every file that holds it, versions left out.
        title: as it was printed, LaTeX kept; the first words of the abstract stand in if there is none.
        abstract: likewise, or "".
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
    others: Mapping[str, FieldValue] = field(default_factory=dict)

    def document(self, source: str, position: int) -> Document:
        """The paper as what an index takes.

        Raises:
            BadRecordError: it has no id, or neither a title nor an abstract.
        """
        abstract = _NONE.sub("", one_line(self.abstract))
        title = one_line(self.title) or headline(abstract)
        if not title:
            raise BadRecordError(f"{self.id or 'it'} has no title and no text.", "Give it one, or leave it out.")
        if not self.id:
            raise BadRecordError("it has no id.", "Give it one, or leave it out.")
        known: dict[str, FieldValue] = {
            "authors": BETWEEN.join(self.authors),
            "date": self.date,
            "categories": BETWEEN.join(self.categories),
            "category": self.categories[0] if self.categories else "",
            "url": self.url,
            **self.others,
        }
        fields = {name: clean(value) if isinstance(value, str) else value for name, value in known.items()}
        fields = {name: value for name, value in fields.items() if value not in (None, "")}
        return Document(clean(self.id), clean(abstract), clean(title), source, position, fields)


def one_line(text: str) -> str:
    """White space collapsed.

    >>> one_line("On  the   mass of $m_H$ ")
    'On the mass of $m_H$'
    """
    return " ".join(text.split())


def without_tags(text: str) -> str:
    """Text without the tags of HTML and JATS that publishers leave in it, and their entities as characters.

    A tag counts if it is closed, so that "on <b> in HTML" stays.

    >>> without_tags("<h4>Aim</h4>CO<sub>2</sub>, <i>P</i> &lt; 0.05")
    'Aim CO2, P < 0.05'
    """
    if "<" in text:
        closed = {name.lower() for name in _CLOSING.findall(text)}
        text = _MARKUP.sub(lambda found: _untagged(found, closed), text)
    return one_line(html.unescape(text)) if "&" in text else one_line(text)


def _untagged(found: re.Match[str], closed: set[str]) -> str:
    name = found[1].lower()
    if name not in closed and not found[0].endswith("/>"):
        return found[0]
    return "" if name.rpartition(":")[2] in _WITHIN_WORDS else " "


def headline(text: str) -> str:
    """The first words of a text, as a title.

    >>> headline("The first swallows are back. More tomorrow.")
    'The first swallows are back.'
    """
    first = re.split(r"(?<=[.!?。])\s", text, maxsplit=1)[0]
    if len(first) <= HEADLINE:
        return first
    return f"{first[:HEADLINE].rpartition(' ')[0] or first[:HEADLINE]} …"


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


def doi_of(text: str) -> str:
    """The bare DOI in a field, "" where there is none.

    >>> doi_of("https://doi.org/10.1000/XY")
    '10.1000/XY'
    """
    found = _DOI.match(text)
    if not found:
        return ""
    return found[1] if "/" in found[1] else unquote(found[1])  # as it stands in an address


def abs_url(name: str) -> str:
    """The page of an arXiv id."""
    return f"https://arxiv.org/abs/{name}"
