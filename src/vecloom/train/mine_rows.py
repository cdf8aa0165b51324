"""Mined negatives as rows of training data: one function per format, all from the same finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """An anchor with its positives and negatives, and the score of each."""

    anchor: str
    positives: Sequence[str]
    positive_scores: Any
    negatives: Sequence[str]
    negative_scores: Any


def n_tuples(found: Found, wanted: int, scores: bool) -> Iterator[Row]:
    """A row per positive with all negatives; none where there are too few of these."""
    if len(found.negatives) < wanted:
        return
    negatives = {f"negative_{number}": text for number, text in enumerate(found.negatives, 1)}
    for positive, score in zip(found.positives, found.positive_scores, strict=True):
        row: Row = {"anchor": found.anchor, "positive": positive, **negatives}
        yield {**row, "scores": _floats([score, *found.negative_scores])} if scores else row


def triplets(found: Found, _: int, scores: bool) -> Iterator[Row]:
    """A row per positive and negative."""
    for positive, score in zip(found.positives, found.positive_scores, strict=True):
        for negative, other in zip(found.negatives, found.negative_scores, strict=True):
            row: Row = {"anchor": found.anchor, "positive": positive, "negative": negative}
            yield {**row, "scores": _floats([score, other])} if scores else row


def labelled_pairs(found: Found, _: int, scores: bool) -> Iterator[Row]:
    """A row per text: its score 1 for a positive and 0 for a negative, or the similarity."""
    texts = [*found.positives, *found.negatives]
    for text, score in zip(texts, _marks(found, scores), strict=True):
        yield {"sentence1": found.anchor, "sentence2": text, "score": score}


def labelled_lists(found: Found, _: int, scores: bool) -> Iterator[Row]:
    """A row per positive with all negatives, and a list of labels or similarities; none without negatives."""
    marks = _marks(found, scores)
    for place, positive in enumerate(found.positives if found.negatives else ()):
        texts = [positive, *found.negatives]
        own = [marks[place], *marks[len(found.positives) :]]
        yield {"anchor": found.anchor, "texts": texts, "scores" if scores else "labels": own}


FORMATS: dict[str, Callable[[Found, int, bool], Iterator[Row]]] = {
    "n-tuple": n_tuples,
    "triplet": triplets,
    "labelled-pair": labelled_pairs,
    "labelled-list": labelled_lists,
}


def _marks(found: Found, scores: bool) -> list[Any]:
    if scores:
        return _floats([*found.positive_scores, *found.negative_scores])
    return [1] * len(found.positives) + [0] * len(found.negatives)


def _floats(scores: Sequence[Any]) -> list[float]:
    return [round(float(score), 6) for score in scores]
