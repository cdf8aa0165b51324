"""From token lists to rectangles: several short texts share a row, long ones are sorted by length.

A transformer's cost is per cell of the rectangle it is given, so cells that hold padding are lost. Short texts are packed
into rows (first-fit decreasing with the smallest texts as filling; a text attends only to its own segment, so packing changes
nothing but rounding); longer ones get a row each, sorted so that neighbours have like lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Skip: TypeAlias = int | npt.NDArray[np.int64]

POOLINGS = ("mean", "cls", "lasttoken", "weightedmean", "mean_sqrt_len_tokens", "max")
"""sentence-transformers' names; all but "max" are weighted sums over a text's tokens."""

ROW_LENGTHS = (32, 48, 64, 80, 96, 128)  # candidates for packed rows; longer texts have rows of their own
STEP = 32  # longer rows are multiples of this, so that few distinct shapes are compiled
QUERY_STEP = 8  # the same for a single short text, where padding is latency
ATTENTION_LENGTH = 400  # row length at which attention doubles a token's cost; measured, see docs/performance.md


@dataclass(frozen=True, slots=True)
class Batch:
    """One rectangle of tokens, R rows of L cells, that holds n texts.

    Attributes:
        items: (n,) positions of the texts in the caller's order.
        rows: (n,) row of each text.
        slots: (n,) ordinal of each text in its row.
        input_ids: (R, L) token ids, 0 where padded.
        positions: (R, L) position of each token in its own text.
        segments: (R, L) 1 + slot of the text a cell belongs to, 0 where padded.
        pool: (R, S, L) weight of each cell in the pooled vector of each slot.
        scale: (n,) what each pooled sum is divided by.
        skip: leading tokens of each text that take no part in pooling; one number for all, or (n,).
    """

    items: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]
    input_ids: Ints
    positions: Ints
    segments: Ints
    pool: Floats
    scale: Floats
    skip: Skip = 0

    def shifted(self, by: int) -> Batch:
        """The same batch, its items counted from ``by``."""
        return replace(self, items=self.items + by)

    @property
    def cells(self) -> int:
        """R x L: what the batch costs."""
        return int(self.input_ids.size)


def batches(
    tokens: Sequence[Sequence[int]],
    *,
    pooling: str,
    packing: bool,
    parallel: int = 1,
    cells: int = 1024,
    skip: Skip = 0,
) -> Iterator[Batch]:
    """Lay texts out in batches.

    Args:
        tokens: token ids of each text, special tokens included, at least one each.
        pooling: one of ``POOLINGS``.
        packing: whether several texts may share a row.
        parallel: how many batches run at once; few texts are spread over so many.
        cells: size of a batch of long rows; batches of packed rows are twice as large.
        skip: leading tokens that pooling leaves out: a prompt's; one number for all, or (n,).

    Yields:
        batches that together hold each text once.
    """
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    short = lengths <= ROW_LENGTHS[-1] if packing and len(tokens) > 1 else np.zeros(len(tokens), bool)
    if short.any():
        which = np.flatnonzero(short)
        row_length, rows = best_rows(lengths[which])
        height = _height(len(rows), 2 * cells // row_length, parallel)
        for start in range(0, len(rows), height):
            part = [[int(which[i]) for i in row] for row in rows[start : start + height]]
            yield fill(tokens, part, row_length, pooling, skip)
    rest = np.flatnonzero(~short)
    order = rest[np.argsort(-lengths[rest], kind="stable")]
    for start, stop, row_length in padded_plan(lengths[order].tolist(), cells, parallel):
        yield fill(tokens, [[int(i)] for i in order[start:stop]], row_length, pooling, skip)


def padded_plan(lengths: Sequence[int], cells: int, parallel: int) -> Iterator[tuple[int, int, int]]:
    """Cut texts, longest first, into batches of one text a row: yields (start, stop, row length)."""
    step = QUERY_STEP if len(lengths) == 1 else STEP
    start = 0
    while start < len(lengths):
        row_length = -(-lengths[start] // step) * step
        stop = start + _height(len(lengths) - start, cells // row_length, parallel)
        yield start, stop, row_length
        start = stop


def _height(rows: int, most: int, parallel: int) -> int:
    return max(1, min(most, -(-rows // parallel)))


def best_rows(lengths: npt.NDArray[np.int64]) -> tuple[int, list[list[int]]]:
    """Choose the row length under which packing these texts costs least, and pack them.

    Args:
        lengths: (n,) token counts, none above the longest of ``ROW_LENGTHS``.

    Returns:
        the row length, and for each row the texts in it.
    """
    longest = int(lengths.max())
    plans = [(length, pack(lengths, length)) for length in ROW_LENGTHS if length >= longest]
    return min(plans, key=lambda plan: len(plan[1]) * plan[0] * (1 + plan[0] / ATTENTION_LENGTH))


def pack(lengths: npt.NDArray[np.int64], row_length: int) -> list[list[int]]:
    """Fill rows with the longest text that is left, then with the next longest that fit, then with the shortest."""
    order = np.argsort(-lengths, kind="stable").tolist()
    sizes = lengths.tolist()
    rows: list[list[int]] = []
    first, last = 0, len(order) - 1
    while first <= last:
        row, room = [], row_length
        while first <= last:
            if sizes[order[first]] <= room:
                item, first = order[first], first + 1
            elif sizes[order[last]] <= room:
                item, last = order[last], last - 1
            else:
                break
            row.append(item)
            room -= sizes[item]
        rows.append(row)
    return rows


def fill(
    tokens: Sequence[Sequence[int]], rows: Sequence[Sequence[int]], row_length: int, pooling: str, skip: Skip = 0
) -> Batch:
    """Write texts into a rectangle of ``len(rows)`` x ``row_length`` cells, row by row."""
    items = np.array([item for row in rows for item in row], np.int64)
    counts = np.array([len(row) for row in rows])
    row_of = np.repeat(np.arange(len(rows)), counts)
    slots = np.concatenate([np.arange(count) for count in counts])
    sizes = np.array([len(tokens[item]) for item in items])
    ends = np.cumsum(sizes)
    row_starts = np.repeat((ends - sizes)[np.cumsum(counts) - counts], counts)
    offsets = row_of * row_length + (ends - sizes) - row_starts
    within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
    cells = np.repeat(offsets, sizes) + within
    shape = (len(rows), row_length)
    input_ids, positions, segments = (np.zeros(shape, np.int32) for _ in range(3))
    input_ids.flat[cells] = np.concatenate([np.asarray(tokens[item], np.int32) for item in items])
    positions.flat[cells] = within
    segments.flat[cells] = np.repeat(slots + 1, sizes)
    left_out = skip if isinstance(skip, int) else skip[items]
    weights, scale = pool_weights(within, sizes, pooling, left_out)
    pool = np.zeros((len(rows), int(counts.max()), row_length), np.float32)
    pool[np.repeat(row_of, sizes), np.repeat(slots, sizes), cells % row_length] = weights
    return Batch(items, row_of, slots, input_ids, positions, segments, pool, scale, left_out)


def pool_weights(
    within: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], pooling: str, skip: Skip = 0
) -> tuple[Floats, Floats]:
    """Weight of each token in its text's sum, and what each sum is divided by.

    Args:
        within: (T,) position of each token in its text.
        sizes: (n,) tokens of each text; they sum to T.
        pooling: one of ``POOLINGS``; for "max" the weights mark the tokens that take part.
        skip: tokens at the start that take no part, for all or (n,); a text keeps at least its last token.
    """
    size = np.repeat(sizes, sizes)
    skip = skip if isinstance(skip, int) else np.repeat(skip, sizes)
    if pooling == "cls":
        chosen = within == np.minimum(skip, size - 1)
    elif pooling == "lasttoken":
        chosen = within == size - 1
    else:
        chosen = within >= np.minimum(skip, size - 1)
    weights = chosen.astype(np.float32)
    if pooling == "weightedmean":
        weights *= within + 1  # SGPT (Muennighoff 2022, arXiv:2202.08904), equation 2
    starts = np.cumsum(sizes) - sizes
    total = np.add.reduceat(weights, starts).astype(np.float32)
    if pooling == "mean_sqrt_len_tokens":
        total = np.sqrt(total)
    return weights, np.ones_like(total) if pooling == "max" else total
