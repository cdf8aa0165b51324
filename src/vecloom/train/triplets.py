"""Triplets of anchor, positive and negative out of pairs with a class or a score.

Sources: natural language inference as MahaSBERT (Joshi et al. 2022, arXiv:2211.11187) uses it: the premise, a hypothesis that it
entails, one that contradicts it. From scores (ours, where a language has no inference data): a sentence, one that is scored
alike with it, one that is scored unlike.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

ENTAILMENT, CONTRADICTION = "entailment", "contradiction"
NUMBERS = {0: ENTAILMENT, 1: "neutral", 2: CONTRADICTION, -1: "none"}
"""Classes by number, as SNLI, MultiNLI and XNLI number them; -1 is a row without a label."""
HIGH, LOW = 0.8, 0.2  # 4 and 1 of 0 to 5


class Triplet(NamedTuple):
    """A text, one that belongs to it, one that does not."""

    anchor: str
    positive: str
    negative: str


def nli_triplets(rows: Iterable[tuple[str, str, str]], seed: int | None = None) -> list[Triplet]:
    """Every entailment of a premise with every contradiction of the same premise.

    Args:
        rows: (premise, hypothesis, class); classes other than entailment and contradiction are passed over.
        seed: take one contradiction per entailment, drawn with this seed; None takes all.

    Returns:
        triplets in the order of premises and hypotheses.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: {ENTAILMENT: [], CONTRADICTION: []})
    for premise, hypothesis, label in rows:
        if label in (ENTAILMENT, CONTRADICTION):
            found[premise][label].append(hypothesis)
    return list(_enumerated(((text, own[ENTAILMENT], own[CONTRADICTION]) for text, own in found.items()), seed))


def scored_triplets(
    rows: Iterable[tuple[str, str, float]], high: float = HIGH, low: float = LOW, seed: int | None = None
) -> list[Triplet]:
    """The same from scored pairs that share a sentence, on either side.

    Args:
        rows: (sentence1, sentence2, score from 0 to 1).
        high: lowest score of a positive.
        low: highest score of a negative.
        seed: as for ``nli_triplets``.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    unlike: dict[str, list[str]] = defaultdict(list)
    for one, two, score in rows:
        kept = alike if score >= high else unlike if score <= low else None
        if kept is not None and one != two:
            kept[one].append(two)
            kept[two].append(one)
    return list(_enumerated(((text, alike[text], unlike[text]) for text in alike if text in unlike), seed))


def label_of(cell: Any) -> str | None:
    """A class by name from its name or its number; None where it is neither."""
    text = str(cell).strip().lower()
    if text in NUMBERS.values():
        return text
    try:
        return NUMBERS.get(int(text))
    except ValueError:
        return None


def _enumerated(groups: Iterable[tuple[str, list[str], list[str]]], seed: int | None) -> Iterator[Triplet]:
    chance = random.Random(seed)
    for anchor, positives, negatives in groups:
        pushed = list(dict.fromkeys(text for text in negatives if text != anchor))
        for positive in dict.fromkeys(positives):
            others = [text for text in pushed if text != positive]
            if seed is not None and others:
                others = [chance.choice(others)]
            yield from (Triplet(anchor, positive, negative) for negative in others)
