"""Answers as a page shows them: one entry a document, with its best sentence, its fields, and what narrows the search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vecloom.data.records import Scalar
from vecloom.encoders.protocol import Encoder, Vectors
from vecloom.errors import DocumentNotFoundError
from vecloom.search import Hit, Index
from vecloom.search.facets import Facets
from vecloom.search.results import grouped
from vecloom.serve.page import highlight
from vecloom.serve.page.highlight import Piece
from vecloom.serve.page.question import PAGE, Question, shown
from vecloom.serve.room.papers import Papers, Place, Standing

DATES = ("date", "published", "published_at", "created", "updated", "year")
LINKS = ("url", "link", "href")
OWN_PLACE = {*DATES, *LINKS} - {"year"}  # shown elsewhere; years are few enough to choose from
DEPTH = 100  # best documents among which the newest are found
CHUNKS = 3  # hits that are asked for a document that is shown: a document may have several


@dataclass(frozen=True, slots=True)
class Entry:
    """A document among the answers. ``standing`` is what readers think of it, where there is a reading room."""

    id: str
    title: str
    score: float | None
    pieces: Sequence[Piece]
    heading: str = ""
    source: str = ""
    date: str = ""
    link: str = ""
    more: int = 0
    fields: Sequence[tuple[str, str]] = ()
    why: str = ""
    reason: str = ""
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet."""

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page shows of an index."""

    entries: Sequence[Entry] = ()
    facets: Sequence[tuple[str, Sequence[Choice]]] = ()
    more: bool = False
    dated: bool = False
    milliseconds: float = 0
    trouble: str = ""
    asked: bool = False
    listed: bool = False
    condition: str = ""


def answer(index: Index, question: Question, papers: Papers | None = None) -> Answer:
    """Search, and prepare the page. Blocks; for a worker thread.

    Args:
        index: where to search.
        question: what is asked; without a query, ``papers`` are listed.
        papers: the index as the reading room knows it.

    Raises:
        VecloomError: the filter is wrong, the index is broken, ...
        Problem: a list is not for whoever asks.
    """
    began = time.perf_counter()
    known = {name: values for name, values in index.facets().items() if name not in OWN_PLACE}
    condition = question.filter({name: [value for value, _ in values] for name, values in known.items()})
    dated = date_field(index) is not None
    sidebar = facets(index, question, known)
    last = question.page * PAGE
    if not question.text:
        listed = papers.places(question.sort, condition, last - PAGE, PAGE + 1) if papers else []
        return Answer(
            entries=standing([one for place in listed[:PAGE] for one in placed(index, place)], papers),
            facets=sidebar, more=len(listed) > PAGE, dated=dated, listed=papers is not None,
            milliseconds=1000 * (time.perf_counter() - began),
        )  # fmt: skip
    encoder = index.encoder if question.mode != "keyword" else None
    vector = encoder.encode([question.text], kind="query") if encoder else None
    hidden = papers.hidden if papers else frozenset()
    wanted = (last + 1 + len(hidden) if question.sort == "relevance" else DEPTH) * CHUNKS
    hits = index.search_many([question.text], wanted, mode=question.mode, where=condition, vectors=vector)[0]
    documents = [chunks for chunks in grouped(hits) if chunks[0].document_id not in hidden]
    if question.sort != "relevance":
        documents = reordered(documents[:DEPTH], question.sort, date_field(index), papers)
    page = documents[last - PAGE : last]
    entries = standing([entry(chunks) for chunks in page], papers)
    return Answer(
        entries=with_snippets(entries, [chunks[0].text for chunks in page], question.text, encoder, vector),
        facets=sidebar, more=len(documents) > last, dated=dated, asked=True, condition=condition or "",
        milliseconds=1000 * (time.perf_counter() - began),
    )  # fmt: skip


def near(index: Index, name: str, papers: Papers | None = None, k: int = PAGE) -> Answer:
    """Documents near to one. Blocks."""
    began = time.perf_counter()
    hidden = papers.hidden if papers else frozenset()
    documents = grouped(index.similar(name, (k + len(hidden)) * CHUNKS))
    shown_ones = [chunks for chunks in documents if chunks[0].document_id not in hidden][:k]
    entries = [replace(entry(chunks), pieces=_beginning(chunks[0].text)) for chunks in shown_ones]
    return Answer(entries=standing(entries, papers), asked=True, milliseconds=1000 * (time.perf_counter() - began))


def placed(index: Index, place: Place) -> list[Entry]:
    """The entry of a listed paper; none where the index has lost it since."""
    try:
        chunks = index.document(place.id)
    except DocumentNotFoundError:
        return []
    found = entry(chunks)
    return [replace(found, score=place.score, reason=place.reason, pieces=_beginning(chunks[0].text))]


def standing(entries: Sequence[Entry], papers: Papers | None) -> list[Entry]:
    """Entries with what readers think of them."""
    known = papers.standing([one.id for one in entries]) if papers else {}
    return [replace(one, standing=known.get(one.id)) for one in entries]


def reordered(documents: Sequence[list[Hit]], sort: str, date: str | None, papers: Papers | None) -> list[list[Hit]]:
    """By date or trend, the better one first where they are equal."""
    if sort == "date" or papers is None:
        return newest(documents, date)
    scores = papers.trends([chunks[0].document_id for chunks in documents])
    return sorted(documents, key=lambda chunks: -scores[chunks[0].document_id])


def newest(documents: Sequence[list[Hit]], date: str | None) -> list[list[Hit]]:
    """By date, newest first; the better one first where they are equal, those without a date last."""
    return sorted(documents, key=lambda chunks: shown(chunks[0].fields.get(date or "", "")), reverse=True)


def date_field(index: Index) -> str | None:
    """The field that holds a document's date."""
    fields = index.fields
    return next((name for name in DATES if name in fields), None)


