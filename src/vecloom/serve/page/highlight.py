"""What is shown of a hit: the sentence that answers best, with some of what stands around it, and the query's words marked.

By meaning the best sentence is the one nearest to the query by cosine; by words the one with most of the query's words, the
rarer ones (in these hits) weighing more. Ties go to the earlier sentence.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vecloom.encoders.protocol import Vectors

ROOM = 360  # characters of a snippet
MOST_SENTENCES = 24  # of a hit that are compared; chunks have fewer as a rule
_BORDER = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=\S)|(?<=[。！？])|\n\s*\n")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text: part of the best sentence or not, a word of the query or not."""

    text: str
    best: bool = False
    word: bool = False


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the white space between them; never empty unless the text is blank."""
    parts, start = [], 0
    for border in _BORDER.finditer(text):
        parts.append(text[start : border.end()].strip())
        start = border.end()
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def stem(word: str) -> str:
    """A word without its commonest English endings, in lower case: enough to see that "indexes" is "index"."""
    word = word.lower()
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def nearest(vectors: Vectors, query: Vectors) -> int:
    """The place of the sentence nearest to the query: ``(n, dim)`` and ``(dim,)`` unit vectors."""
    return int(np.argmax(vectors @ query))


def most_words(texts: Sequence[str], query: str, frequency: Counter[str]) -> int:
    """The place of the sentence with most of the query's words; ``frequency`` counts stems in all hits."""
    wanted = {stem(word) for word in _WORD.findall(query)}

    def weight(text: str) -> float:
        present = wanted & {stem(word) for word in _WORD.findall(text)}
        return sum(1 / math.log(2 + frequency[word]) for word in present)

    weights = [weight(text) for text in texts]
    return weights.index(max(weights))


def stems(texts: Sequence[str]) -> Counter[str]:
    """How often each stem occurs."""
    return Counter(stem(word) for text in texts for word in _WORD.findall(text))


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
    wanted = {stem(word) for word in _WORD.findall(query)}
    pieces = [Piece("… ")] if first > 0 else []
    for place in range(first, last + 1):
        text = parts[place] if place != best else _cut(parts[place], room * 2)
        pieces += _marked(text, place == best, wanted)
        pieces.append(Piece(" "))
    return [*pieces[:-1], *([Piece(" …")] if last + 1 < len(parts) else [])]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[:room].rsplit(maxsplit=1)[0] + " …"


def _marked(text: str, best: bool, wanted: set[str]) -> list[Piece]:
    pieces, start = [], 0
    for word in _WORD.finditer(text):
        if stem(word[0]) in wanted and len(word[0]) > 1:
            if word.start() > start:
                pieces.append(Piece(text[start : word.start()], best))
            pieces.append(Piece(word[0], best, True))
            start = word.end()
    return [*pieces, Piece(text[start:], best)] if start < len(text) else pieces
