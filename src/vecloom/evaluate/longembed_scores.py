"""Where in a text, and up to which length, an encoder finds a hidden sentence.

Source: LongEmbed (Zhu et al., EMNLP 2024, arXiv 2404.12096), section 3.1: Acc@1 for each length and the plain mean over
lengths. The position axis is our addition, after the "needle in a haystack" tests of language models: mean pooling,
truncation and chunks lose different parts of a text, which a mean over positions hides.

When to use it: on the splits that ``make.longembed`` writes, for a heat map of length x position. When not: with few
queries; 50 over 10 bins are 5 for each cell, so make the task with several seeds, or read the counts beside the cells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vecloom.errors import DataError, UsageError

BINS = 10
_LENGTH = re.compile(r"\d+$")

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PositionAccuracy:
    """Accuracy by where the hidden sentence stands.

    Attributes:
        edges: of the bins, ``(bins + 1,)``, from 0 to 1.
        accuracy: mean correctness in each bin, ``(bins,)``; NaN where no query falls into it.
        counts: queries in each bin, ``(bins,)``.
    """

    edges: Floats
    accuracy: Floats
    counts: Counts


@dataclass(frozen=True, slots=True)
class LengthPositionTable:
    """Accuracy by length and position.

    Attributes:
        lengths: in tokens, rising, ``(lengths,)``.
        edges: of the position bins, ``(bins + 1,)``, from 0 to 1.
        accuracy: ``(lengths, bins)``; NaN where no query falls.
        counts: queries in each cell, ``(lengths, bins)``.
        by_length: accuracy over all queries of each length, ``(lengths,)``.
    """

    lengths: Counts
    edges: Floats
    accuracy: Floats
    counts: Counts
    by_length: Floats

    @property
    def mean(self) -> float:
        """The plain mean over lengths, LongEmbed's score of a synthetic task."""
        return float(self.by_length.mean())


def correct_at_1(
    scores: Mapping[str, Mapping[str, float]], relevant: Mapping[str, Collection[str]]
) -> dict[str, float]:
    """Whether each query's best document is a relevant one: 1 or 0, or the share of relevant ones among equally good ones.

    Beyond its limit a model that truncates gives all texts the same vector. A rank among equals is an accident of the
    documents' names, so a tie counts as the chance to draw a relevant document from it.

    Args:
        scores: similarity by query and document.
        relevant: relevant documents by query.

    Raises:
        DataError: a query has no judgement or no score.
    """
    correct = {}
    for query, found in scores.items():
        if not found or not relevant.get(query):
            what = f"Query {query!r} has no {'score' if not found else 'relevant document'}."
            raise DataError(what, "Give both for each query.")
        best = max(found.values())
        first = [document for document, score in found.items() if score == best]
        correct[query] = sum(document in relevant[query] for document in first) / len(first)
    return correct


def accuracy_by_position(
    correct: Mapping[str, float], positions: Mapping[str, float], bins: int = BINS
) -> PositionAccuracy:
    """Mean correctness in equal bins of position.

    Args:
        correct: 0 to 1 by query.
        positions: 0 to 1 by query, where the sentence stands that the query asks for; queries without correctness are
            passed over. 1 falls into the last bin.
        bins: number of bins.

    Raises:
        UsageError: ``bins`` is less than 1.
        DataError: a query has no position, or one that is not between 0 and 1.
    """
    if bins < 1:
        raise UsageError(f"bins={bins} is not possible.", "Use 1 or more.")
    places = np.array([_place(query, positions) for query in correct], np.float64)
    rows = np.minimum((places * bins).astype(np.int64), bins - 1)
    counts = np.bincount(rows, minlength=bins)
    sums = np.bincount(rows, weights=np.array(list(correct.values()), np.float64), minlength=bins)
    accuracy = np.full(bins, np.nan)
    np.divide(sums, counts, out=accuracy, where=counts > 0)
    return PositionAccuracy(np.linspace(0, 1, bins + 1), accuracy, counts)


def length_position_table(
    correct: Mapping[str, Mapping[str, float]], positions: Mapping[str, Mapping[str, float]], bins: int = BINS
) -> LengthPositionTable:
    """The matrix behind a heat map.

    Args:
        correct: by split (``test_256``, ...), then by query, 0 to 1.
        positions: by split, then by query, 0 to 1, as ``read_positions`` gives them.
        bins: position bins.

    Raises:
        UsageError: ``bins`` is less than 1.
        DataError: a split has no length in its name, no queries or no positions; or as ``accuracy_by_position``.
    """
    splits = sorted(correct, key=split_length)
    for split in splits or [""]:
        if not correct.get(split) or split not in positions:
            raise DataError(f"Split {split!r} has no queries or no positions.", "Give both for each split.")
    rows = [accuracy_by_position(correct[split], positions[split], bins) for split in splits]
    return LengthPositionTable(
        lengths=np.array([split_length(split) for split in splits], np.int64),
        edges=rows[0].edges,
        accuracy=np.stack([row.accuracy for row in rows]),
        counts=np.stack([row.counts for row in rows]),
        by_length=np.array([np.mean(list(correct[split].values())) for split in splits], np.float64),
    )


def split_length(split: str) -> int:
    """The length in tokens that a split's name ends with.

    Raises:
        DataError: there is none.
    """
    found = _LENGTH.search(split)
    if found is None:
        raise DataError(f"Split {split!r} does not name a length.", "Name splits test_256, test_512 and so on.")
    return int(found.group())


def read_positions(task: str | PathLike[str]) -> dict[str, dict[str, float]]:
    """Where the sentence stands that each query asks for, by split and query, from a folder that ``make_longembed`` wrote.

    Raises:
        DataError: there are no positions, or a query's document has none.
    """
    files = {file.parent.name: file for file in sorted(Path(task).glob("*/positions.jsonl"))}
    if not files:
        raise DataError(f"{task} has no positions.jsonl in its splits.", "Make the task with make_longembed.")
    return {split: _query_positions(files[split]) for split in sorted(files, key=split_length)}


def _query_positions(file: Path) -> dict[str, float]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    places = {row["corpus-id"]: float(row["position"]) for row in rows}
    judged = [
        line.split("\t")
        for line in (file.parent / "qrels.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")[1:]
    ]
    missing = [document for _, document, _ in judged if document not in places]
    if missing:
        raise DataError(f"{file} has no position for document {missing[0]!r}.", "Make the task again.")
    return {query: places[document] for query, document, _ in judged}


def _place(query: str, positions: Mapping[str, float]) -> float:
    place = positions.get(query)
    if place is None or not 0 <= place <= 1:
        raise DataError(f"Query {query!r} has position {place}.", "Give one from 0 to 1 for each query.")
    return place
