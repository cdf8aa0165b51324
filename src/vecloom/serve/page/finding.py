"""Answers as a page shows them: one entry a document, with its best sentence, its fields, and what narrows the search."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vecloom.data.records import FieldValue, Scalar
from vecloom.encoders.protocol import Encoder, Vectors
from vecloom.errors import DocumentNotFoundError
from vecloom.search import Hit, Index
from vecloom.search.closeness import Closeness, closeness, nothing_fits
from vecloom.search.facets import Facets
from vecloom.search.results import grouped
from vecloom.serve.page import highlight
from vecloom.serve.page.highlight import Piece
from vecloom.serve.page.question import PAGE, Question, shown
from vecloom.serve.page.visible import visible
from vecloom.serve.room.papers import Papers, Place, Standing

DATES = ("date", "published", "published_at", "created", "updated", "year")
LINKS = ("url", "link", "href")
PAGE_FIELD = "page"  # of a passage, not of its document
OWN_PLACE = {*DATES, *LINKS, PAGE_FIELD} - {"year"}  # shown elsewhere; years are few enough to choose from
DEPTH = 100  # best documents among which the newest are found
CHUNKS = 3  # hits that are asked for a document that is shown: a document may have several
COUNTED = 300  # hits by words that are asked for at least, to count the documents that have them
FOLDED = 5  # further passages of a document that are offered
LONGEST = 80  # characters of a field's value in a list


@dataclass(frozen=True, slots=True)
class Passage:
    """Another passage of a document that answers."""

    position: int
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A document among the answers.

    Attributes:
        id: of the document.
        title: or what stands for it.
        pieces: the best passage, as far as it is shown.
        cosine: of the query and the best passage, where a model was asked.
        fit: the cosine in a word, where the model was measured.
        heading: above the best passage.
        source: the file's name.
        place: where the file was.
        date: ISO 8601, as far as it is known.
        link: to the document elsewhere.
        passages: others that answer.
        fields: the record's other fields.
        why: its places in the lists that were joined.
        reason: why it is in a list for a reader.
        standing: what readers think of it, where there is a reading room.
    """

    id: str
    title: str
    pieces: Sequence[Piece]
    cosine: float | None = None
    fit: Closeness | None = None
    heading: str = ""
    source: str = ""
    place: str = ""
    date: str = ""
    link: str = ""
    passages: Sequence[Passage] = ()
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
    """What a page shows of an index.

    Attributes:
        entries: the documents of this page.
        facets: what narrows the search.
        searched: documents that pass the filters.
        found: of these, how many have words of the query, where words were asked; None where that was not counted.
        nothing_fits: what is shown is only what comes nearest.
        more: there is another page.
        dated: documents have dates.
        by_meaning: the index can be asked by meaning.
        filterable: documents have fields.
        milliseconds: that the answer took.
        trouble: why there is no answer.
        asked: there was a query.
        listed: these are no answers but the desk's list.
        condition: the filter.
    """

    entries: Sequence[Entry] = ()
    facets: Sequence[tuple[str, Sequence[Choice]]] = ()
    searched: int = 0
    found: int | None = None
    nothing_fits: bool = False
    more: bool = False
    dated: bool = False
    by_meaning: bool = True
    filterable: bool = True
    milliseconds: float = 0
    trouble: str = ""
    status: int = 200
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
    if question.where:
        index.check_filter(question.where)  # by itself: what is wrong is told in its own words
    known = {name: values for name, values in index.facets().items() if name not in OWN_PLACE}
    condition = question.filter({name: [value for value, _ in values] for name, values in known.items()})
    common = Answer(
        facets=facets(index, question, known), searched=index.count(condition), dated=date_field(index) is not None,
        by_meaning=index.encoder is not None, filterable=bool(index.fields), condition=condition or "",
    )  # fmt: skip
    answered = (
        _answered(index, question, papers, condition) if question.text else _listed(index, question, papers, condition)
    )
    return replace(common, **answered, milliseconds=1000 * (time.perf_counter() - began))


def _listed(index: Index, question: Question, papers: Papers | None, condition: str | None) -> dict[str, Any]:
    """What is shown where nothing was asked: a list of the desk."""
    first = (question.page - 1) * PAGE
    listed = papers.places(question.sort, condition, first, PAGE + 1) if papers else []
    entries = standing([one for place in listed[:PAGE] for one in placed(index, place)], papers)
    return {"entries": entries, "more": len(listed) > PAGE, "listed": papers is not None}


def _answered(index: Index, question: Question, papers: Papers | None, condition: str | None) -> dict[str, Any]:
    """What is shown of a search."""
    last = question.page * PAGE
    encoder = index.encoder if question.mode != "keyword" else None
    vector = encoder.encode([question.text], kind="query") if encoder else None
    hidden = papers.hidden if papers else frozenset()
    wanted = (last + 1 + len(hidden) if question.sort == "relevance" else DEPTH) * CHUNKS
    wanted = max(wanted, COUNTED) if encoder is None else wanted
    hits = index.search_many([question.text], wanted, mode=question.mode, where=condition, vectors=vector)[0]
    documents = [chunks for chunks in grouped(hits) if chunks[0].document_id not in hidden]
    found = len(documents) if encoder is None and len(hits) < wanted else None
    if question.sort != "relevance":
        documents = reordered(documents[:DEPTH], question.sort, date_field(index), papers)
    page = documents[last - PAGE : last]
    fingerprint = encoder.fingerprint if encoder else ""
    entries = [measured(entry(chunks), chunks, fingerprint) for chunks in page]
    return {
        "entries": standing(
            with_snippets(entries, [chunks[0].text for chunks in page], question.text, encoder, vector), papers
        ),
        "found": found, "more": len(documents) > last, "asked": True,
        "nothing_fits": nothing_fits(question.text, [hit for chunks in page for hit in chunks], fingerprint),
    }  # fmt: skip


