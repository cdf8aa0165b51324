"""What a row of training data is: six shapes, and which of a file's columns hold what.

Source: the shapes are those that sentence-transformers' losses take; the synonyms are the column names of public data sets.
A column mapping in the recipe wins over the names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from vecloom.errors import DataError
from vecloom.train.recipe import Shape

SYNONYMS = {
    "sentence": ("sentence", "text", "sentences"),
    "text": ("text", "sentence", "tweet"),
    "label": ("label", "labels", "intent", "class"),
    "anchor": ("anchor", "query", "question"),
    "positive": ("positive", "pos", "answer", "document"),
    "sentence1": ("sentence1", "sentence_1", "text1", "premise"),
    "sentence2": ("sentence2", "sentence_2", "text2", "hypothesis"),
    "score": ("score", "similarity", "similarity_score", "relatedness"),
}
NEEDED: dict[Shape, tuple[str, ...]] = {
    "triplets": ("anchor", "positive", "negative"),
    "pairs": ("anchor", "positive"),
    "scored": ("sentence1", "sentence2", "score"),
    "labelled-pairs": ("sentence1", "sentence2", "label"),
    "labels": ("text", "label"),
    "sentences": ("sentence",),
}
"""The columns of each shape, in the order in which shapes are tried."""

_NEGATIVE = re.compile(r"(hard_)?(negative|neg|contradiction)s?(_?\d+)?$")


@dataclass(frozen=True)
class Layout:
    """The shape of a data set and where its columns lie.

    Attributes:
        shape: one of the six.
        columns: vecloom's column to the file's, texts first, in the order in which losses take them.
        negatives: the file's columns of negatives, in order; one that holds a list counts as many.
    """

    shape: Shape
    columns: Mapping[str, str]
    negatives: tuple[str, ...] = ()


def layout_of(names: Sequence[str], shape: Shape | None, mapping: Mapping[str, str], where: str) -> Layout:
    """Decide what the rows of a file are.

    Args:
        names: the file's columns.
        shape: what the recipe says, or None.
        mapping: vecloom's columns to the file's, from the recipe; "pair" columns sentence1/sentence2 may be given
            for pairs too, by anchor and positive.
        where: the file, for the message.

    Raises:
        DataError: a mapped column is not there, or no shape fits; the sentence lists the columns.
    """
    _check_mapping(names, mapping, where)
    negatives = _negatives(names, mapping)
    for tried in [shape] if shape else list(NEEDED):
        found = {name: _find(name, names, mapping) for name in NEEDED[tried] if name != "negative"}
        missing = [name for name, column in found.items() if column is None]
        if tried == "triplets" and not negatives:
            missing.append("negative")
        if not missing:
            kept = {name: str(column) for name, column in found.items()}
            return Layout(tried, kept, negatives if tried == "triplets" else ())
        if shape:
            raise DataError(
                f"{where}: the shape {shape!r} needs the column {missing[0]!r}; there are {_list(names)}.",
                f"Name it in the recipe, as in columns: {{{missing[0]}: {names[0] if names else 'COLUMN'}}}.",
            )
    raise DataError(
        f"{where}: the columns {_list(names)} are of no known shape.",
        "Say which is which, as in columns: {anchor: question, positive: answer}; shapes are "
        + ", ".join(f"{known} ({', '.join(needed)})" for known, needed in NEEDED.items())
        + ".",
    )


def _check_mapping(names: Sequence[str], mapping: Mapping[str, str], where: str) -> None:
    known = {*(name for needed in NEEDED.values() for name in needed)}
    for ours, theirs in mapping.items():
        if ours not in known and not _NEGATIVE.fullmatch(ours):
            raise DataError(
                f"{where}: columns names {ours!r}, which no shape has.", f"There are {_list(sorted(known))}."
            )
        if theirs not in names:
            raise DataError(
                f"{where} has no column {theirs!r}; there are {_list(names)}.", "Correct columns in the recipe."
            )


def _find(name: str, names: Sequence[str], mapping: Mapping[str, str]) -> str | None:
    if name in mapping:
        return mapping[name]
    return next((known for known in SYNONYMS[name] if known in names), None)


def _negatives(names: Sequence[str], mapping: Mapping[str, str]) -> tuple[str, ...]:
    mapped = [theirs for ours, theirs in sorted(mapping.items(), key=_number) if _NEGATIVE.fullmatch(ours)]
    if mapped:
        return tuple(mapped)
    return tuple(sorted((name for name in names if _NEGATIVE.fullmatch(name)), key=lambda name: _number((name, ""))))


def _number(item: tuple[str, str]) -> tuple[int, str]:
    digits = re.search(r"\d+$", item[0])
    return (int(digits[0]) if digits else 0, item[0])


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


SHAPES: tuple[str, ...] = get_args(Shape)
