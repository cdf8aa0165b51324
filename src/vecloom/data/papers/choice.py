"""Which papers are wanted, which came before: what is left out is counted, and the first few are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vecloom.data.papers.record import BETWEEN
from vecloom.data.records import Document
from vecloom.files import text_digest

FEW = 3  # papers that are named
_LETTERS = 60


@dataclass
class Tally:
    """How many papers, and the first few of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, document: Document) -> None:
        """Count a paper."""
        self.count += 1
        if len(self.first) < FEW:
            title = document.title
            short = title if len(title) <= _LETTERS else f"{title[:_LETTERS].rstrip()} …"
            self.first.append(f"{document.id} ({short})" if short else document.id)

    def __str__(self) -> str:
        more = self.count - len(self.first)
        return "; ".join([*self.first, *([f"and {more:,} more"] if more else [])])


@dataclass
class Choice:
    """Papers of some categories, and of a date or later.

    Attributes:
        categories: each takes in those below it, as "cs" does "cs.CL"; all if there are none.
        since: a date in ISO 8601, or "".
        elsewhere: papers of other categories.
        older: papers that are older for certain.
        undated: papers without a date, where one is asked for.
    """

    categories: tuple[str, ...] = ()
    since: str = ""
    elsewhere: Tally = field(default_factory=Tally)
    older: Tally = field(default_factory=Tally)
    undated: Tally = field(default_factory=Tally)

    def of(self, found: Iterable[Document]) -> Iterator[Document]:
        """Those that are wanted; the others are counted."""
        for document in found:
            tally = self._left_out(document)
            if tally is None:
                yield document
            else:
                tally.add(document)

    def _left_out(self, document: Document) -> Tally | None:
        of = str(document.fields.get("categories", "")).split(BETWEEN)
        if self.categories and not any(
            one == name or one.startswith(f"{name}.") for one in of for name in self.categories
        ):
            return self.elsewhere
        date = str(document.fields.get("date", ""))
        if not self.since:
            return None
        if not date:
            return self.undated
        return self.older if is_older(date, self.since) else None

    def sentences(self) -> list[str]:
        """What was left out; nothing if nothing was."""
        told = (
            (self.elsewhere, "of other categories"),
            (self.older, f"older than {self.since}"),
            (self.undated, "without a date"),
        )
        return [f"{tally.count:,} {what} left out: {tally}" for tally, what in told if tally.count]

    def as_dict(self) -> dict[str, int]:
        """The counts, ready for JSON."""
        return {"other_categories": self.elsewhere.count, "older": self.older.count, "undated": self.undated.count}


def is_older(date: str, since: str) -> bool:
    """Whether a date is before another one for certain: a year alone is not before a day of that year.

    >>> is_older("2019", "2019-06-01"), is_older("2018-12", "2019"), is_older("2019-05", "2019-06-01")
    (False, True, True)
    """
    shared = min(len(date), len(since))
    return date[:shared] < since[:shared]


@dataclass
class Repeats:
    """Papers whose id comes again: the later one stays. A record costs about a hundred bytes of memory.

    Attributes:
        again: the later ones.
        lost: ordinals (from 0) of those that a later one replaces.
    """

    again: Tally = field(default_factory=Tally)
    lost: set[int] = field(default_factory=set)
    _latest: dict[int, int] = field(default_factory=dict)
    _count: int = 0

    def watch(self, found: Iterable[Document]) -> Iterator[Document]:
        """Pass papers on, and remember their ids."""
        for document in found:
            key = int(text_digest(document.id)[:16], 16)
            earlier = self._latest.get(key)
            if earlier is not None:
                self.lost.add(earlier)
                self.again.add(document)
            self._latest[key] = self._count
            self._count += 1
            yield document

    def sentences(self) -> list[str]:
        """What came again; nothing if nothing did."""
        if not self.again.count:
            return []
        noun = "id" if self.again.count == 1 else "ids"
        return [f"{self.again.count:,} repeated {noun}, the later record stays: {self.again}"]