def measured(one: Entry, chunks: Sequence[Hit], fingerprint: str) -> Entry:
    """An entry with how well it fits: as well as the passage of it that fits best."""
    cosines = [hit.cosine for hit in chunks if hit.cosine is not None]
    cosine = max(cosines, default=None)
    return replace(one, cosine=cosine, fit=closeness(cosine, fingerprint))


def near(index: Index, name: str, papers: Papers | None = None, k: int = PAGE) -> Answer:
    """Documents near to one. Blocks."""
    began = time.perf_counter()
    hidden = papers.hidden if papers else frozenset()
    documents = grouped(index.similar(name, (k + len(hidden)) * CHUNKS))
    shown_ones = [chunks for chunks in documents if chunks[0].document_id not in hidden][:k]
    entries = [
        replace(entry(chunks), pieces=_beginning(chunks[0].text), cosine=chunks[0].cosine) for chunks in shown_ones
    ]
    return Answer(entries=standing(entries, papers), asked=True, milliseconds=1000 * (time.perf_counter() - began))


def placed(index: Index, place: Place) -> list[Entry]:
    """The entry of a listed paper; none where the index has lost it since."""
    try:
        chunks = index.document(place.id)
    except DocumentNotFoundError:
        return []
    found = entry(chunks)
    return [replace(found, reason=place.reason, passages=(), pieces=_beginning(chunks[0].text))]


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


def colourable(index: Index) -> list[str]:
    """Fields that a map can show: those that narrow a search, numbers, and dates."""
    narrowing, types = index.facets(), index.info().fields
    return [name for name, kind in types.items() if name in narrowing or kind in ("int64", "double") or name in DATES]


def entry(chunks: Sequence[Hit]) -> Entry:
    """An entry without its snippet."""
    best = chunks[0]
    date = next((shown(best.fields[name]) for name in DATES if name in best.fields), "")
    link = next((_one(best.fields[name]) for name in LINKS if name in best.fields), "")
    place = "" if best.source == "-" else visible(best.source)
    return Entry(
        id=best.document_id, title=title(best), pieces=(), heading=below(best.heading, best.title),
        source=place.replace("\\", "/").rstrip("/").rpartition("/")[2], place=place, date=visible(date[:10]),
        link=link if link.startswith(("https://", "http://")) else "",
        passages=[_passage(hit) for hit in chunks[1 : FOLDED + 1]],
        fields=[(name, _short(value)) for name, value in named(best)][:6], why=_why(best),
    )  # fmt: skip


def title(hit: Hit) -> str:
    """A document's title, or what stands for it."""
    return visible(hit.title) or visible(hit.heading) or visible(hit.document_id) or "(without a title)"


def below(heading: str, title: str) -> str:
    """Headings without the title that they often begin with."""
    return visible("" if heading == title else heading.removeprefix(f"{title} > "))


def named(hit: Hit, but: Collection[str] = (*DATES, *LINKS)) -> list[tuple[str, str]]:
    """A record's fields that say something, by name."""
    pairs = [(visible(name), visible(shown(value))) for name, value in hit.fields.items() if name not in but]
    return [(name, value) for name, value in pairs if value]


def shared(chunks: Sequence[Hit]) -> list[tuple[str, str]]:
    """The fields that all passages of a document have alike; a page's number is no such field."""
    first = chunks[0].fields
    but = [name for name in first if any(chunk.fields.get(name) != first[name] for chunk in chunks)]
    return named(chunks[0], (*LINKS, *but))


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"


def _passage(hit: Hit) -> Passage:
    text = "".join(piece.text for piece in _beginning(hit.text))
    return Passage(hit.position, below(hit.heading, hit.title), text)


def _one(value: FieldValue) -> str:
    """The first of several values."""
    return next(iter(value), "") if isinstance(value, list) else str(value)


def _why(hit: Hit) -> str:
    ranks = [f"{name} {rank}" for name, rank in (("meaning", hit.vector_rank), ("words", hit.keyword_rank)) if rank]
    return ", ".join(ranks)


def with_snippets(
    entries: Sequence[Entry], texts: Sequence[str], query: str, encoder: Encoder | None, vector: Vectors | None
) -> list[Entry]:
    """Entries with their best sentence; all sentences are encoded together."""
    if not entries:
        return []
    texts = [visible(text) for text in texts]
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
    parts = highlight.sentences(visible(text)) or [""]
    return [replace(piece, best=False) for piece in highlight.snippet(parts, 0, "")]


def facets(index: Index, question: Question, known: Facets) -> list[tuple[str, list[Choice]]]:
    """Values with counts under the other choices, so that one sees what a further choice would leave."""
    values = {name: [value for value, _ in pairs] for name, pairs in known.items()}
    everything = question.filter(values)
    counted = dict(known) if everything is None else dict(index.facets(list(known), where=everything))
    for name in question.chosen:
        if name in known:
            counted[name] = index.facets([name], where=question.filter(values, but=name))[name]
    listed = [(name, _choices(counted.get(name, []), question.chosen.get(name, ()))) for name in known]
    return [(name, choices) for name, choices in listed if choices]


def _choices(pairs: Sequence[tuple[Scalar, int]], chosen: Sequence[str]) -> list[Choice]:
    found = [Choice(shown(value), count, shown(value) in chosen) for value, count in pairs]
    missing = [Choice(value, 0, True) for value in chosen if value not in {choice.value for choice in found}]
    return [one for one in (*found, *missing) if visible(one.value) and (one.count or one.chosen)]
