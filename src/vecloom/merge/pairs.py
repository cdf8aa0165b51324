"""Probe sets: pairs of texts of one task in a file, cut into batches for a contrastive loss.

JSON lines. Columns ``anchor`` and ``positive``, or ``sentence1`` and ``sentence2``, ``query`` and ``text``, ``premise`` and
``hypothesis``; ``negative`` may follow. Where rows have a ``score``, those of at least 0.8 of the highest count as pairs;
where they have a ``label``, those with 1, true, "entailment" or "paraphrase". Rows of ``text`` and ``label`` become pairs of
texts of one label. A batch is of one file, and no text stands in it twice, so that in-batch negatives are negatives.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vecloom.errors import DataError

_COLUMNS = (
    ("anchor", "positive"), ("sentence1", "sentence2"), ("query", "positive"), ("query", "text"),
    ("premise", "hypothesis"),
)  # fmt: skip
_GOOD = {"1", "1.0", "true", "entailment", "paraphrase"}
_HIGH = 0.8


class Pair(NamedTuple):
    """Texts that belong together, and what does not, or "", and the group in which others are no negatives."""

    anchor: str
    positive: str
    negative: str = ""
    group: str = ""


def read_pairs(path: str | Path) -> list[Pair]:
    """Read a probe file.

    Raises:
        DataError: it cannot be read, or holds no pairs.
    """
    rows = list(_rows(Path(path)))
    columns = next((pair for pair in _COLUMNS if rows and set(pair) <= rows[0].keys()), None)
    if columns:
        found = [
            Pair(str(row[columns[0]]), str(row[columns[1]]), str(row.get("negative") or ""))
            for row in _positive(rows)
            if set(columns) <= row.keys()
        ]
    elif rows and {"text", "label"} <= rows[0].keys():
        found = label_pairs([(str(row["text"]), str(row["label"])) for row in rows if {"text", "label"} <= row.keys()])
    else:
        found = []
    if not found:
        raise DataError(
            f"{path} holds no pairs: its columns are {', '.join(rows[0]) if rows else 'none'}.",
            "Give JSON lines with anchor and positive, sentence1 and sentence2, or text and label.",
        )
    return found


def label_pairs(rows: Sequence[tuple[str, str]], seed: int = 0) -> list[Pair]:
    """Pairs of different texts of one label, each text in one pair."""
    groups: dict[str, list[str]] = defaultdict(list)
    for text, label in rows:
        groups[label].append(text)
    generator = random.Random(seed)
    found = []
    for label, texts in groups.items():
        generator.shuffle(texts)
        found += [Pair(left, right, "", label) for left, right in zip(texts[::2], texts[1::2], strict=False)]
    generator.shuffle(found)
    return found


def batches(pairs: Sequence[Pair], size: int, seed: int = 0) -> list[list[Pair]]:
    """Batches without a text, or a group, twice; rows that fit none of them are left out.

    Args:
        pairs: of one task.
        size: pairs in a batch; the last may be smaller, but has two or more.
        seed: of the order.
    """
    left = list(pairs)
    random.Random(seed).shuffle(left)
    found = []
    while len(left) > 1:
        batch, left = _take(left, size)
        if len(batch) < 2:
            break
        found.append(batch)
    return found


def interleaved(tasks: Sequence[Sequence[list[Pair]]]) -> list[list[Pair]]:
    """Batches of the tasks in turn; a task with fewer begins again."""
    longest = max((len(task) for task in tasks), default=0)
    return [task[place % len(task)] for place in range(longest) for task in tasks if task]


def _take(pairs: Sequence[Pair], size: int) -> tuple[list[Pair], list[Pair]]:
    batch: list[Pair] = []
    left: list[Pair] = []
    texts: set[str] = set()
    groups: set[str] = set()
    for pair in pairs:
        clash = texts & {pair.anchor, pair.positive} or (pair.group and pair.group in groups)
        if len(batch) == size or clash:
            left.append(pair)
            continue
        batch.append(pair)
        texts |= {pair.anchor, pair.positive}
        groups.add(pair.group)
    return batch, left


def _positive(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if "score" in rows[0]:
        limit = _HIGH * max(float(row.get("score") or 0) for row in rows)
        return [row for row in rows if float(row.get("score") or 0) >= limit]
    if "label" in rows[0]:
        return [row for row in rows if str(row.get("label")).lower() in _GOOD]
    return list(rows)


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        # not splitlines: a text may hold other line separators
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The probe set {path} cannot be read: {error}.", "Give a file of JSON lines.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"Line {number} of {path} is not JSON: {error}.", "Give one object a line.") from error
        if not isinstance(row, dict):
            raise DataError(f"Line {number} of {path} is not an object.", "Give one object a line.")
        yield row
