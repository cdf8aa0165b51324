"""Lists as a page shows them: search results by relevance, date or trend, an index without a query, and similar papers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

from vecloom.desk.for_you import for_you
from vecloom.desk.items import BY_DATE, COLUMNS, Item, Library, by_doc_ids, find, from_row
from vecloom.desk.marks import Marks, of_items
from vecloom.desk.state import Desk
from vecloom.desk.trending import Interest, interests, interests_of, rank, score, top
from vecloom.errors import UsageError
from vecloom.search.results import Hit, Mode

Sort: TypeAlias = Literal["relevance", "date", "trending", "for_you"]
SORTS: tuple[Sort, ...] = ("relevance", "date", "trending", "for_you")
DEPTH = 200  # best answers to a query that are ordered anew by date or trend


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list.

    Attributes:
        item: the paper.
        score: what the list is ordered by: the search's score, seconds since 1970, the trending score or the decision value.
        text: the chunk that answers, or "" (``Source.chunks`` has it).
        reason: why it is here, or "".
        marks: what the reader did with it.
        interest: what all readers did with it.
    """

    item: Item
    score: float
    text: str
    reason: str
    marks: Marks
    interest: Interest


def listing(
    desk: Desk,
    library: Library,
    index_name: str,
    reader_id: int,
    now: int,
    *,
    query: str = "",
    sort: Sort = "relevance",
    mode: Mode = "hybrid",
    where: str | None = None,
    limit: int = 20,
    offset: int = 0,
) -> list[Entry]:
    """Papers of an index, without those that the reader hid.

    With a query, its ``DEPTH`` best papers ordered by ``sort``; without one all papers, ordered by date where ``sort`` is
    ``relevance``. ``for_you`` takes no query.

    Raises:
        UsageError: there is no such order, or ``for_you`` comes with a query.
        FilterError: the filter does not parse, or names what is not there.
    """
    if sort not in SORTS:
        raise UsageError(f"There is no order {sort!r}.", f"Use one of {', '.join(SORTS)}.")
    if sort == "for_you":
        if query:
            raise UsageError("The list for you takes no query.", "Leave it out, or sort by relevance.")
        chosen = [(one.item, one.score, "", one.reason) for one in for_you(desk, library, reader_id, index_name, now)]
        allowed = None if where is None else library[index_name].select(where)
        chosen = [entry for entry in chosen if allowed is None or entry[0].doc_id in allowed]
    elif query:
        hits = library[index_name].search(query, DEPTH, mode, where)
        chosen = _ordered(_papers(desk, index_name, hits), interests(desk, index_name), sort, now)
    else:
        allowed = None if where is None else library[index_name].select(where)
        enough = offset + limit + _hidden(desk, reader_id)
        if sort == "trending":
            chosen = _trending(desk, index_name, allowed, now, enough)
        else:
            chosen = _newest(desk, index_name, allowed, enough)
    return _entries(desk, reader_id, chosen, limit, offset)


def similar(
    desk: Desk, library: Library, index_name: str, doc_id: str, reader_id: int, *, limit: int = 10
) -> list[Entry]:
    """Papers nearest to a paper, by cosine, without those that the reader hid.

    Raises:
        DocumentNotFoundError: there is no such paper.
    """
    reason = f"like “{find(desk, index_name, doc_id).title}”"
    hits = library[index_name].similar(doc_id, 3 * limit)
    chosen = [(item, value, text, reason) for item, value, text, _ in _papers(desk, index_name, hits)]
    return _entries(desk, reader_id, chosen, limit, 0)


Chosen: TypeAlias = tuple[Item, float, str, str]


def _papers(desk: Desk, index_name: str, hits: list[Hit]) -> list[Chosen]:
    """The best chunk of each paper, in the order of the hits."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.document_id, hit)
    items = by_doc_ids(desk, index_name, best)
    return [(items[name], hit.score, hit.text, "") for name, hit in best.items() if name in items]


def _ordered(chosen: list[Chosen], known: dict[int, Interest], sort: Sort, now: int) -> list[Chosen]:
    if sort == "relevance":
        return chosen
    if sort == "date":
        dated = [(item, float(item.dated), text, reason) for item, _, text, reason in chosen]
        return sorted(dated, key=lambda entry: entry[0].newness, reverse=True)
    rest = {item.id: (text, reason) for item, _, text, reason in chosen}
    ranked = rank((item, score(item, known.get(item.id, Interest()), now)) for item, _, _, _ in chosen)
    return [(item, value, *rest[item.id]) for item, value in ranked]


def _newest(desk: Desk, index_name: str, allowed: set[str] | None, enough: int) -> list[Chosen]:
    query = f"""SELECT {COLUMNS} FROM item WHERE index_name = ? AND present
      ORDER BY {BY_DATE}"""
    items = (from_row(row) for row in desk.db.execute(query, (index_name,)))
    found = islice((item for item in items if allowed is None or item.doc_id in allowed), enough)
    return [(item, float(item.dated), "", "") for item in found]


def _trending(desk: Desk, index_name: str, allowed: set[str] | None, now: int, enough: int) -> list[Chosen]:
    if allowed is None:
        ranked = top(desk, index_name, now, enough)
    else:
        found, known = by_doc_ids(desk, index_name, allowed), interests(desk, index_name)
        ranked = rank((item, score(item, known.get(item.id, Interest()), now)) for item in found.values())[:enough]
    return [(item, value, "", "") for item, value in ranked]


def _hidden(desk: Desk, reader_id: int) -> int:
    query = "SELECT count(*) FROM event WHERE reader_id = ? AND kind = 'hide'"
    return int(desk.db.execute(query, (reader_id,)).fetchone()[0])


def _entries(desk: Desk, reader_id: int, chosen: list[Chosen], limit: int, offset: int) -> list[Entry]:
    marks = of_items(desk, reader_id, [item.id for item, _, _, _ in chosen])
    shown = [entry for entry in chosen if not marks[entry[0].id].hidden][offset : offset + limit]
    known = interests_of(desk, [item.id for item, _, _, _ in shown])
    return [
        Entry(item, value, text, reason, marks[item.id], known.get(item.id, Interest()))
        for item, value, text, reason in shown
    ]
