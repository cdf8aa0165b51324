"""How well a hit fits, in a word: close, fair or far; and whether anything that was found fits.

A cosine means something for one model only: what is far for one is close for another. The bounds are measured for the bundled
model by ``experiments/score_bands.py`` (five collections); for every other model there are no words, and a program or page shows
the number. Bounds are told by fingerprint, so a model that was trained on, cut or merged has none of them.

A short query has low cosines whatever it finds, because a passage says much more than a word or two. So a hit that holds the
query's words always fits: all of them, or of at most three words half.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from vecloom.search.results import Hit

Closeness: TypeAlias = Literal["close", "fair", "far"]
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least cosine of a query and a chunk that is called ``fair``, and ``close``."""

    fair: float
    close: float


BOUNDS: Mapping[str, Bounds] = {
    "ed640aabc3a80b34937d0e00aa77c425": Bounds(fair=0.35, close=0.60),  # all-MiniLM-L6-v2, the bundled model
}
FEW = 3  # words of a query of which half are enough


def closeness(cosine: float | None, fingerprint: str) -> Closeness | None:
    """A cosine in a word; None where there is no cosine, or where nobody measured this model."""
    bounds = BOUNDS.get(fingerprint)
    if cosine is None or bounds is None:
        return None
    return "close" if cosine >= bounds.close else "fair" if cosine >= bounds.fair else "far"


def nothing_fits(query: str, hits: Iterable[Hit], fingerprint: str) -> bool:
    """Whether all of the hits are far, and none holds the query's words; False where nobody can say.

    Args:
        query: what was asked.
        hits: what is shown; their cosines are needed.
        fingerprint: of the model that made the index.
    """
    found = list(hits)
    return bool(found) and all(
        closeness(hit.cosine, fingerprint) == "far" and not holds_words(query, hit) for hit in found
    )


def holds_words(query: str, hit: Hit) -> bool:
    """Whether the chunk, its title or its headings hold the query's words, or half of a few; case does not matter.

    A word counts where it is part of a longer one, as "index" of "indexes".
    """
    text = f"{hit.title}\n{hit.heading}\n{hit.text}".casefold()
    words = _WORD.findall(query.casefold())
    held = sum(word in text for word in words)
    return 2 * held >= len(words) if len(words) <= FEW else held == len(words)
