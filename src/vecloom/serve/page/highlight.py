"""What is shown of a hit: the sentence that answers best, with some of what stands around it, and the query's words marked.

By meaning the best sentence is the one nearest to the query by cosine; by words the one with most of the query's words, the
rarer ones (in these hits) weighing more. Ties go to the earlier sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.text import cut, language_of, marked, query_stems
from vecloom.text import sentences as sentences
from vecloom.text import stems as text_stems

ROOM = 360  # characters of a snippet
_WIDE = ("。", "！", "？", "｡", "」", "』")  # after these no blank stands
MOST_SENTENCES = 24  # of a hit that are compared; chunks have fewer as a rule


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text: part of the best sentence or not, a word of the query or not."""

    text: str
    best: bool = False
    word: bool = False


def nearest(vectors: Vectors, query: Vectors) -> int:
    """The place of the sentence nearest to the query: ``(n, dim)`` and ``(dim,)`` unit vectors."""
    return int(np.argmax(vectors @ query))


def most_words(texts: Sequence[str], query: str, frequency: Counter[str]) -> int:
    """The place of the sentence with most of the query's words; ``frequency`` counts stems in all hits."""
    language = language_of(cut(" ".join(texts))) or "en"
    wanted = set(query_stems(query, [language]))

    def weight(text: str) -> float:
        return sum(1 / math.log(2 + frequency[word]) for word in wanted.intersection(text_stems(text, language)))

    weights = [weight(text) for text in texts]
    return weights.index(max(weights))


def stems(texts: Sequence[str]) -> Counter[str]:
    """How often each stem occurs."""
    return Counter(word for text in texts for word in text_stems(text, language_of(cut(text)) or "en"))


def snippet(parts: Sequence[str], best: int, query: str, room: int = ROOM) -> list[Piece]:
    """The best sentence with its neighbours as far as there is room, the query's words marked in all of it."""
    first = last = best
    used = len(parts[best])
    while True:
        after = len(parts[last + 1]) if last + 1 < len(parts) else None
        before = len(parts[first - 1]) if first > 0 else None
        if after is not None and used + after <= room:
            last, used = last + 1, used + after
        elif before is not None and used + before <= room:
            first, used = first - 1, used + before
        else:
            break
    language = language_of(cut(" ".join(parts)))
    pieces = [Piece("… ")] if first > 0 else []
    for place in range(first, last + 1):
        text = parts[place] if place != best else _cut(parts[place], room * 2)
        pieces += _marked(text, place == best, query, language)
        if place < last and not text.endswith(_WIDE):
            pieces.append(Piece(" "))
    return [*pieces, *([Piece(" …")] if last + 1 < len(parts) else [])]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[:room].rsplit(maxsplit=1)[0] + " …"


def _marked(text: str, best: bool, query: str, language: str) -> list[Piece]:
    pieces, start = [], 0
    for first, last in marked(text, query, language) if query else ():
        if first > start:
            pieces.append(Piece(text[start:first], best))
        pieces.append(Piece(text[first:last], best, True))
        start = last
    return [*pieces, Piece(text[start:], best)] if start < len(text) else pieces
