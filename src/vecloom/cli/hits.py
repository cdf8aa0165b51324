"""How hits look, for people and for programs: one a document, with how well it fits and the passage that answers."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vecloom.cli import show, snippet
from vecloom.control_characters import visible
from vecloom.search.closeness import closeness

if TYPE_CHECKING:
    from vecloom.search import Hit

INDENT = 4
WIDEST = 120  # columns; longer lines are hard to read
CHUNKS = 3  # passages that are asked for each document that is shown: a document may have several
NAMED = 5  # further passages of a document that are named


def readable(
    documents: Sequence[Sequence[Hit]], query: str, fingerprint: str, *, full: bool = False, unfit: bool = False
) -> str:
    """Ranked documents for people: rank, how well it fits, title, place, and the passage that answers.

    Args:
        documents: the hits of each, best first.
        query: what was asked; "" if nothing was.
        fingerprint: of the index's model, which tells what a cosine means.
        full: the whole passage instead of the part with the query's words.
        unfit: say first that nothing fits well.
    """
    if not documents:
        return "Nothing was found."
    width = min(shutil.get_terminal_size().columns, WIDEST) - INDENT
    blocks = [_block(rank, hits, query, width, fingerprint, full) for rank, hits in enumerate(documents, start=1)]
    return "\n".join([*(["Nothing fits well; the nearest are:"] if unfit else []), *blocks])


def as_objects(documents: Sequence[Sequence[Hit]], fingerprint: str) -> list[dict[str, Any]]:
    """For programs: the best hit of each document, with ``closeness`` and the ids of its further ``passages``."""
    return [
        {
            **asdict(hits[0]),
            "closeness": closeness(hits[0].cosine, fingerprint),
            "passages": [hit.id for hit in hits[1:]],
        }
        for hits in documents
    ]


def _block(rank: int, hits: Sequence[Hit], query: str, width: int, fingerprint: str, full: bool) -> str:
    best = hits[0]
    title = (
        best.heading if best.heading.startswith(best.title) else f"{best.title} > {best.heading}".removesuffix(" > ")
    )
    place = [best.id] if best.id.startswith(best.source) else [best.source, best.id]
    head = [fit(best, fingerprint), *([show.bold(_line(title))] if title else []), *map(_line, place)]
    head[-1] += _page(best, ", page {}")
    lines = [
        f"{rank:>2}. {'  '.join(head)}",
        *_passage(best.text, query, width, full),
        *([_further(hits[1:])] if len(hits) > 1 else []),
    ]
    return f"\n{' ' * INDENT}".join(line for line in lines if line)


def fit(hit: Hit, fingerprint: str) -> str:
    """How well a hit fits: its cosine, in a word too if the model's cosines were measured; without a cosine its score."""
    if hit.cosine is None:
        return f"{hit.score:.2f}"
    word = closeness(hit.cosine, fingerprint)
    return f"{hit.cosine:.2f} {word}" if word else f"{hit.cosine:.2f}"


def _passage(text: str, query: str, width: int, full: bool) -> list[str]:
    if not full:
        return [snippet.mark(snippet.cut(visible(text), query, width), query)]
    lines = visible(text).splitlines()
    wrapped = [part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
    return [snippet.mark(line, query) for line in wrapped]


def _further(hits: Sequence[Hit]) -> str:
    names = ", ".join(f"#{hit.position}{_page(hit, ' (page {})')}" for hit in hits[:NAMED])
    more = ", …" if len(hits) > NAMED else ""
    return f"and {show.count(len(hits), 'more passage')}: {names}{more}"


def _page(hit: Hit, form: str) -> str:
    return form.format(hit.fields["page"]) if isinstance(hit.fields.get("page"), int) else ""


def _line(text: str) -> str:
    """On one line, without what would steer the terminal."""
    return visible(" ".join(text.split()))
