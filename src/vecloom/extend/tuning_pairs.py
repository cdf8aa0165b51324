"""Pairs of texts to tune new positions on: a file's rows, in batches without repeated texts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vecloom.data.rows import read
from vecloom.errors import DataError
from vecloom.wording import counted

COLUMNS = (("anchor", "positive"), ("query", "positive"), ("query", "text"), ("sentence1", "sentence2"))


class Pair(NamedTuple):
    """Texts that belong together, and one that looks as if it did, or ""."""

    anchor: str
    positive: str
    negative: str = ""


def read_pairs(path: str | Path) -> list[Pair]:
    """Read anchor and positive (or query and text, or sentence1 and sentence2), and negative where there is one.

    Raises:
        DataError: the file cannot be read, or holds fewer than two pairs.
    """
    found: list[Pair] = []
    columns: tuple[str, str] | None = None
    for row in read(Path(path)):
        columns = columns or next((pair for pair in COLUMNS if set(pair) <= row.values.keys()), None)
        if columns is None or not set(columns) <= row.values.keys():
            raise DataError(f"{path}:{row.line} has no anchor and positive.", "Name its columns anchor and positive.")
        anchor, positive = (str(row.values[name] or "").strip() for name in columns)
        if anchor and positive:
            found.append(Pair(anchor, positive, str(row.values.get("negative") or "").strip()))
    if len(found) < 2:
        raise DataError(
            f"{path} holds {counted(len(found), 'pair')}.", "Give a few hundred; the others of a batch are negatives."
        )
    return found


def batches(pairs: Sequence[Pair], size: int, epochs: int, seed: int) -> Iterator[list[Pair]]:
    """Shuffled batches of two pairs or more, in which no text stands twice.

    Args:
        pairs: all.
        size: pairs of a batch.
        epochs: how often each pair comes.
        seed: of the order.
    """
    for epoch in range(epochs):
        waiting = list(pairs)
        random.Random(f"{seed} {epoch}").shuffle(waiting)
        while waiting:
            batch, left = _one_batch(waiting, size)
            if len(batch) > 1:
                yield batch
            if len(batch) < size:  # what is left repeats the batch's texts
                break
            waiting = left


def _one_batch(waiting: Sequence[Pair], size: int) -> tuple[list[Pair], list[Pair]]:
    batch: list[Pair] = []
    left: list[Pair] = []
    held: set[str] = set()
    for pair in waiting:
        texts = {pair.anchor, pair.positive}
        if len(batch) < size and not texts & held:
            batch.append(pair)
            held |= texts
        else:
            left.append(pair)
    return batch, left
