"""One list from two: by scores and how far they can be trusted, or by places alone.

``fuse`` joins vector and word search. Scores of both are put on one scale: standard deviations above the mean of the first
``DEPTH`` places; a text without a word of the query has score 0 there. A list with one outstanding hit has it far above its
mean; a list that knows nothing is flat. The vectors
count less

- the more the words' best hit stands out above the vectors' best (exact names and codes, a model that does not know),
- the fewer of their first ten places the two lists share,
- the worse the model reads the query (``vecloom.encoders.reading``): a model without Chinese has no say in Chinese.

The numbers were chosen on 16 collections (``experiments/xquad_languages.py``).

``reciprocal_rank_fusion`` is Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods", SIGIR 2009. RRFscore(d) = sum over lists r of 1 / (60 + r(d)), r(d) the 1-based place of d in list r.
Use it to join lists without scores that can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RRF_K = 60  # Cormack et al. 2009, section 2: fixed in a pilot and not tuned since
DIGITS = 4  # of a fused score; the same query may differ beyond them with the number of queries asked at once
DEPTH = 100  # places that scores are compared with, and that are fused
SHARED, SHARED_ENOUGH, SHARED_NONE = (
    10,
    2,
    0.5,
)  # places compared; in common from which agreement is full; weight if none are
APART, LEVEL, LEAST = 0.3, 0.9, 0.05  # best of vectors over best of words: no say, full say; the least say
FAMILIAR, STRANGE = 1.25, 0.25  # weight of the vectors where the model reads the query well, and where it cannot

Scored = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


def fuse(by_vector: Scored, by_word: Scored, familiar: float = 1.0) -> list[tuple[int, float]]:
    """Fuse the answers by vectors and by words: ids and scores, best first.

    Args:
        by_vector: ids and cosines, best first.
        by_word: ids and BM25 scores, best first.
        familiar: how well the model reads the query, 0 to 1.

    Returns:
        ``(id, score)``, best first.
    """
    places = min(DEPTH, max(len(by_vector[0]), len(by_word[0])))
    vector, word = _Standing.of(by_vector[1], places), _Standing.of(by_word[1], places, others=0.0)
    weight = _trust(by_vector, by_word, vector.best, word.best, familiar)
    scores: dict[int, float] = {}
    for (ids, values), standing, share in ((by_vector, vector, weight), (by_word, word, 1.0)):
        for item, value in zip(ids.tolist(), values.tolist(), strict=True):
            scores[item] = scores.get(item, 0.0) + share * standing.above_last(value)
    rounded = ((item, round(score, DIGITS)) for item, score in scores.items())
    return sorted(rounded, key=lambda one: (-one[1], one[0]))


@dataclass(frozen=True, slots=True)
class _Standing:
    """The first places of a list: their mean, standard deviation, and the last of them; how far the best is above the mean."""

    deviation: float
    last: float
    best: float

    @classmethod
    def of(cls, scores: npt.NDArray[np.float32], places: int, others: float | None = None) -> _Standing:
        """``others`` is the score of what is not in the list."""
        first = np.asarray(scores[:places], np.float64)
        if others is not None:
            first = np.append(first, np.full(places - len(first), others))
        if not len(first):
            return cls(1.0, 0.0, 0.0)
        deviation = float(first.std()) or 1.0
        return cls(deviation, float(first[-1]), float(first[0] - first.mean()) / deviation)

    def above_last(self, score: float) -> float:
        """How far above the last place, in standard deviations; beyond it there is no difference any more."""
        return max(0.0, (score - self.last) / self.deviation)


def _trust(by_vector: Scored, by_word: Scored, best: float, best_word: float, familiar: float) -> float:
    """The vectors' weight; that of the words is 1."""
    known = STRANGE + (FAMILIAR - STRANGE) * familiar
    if not len(by_word[0]):
        return known
    level = (best / best_word - APART) / (LEVEL - APART) if best_word > 0 else 1.0
    common = len(set(by_vector[0][:SHARED].tolist()) & set(by_word[0][:SHARED].tolist()))
    agreed = SHARED_NONE + (1 - SHARED_NONE) * min(1.0, common / SHARED_ENOUGH)
    return known * min(1.0, max(LEAST, level)) * agreed


def reciprocal_rank_fusion(lists: Sequence[Sequence[int]], k: int = RRF_K) -> list[tuple[int, float]]:
    """Fuse ranked lists of ids, best first.

    Args:
        lists: each without repetition.
        k: damps the first places' weight.

    Returns:
        ``(id, score)``, best first; of equal scores the one with the best single place comes first, then the
        one that is better in the earlier list, then the smaller id.
    """
    places: dict[int, list[float]] = {}
    for number, ranked in enumerate(lists):
        for place, item in enumerate(ranked, start=1):
            places.setdefault(item, [math.inf] * len(lists))[number] = place
    scores = {item: sum(1.0 / (k + place) for place in ranks) for item, ranks in places.items()}
    order = sorted(scores, key=lambda item: (-scores[item], min(places[item]), places[item], item))
    return [(item, scores[item]) for item in order]