def entry(chunks: Sequence[Hit]) -> Entry:
    """An entry without its snippet."""
    best = chunks[0]
    date = next((shown(best.fields[name]) for name in DATES if name in best.fields), "")
    link = next((str(best.fields[name]) for name in LINKS if name in best.fields), "")
    rest = [(name, shown(value)) for name, value in best.fields.items() if name not in (*DATES, *LINKS)]
    return Entry(
        id=best.document_id, title=best.title or best.heading or best.document_id, score=best.score, pieces=(),
        heading=best.heading if best.heading != best.title else "", source=best.source if best.source != "-" else "",
        date=date[:10], link=link if link.startswith(("https://", "http://")) else "", more=len(chunks) - 1,
        fields=[(name, value if len(value) <= 80 else value[:79] + "…") for name, value in rest][:6], why=_why(best),
    )  # fmt: skip


def _why(hit: Hit) -> str:
    ranks = [f"{name} {rank}" for name, rank in (("meaning", hit.vector_rank), ("words", hit.keyword_rank)) if rank]
    return ", ".join(ranks)


def with_snippets(
    entries: Sequence[Entry], texts: Sequence[str], query: str, encoder: Encoder | None, vector: Vectors | None
) -> list[Entry]:
    """Entries with their best sentence; all sentences are encoded together."""
    if not entries:
        return []
    parts = [highlight.sentences(text)[: highlight.MOST_SENTENCES] or [text] for text in texts]
    if encoder is None or vector is None:
        frequency = highlight.stems(texts)
        best = [highlight.most_words(one, query, frequency) for one in parts]
    else:
        encoded = encoder.encode([sentence for one in parts for sentence in one])
        borders = np.cumsum([len(one) for one in parts])[:-1]
        best = [highlight.nearest(vectors, vector[0]) for vectors in np.split(encoded, borders)]
    return [
        replace(one, pieces=highlight.snippet(cut, place, query))
        for one, cut, place in zip(entries, parts, best, strict=True)
    ]


def _beginning(text: str) -> list[Piece]:
    parts = highlight.sentences(text) or [text]
    return [replace(piece, best=False) for piece in highlight.snippet(parts, 0, "")]


def facets(index: Index, question: Question, known: Facets) -> list[tuple[str, list[Choice]]]:
    """Values with counts under the other choices, so that one sees what a further choice would leave."""
    values = {name: [value for value, _ in pairs] for name, pairs in known.items()}
    everything = question.filter(values)
    counted = dict(known) if everything is None else dict(index.facets(list(known), where=everything))
    for name in question.chosen:
        if name in known:
            counted[name] = index.facets([name], where=question.filter(values, but=name))[name]
    return [(name, _choices(counted.get(name, []), question.chosen.get(name, ()))) for name in known]


def _choices(pairs: Sequence[tuple[Scalar, int]], chosen: Sequence[str]) -> list[Choice]:
    found = [Choice(shown(value), count, shown(value) in chosen) for value, count in pairs]
    missing = [Choice(value, 0, True) for value in chosen if value not in {choice.value for choice in found}]
    return [*found, *missing]
