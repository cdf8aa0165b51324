"""What a request asks: read from its URL, and written into other URLs. Every page is a link that can be kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from vecloom.data.records import FieldValue, Scalar
from vecloom.search.index import MODES
from vecloom.search.results import Mode
from vecloom.search.where import all_of, any_of

MODE_NAMES: Mapping[Mode, str] = {"hybrid": "Both", "vector": "Meaning", "keyword": "Words"}
SORTS = {"relevance": "Best first", "date": "Newest first"}
PAGE = 10
LONGEST = 2000  # characters of a query
MOST_PAGES = 50
FACET = "f."  # before a field's name in a URL


@dataclass(frozen=True, slots=True)
class Question:
    """A search.

    Attributes:
        index: name of the index.
        text: the query; empty where nothing was asked yet.
        mode: what to rank by.
        sort: "relevance" or "date"; with a reading room also "trending" or "for_you".
        page: from 1.
        chosen: field -> values of which a document must have one.
        where: a filter in its own words, or "".
    """

    index: str
    text: str = ""
    mode: Mode = "hybrid"
    sort: str = "relevance"
    page: int = 1
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    where: str = ""

    def url(self, **changes: Any) -> str:
        """The page that asks this, with some of it changed."""
        new = replace(self, **{"page": 1, **changes})
        parts: list[tuple[str, str]] = [("index", new.index), ("q", new.text)]
        parts += [("mode", new.mode)] if new.mode != "hybrid" else []
        parts += [("sort", new.sort)] if new.sort != "relevance" else []
        parts += [("where", new.where)] if new.where else []
        parts += [(FACET + name, value) for name, values in new.chosen.items() for value in values]
        parts += [("page", str(new.page))] if new.page > 1 else []
        return "/?" + urlencode(parts)

    @property
    def narrowings(self) -> int:
        """How many filters there are."""
        return bool(self.where) + sum(map(len, self.chosen.values()))

    def orders(self, known: Mapping[str, str], *, dated: bool, listed: bool, reader: bool) -> dict[str, str]:
        """The orders that mean something here, by name.

        Args:
            known: all that the server has.
            dated: documents have dates.
            listed: without a query, the desk's list is shown.
            reader: there is one whom the desk knows.
        """
        if listed and not self.text:
            lists = {"relevance": known["trending"], "date": known["date"], "for_you": known["for_you"]}
            return {name: label for name, label in lists.items() if name != "for_you" or reader}
        useful = {"relevance": True, "date": dated, "trending": True, "for_you": False}
        return {name: label for name, label in known.items() if useful[name]}

    def toggled(self, name: str, value: str) -> str:
        """The page with a value of a facet chosen, or given up."""
        values = self.chosen.get(name, ())
        changed = tuple(one for one in values if one != value) if value in values else (*values, value)
        chosen = {**self.chosen, name: changed}
        return self.url(chosen={name: values for name, values in chosen.items() if values})

    def filter(self, known: Mapping[str, Iterable[Scalar]], but: str | None = None) -> str | None:
        """The filter of the chosen facets and of ``where``, as ``Index.search`` takes it; None where there is none.

        Args:
            known: the values that each facet has; others than these are left out.
            but: a field whose own choice is left out, for counting what else could be chosen.
        """
        parts = [self.where] if self.where else []
        for name, wanted in self.chosen.items():
            values = [value for value in known.get(name, ()) if shown(value) in wanted]
            if values and name != but:
                parts.append(any_of(name, values))
        return all_of(parts)


def read(parameters: Iterable[tuple[str, str]], indexes: Iterable[str], sorts: Mapping[str, str] = SORTS) -> Question:
    """A question from a URL's parameters; what makes no sense becomes the default."""
    pairs = list(parameters)
    last = dict(pairs)
    names = list(indexes)
    chosen: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        if name.startswith(FACET) and len(name) > len(FACET):
            chosen[name[len(FACET) :]] = (*chosen.get(name[len(FACET) :], ()), value)
    mode, sort, text = last.get("mode", "hybrid"), last.get("sort", ""), last.get("q", "").strip()[:LONGEST]
    index = last.get("index", "")
    if sort not in sorts or (sort == "for_you" and text):  # what a reader may like answers no query
        sort = "relevance"
    return Question(
        index=index or (names[0] if names else ""),
        text=text,
        mode=mode if mode in MODES else "hybrid",
        sort=sort,
        page=min(max(int(last["page"]), 1), MOST_PAGES) if last.get("page", "").isdecimal() else 1,
        chosen=chosen,
        where=last.get("where", "").strip(),
    )


def shown(value: FieldValue) -> str:
    """A value as a URL and a page have it."""
    if isinstance(value, list):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def document_url(index: str, name: str) -> str:
    """A document's page. The id is in the query: browsers and proxies change paths with ``..`` or ``//`` in them."""
    return f"/d/{quote(index, safe='')}?id={quote(name, safe='/')}"


def similar_url(index: str, name: str) -> str:
    """What is near to a document."""
    return f"/similar/{quote(index, safe='')}?id={quote(name, safe='/')}"
