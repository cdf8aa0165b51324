"""Classes and scored pairs as anchor, positive and negatives of their own: what NV-Embed's second stage blends in.

Source: NV-Embed (arXiv:2405.17428), as its second version has it. Classes: the positive is another text of the anchor's
class, negatives are texts of other classes. Scored pairs: a pair scored at least 4 of 5 is a positive, in both directions;
negatives are found by BM25, from the second rank on, unless the anchor's score with them is known to be 2.5 or more. How
many, and what becomes of an anchor with too few, was not found. Ours: the recipe's number, filled up with texts drawn at random.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

NEGATIVES = 7  # NV-Embed
HIGH, LOW = 0.8, 0.5  # NV-Embed: 4 and 2.5 of 5
FIRST_RANK = 2  # NV-Embed
_BLOCK = 1024  # anchors searched at a time
_LOOK = 20  # ranks looked at beyond the wanted ones


class Contrast(NamedTuple):
    """A text, one that belongs with it, and others that do not."""

    anchor: str
    positive: str
    negative: list[str]


def class_contrasts(
    texts: Sequence[str], labels: Sequence[Any], negatives: int = NEGATIVES, seed: int = 0
) -> list[Contrast]:
    """A row for each text whose class has another one.

    Args:
        texts: n texts.
        labels: their n classes, of at least two.
        negatives: how many texts of other classes; distinct ones where there are so many.
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    members: dict[Any, list[str]] = defaultdict(list)
    for text, label in zip(texts, labels, strict=True):
        members[label].append(text)
    own = {label: list(dict.fromkeys(found)) for label, found in members.items()}
    others = {
        label: list(dict.fromkeys(t for name, found in own.items() if name != label for t in found)) for label in own
    }
    made = []
    for text, label in zip(texts, labels, strict=True):
        positive = _drawn(own[label], 1, {text}, random)
        pushed = _drawn(others[label], negatives, {text, *own[label]}, random)
        if positive and pushed:
            made.append(Contrast(text, positive[0], pushed))
    return made


def scored_contrasts(
    rows: Iterable[tuple[str, str, float]],
    negatives: int = NEGATIVES,
    seed: int = 0,
    *,
    high: float = HIGH,
    low: float = LOW,
    first_rank: int = FIRST_RANK,
) -> list[Contrast]:
    """A row for each side of each pair that is scored high.

    Args:
        rows: (sentence1, sentence2, score from 0 to 1).
        negatives: how many.
        seed: of the texts that fill up.
        high: lowest score of a positive.
        low: score from which a text is no negative.
        first_rank: BM25's ranks from which negatives come; 1 is the best, the anchor itself not counted.
    """
    given = list(rows)
    known: dict[str, dict[str, float]] = defaultdict(dict)
    for one, two, score in given:
        for left, right in ((one, two), (two, one)):
            known[left][right] = max(score, known[left].get(right, 0.0))
    pool = list(dict.fromkeys(text for one, two, _ in given for text in (one, two)))
    pairs = dict.fromkeys(
        side for one, two, score in given if score >= high and one != two for side in ((one, two), (two, one))
    )
    random = np.random.default_rng(seed)
    made = []
    ranked = _bm25(pool, [anchor for anchor, _ in pairs], negatives + first_rank + _LOOK)
    for (anchor, positive), near in zip(pairs, ranked, strict=True):
        alike = {text for text, score in known[anchor].items() if score >= low} | {anchor, positive}
        candidates = [text for text in near if text != anchor][first_rank - 1 :]
        pushed = [text for text in candidates if text not in alike][:negatives]
        pushed += _drawn(pool, negatives - len(pushed), alike | set(pushed), random)
        if pushed:
            made.append(Contrast(anchor, positive, pushed))
    return made


def _bm25(pool: Sequence[str], anchors: Sequence[str], count: int) -> Iterator[list[str]]:
    """The ``count`` texts of the pool with the highest scores above 0 for each anchor, best first."""
    from vecloom.encoders.lexical import LexicalEncoder, LexicalSettings

    if not anchors:
        return
    encoder = LexicalEncoder.fit(pool, settings=LexicalSettings(weighting="bm25"))
    documents = encoder.encode_sparse(list(pool), normalize=False).T.tocsr()
    for start in range(0, len(anchors), _BLOCK):
        asked = encoder.encode_sparse(list(anchors[start : start + _BLOCK]), kind="query", normalize=False)
        for row in (asked @ documents).tocsr():
            order = np.argsort(-row.data, kind="stable")[:count]
            yield [pool[place] for place in row.indices[order] if row[0, place] > 0]


def _drawn(texts: Sequence[str], count: int, without: set[str], random: np.random.Generator) -> list[str]:
    """So many different texts, fewer where there are not so many."""
    found: dict[str, None] = {}
    if count <= 0:
        return []
    if len(texts) > 4 * (count + len(without)):
        while len(found) < count:
            text = texts[int(random.integers(len(texts)))]
            if text not in without:
                found[text] = None
        return list(found)
    left = [text for text in texts if text not in without]
    return [left[place] for place in random.permutation(len(left))[:count]]
