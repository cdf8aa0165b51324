"""Reciprocal-rank fusion: one list from several, by places alone.

Source: Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods", SIGIR 2009. RRFscore(d) = sum over lists r of 1 / (60 + r(d)), r(d) the 1-based place of d in list r.
Use it to join lists whose scores cannot be compared, as cosine and BM25.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

RRF_K = 60  # Cormack et al. 2009, section 2: fixed in a pilot and not tuned since


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
