"""Which rows stand in which batch: no text twice, one data set per batch or mixed, the same for the same seed.

Sources: one-task batches, PEG (arXiv 2311.11691); temperature, mT5 (arXiv 2010.11934, section 3.2: shares are sizes to a power);
grouping by length within a window of shuffled rows, as fairseq and transformers do. Ours: rows that would bring a text twice
wait for the next batch, rows with labels come in twos of one label, and an epoch always has the same number of batches.

An epoch's batches depend on the seed, the epoch's number and the data alone, so a run that goes on after a kill draws what it
would have drawn. Rows that fill no whole batch are left out of an epoch; others are left out of the next.

When to group by length: long texts of very unequal length. Each row still meets a random row of each length class of its window,
and batches come in random order; but negatives are of like length, which makes them harder. ``padding: split`` saves
nearly as much without touching the batches.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from vecloom.errors import DataError

Ints: TypeAlias = npt.NDArray[np.int64]
Keys: TypeAlias = npt.NDArray[np.uint64]

_LOOK = 32  # waiting rows that are tried for a batch, in batches: bounds the time on data that mostly repeats


@dataclass(frozen=True)
class Group:
    """One data set, as the sampler sees it.

    Attributes:
        start: number of its first row among all rows.
        keys: (n, columns) digests of the texts.
        lengths: (n,) characters of the longest text of a row.
        weight: how often it is drawn, beside its size.
        labels: (n,) class of each row, or None.
    """

    start: int
    keys: Keys
    lengths: Ints
    weight: float = 1.0
    labels: Ints | None = None

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Drawing:
    """How batches are drawn.

    Attributes:
        batch_size: rows of a batch, over all processes.
        seed: of everything random.
        strategy: "proportional", "temperature" or "round-robin".
        temperature: of the second.
        mixed: whether a batch takes rows of all data sets.
        window: batches within which rows are sorted by length, or None.
        avoid: whether a text may stand in a batch only once.
        processes: how many share a batch.
        rank: which of them this is.
    """

    batch_size: int
    seed: int = 0
    strategy: Literal["proportional", "temperature", "round-robin"] = "proportional"
    temperature: float = 2.0
    mixed: bool = False
    window: int | None = None
    avoid: bool = True
    processes: int = 1
    rank: int = 0


def text_keys(columns: Sequence[Iterable[str]]) -> Keys:
    """64-bit digests of texts, (n, columns); blanks at the ends do not count."""
    made = [np.fromiter(map(_digest, column), np.uint64) for column in columns]
    return np.stack(made, axis=1)


def _digest(text: str) -> int:
    raw = hashlib.blake2b(text.strip().encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(raw, "little")


def shares(sizes: Sequence[float], strategy: str, temperature: float) -> npt.NDArray[np.float64]:
    """The part of the batches that each data set gets; they sum to 1.

    Args:
        sizes: rows times weight.
        strategy: "proportional" is p_i = n_i / sum n; "temperature" is n_i^(1/T) / sum n^(1/T); "round-robin" is equal.
        temperature: T.
    """
    power = {"proportional": 1.0, "temperature": 1.0 / temperature, "round-robin": 0.0}[strategy]
    raised = np.asarray(sizes, dtype=np.float64) ** power
    parts: npt.NDArray[np.float64] = raised / raised.sum()
    return parts


def apportion(parts: npt.NDArray[np.float64], total: int) -> list[int]:
    """Whole numbers that sum to ``total`` in these shares: largest remainders, at least one each where ``total`` allows."""
    exact = parts * total
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    while total >= len(counts) and counts.min() == 0:
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return [int(count) for count in counts]


def fill(order: Ints, keys: Keys, size: int, waiting: deque[int]) -> Iterator[list[int]]:
    """Cut rows into batches in which no text stands twice.

    A row that brings a text of the batch again waits, and is tried first for the next batches. A row that repeats its own text (a
    positive equal to its anchor) is let through.

    Args:
        order: rows in the order in which they are wanted.
        keys: (rows, columns) digests of the texts.
        size: rows of a batch.
        waiting: rows left over from before; holds what is left over afterwards.

    Yields:
        batches of exactly ``size`` rows.
    """
    own = np.array([len(set(row)) for row in keys[order].tolist()]) if len(order) else order
    at = 0
    while at < len(order) or len(waiting) >= size:
        ahead = order[at : at + size]
        if not waiting and len(ahead) == size and len(np.unique(keys[ahead])) == own[at : at + size].sum():
            yield ahead.tolist()
            at += size
            continue
        batch, at = _picked(order, at, keys, size, waiting)
        if len(batch) < size:
            waiting.extend(batch)
            return
        yield batch


def _picked(order: Ints, at: int, keys: Keys, size: int, waiting: deque[int]) -> tuple[list[int], int]:
    batch: list[int] = []
    held: set[int] = set()
    again: list[int] = []

    def take(row: int) -> None:
        texts = set(keys[row].tolist())
        if held.isdisjoint(texts):
            held.update(texts)
            batch.append(row)
        else:
            again.append(row)

    for _ in range(min(len(waiting), _LOOK * size)):
        if len(batch) == size:
            break
        take(waiting.popleft())
    while len(batch) < size and at < len(order):
        take(int(order[at]))
        at += 1
    waiting.extend(again)
    return batch, at


class BatchSampler(Sampler[list[int]]):  # type: ignore[misc]
    """Batches of row numbers for a ``DataLoader``; this process' part of each.

    Args:
        groups: the data sets, in the order of their rows.
        drawing: how batches are drawn.

    Raises:
        DataError: the texts of a data set are so much alike that they do not fill one batch.
    """

    def __init__(self, groups: Sequence[Group], drawing: Drawing) -> None:
        self.batch_size = drawing.batch_size
        self.drop_last = True
        self._groups = _joined(groups) if drawing.mixed else list(groups)
        self._parts = list(groups)
        self._drawing = drawing
        self._epoch = 0
        natural = [sum(1 for _ in self._pass(index, 0, 0)) for index in range(len(self._groups))]
        for index, count in enumerate(natural):
            if not count:
                raise DataError(
                    f"The different texts of data set {index + 1} do not fill one batch of {drawing.batch_size}.",
                    "Set a smaller batch_size, or duplicates: allow.",
                )
        sizes = [count * group.weight for count, group in zip(natural, self._groups, strict=True)]
        self._counts = apportion(shares(sizes, drawing.strategy, drawing.temperature), sum(natural))

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next; the trainer calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(self._counts)

    def __iter__(self) -> Iterator[list[int]]:
        here = self._drawing.batch_size // self._drawing.processes
        first = self._drawing.rank * here
        for batch in self.epoch(self._epoch):
            yield batch[first : first + here]

    def epoch(self, number: int) -> Iterator[list[int]]:
        """All batches of an epoch, whole."""
        streams = [self._stream(index, number) for index in range(len(self._groups))]
        for index in self._turns(number):
            yield next(streams[index])

    def _turns(self, epoch: int) -> list[int]:
        """Which data set has the next batch."""
        if self._drawing.strategy == "round-robin":
            rounds = range(max(self._counts))
            return [index for turn in rounds for index, count in enumerate(self._counts) if turn < count]
        tags = np.repeat(np.arange(len(self._counts)), self._counts)
        return [int(tag) for tag in self._random(epoch, len(self._counts), 0).permutation(tags)]

    def _stream(self, index: int, epoch: int) -> Iterator[list[int]]:
        """Batches of one data set without end: its rows in ever new order."""
        again = 0
        while True:
            yield from self._pass(index, epoch, again)
            again += 1

    def _pass(self, index: int, epoch: int, again: int) -> Iterator[list[int]]:
        group, random = self._groups[index], self._random(epoch, index, again)
        order = self._mixture(random) if self._drawing.mixed else _shuffled(group, random)
        keys = group.keys if self._drawing.avoid else np.arange(len(group), dtype=np.uint64)[:, None]
        waiting: deque[int] = deque()
        for window in self._windows(order, group, random):
            batches = list(fill(window, keys, self.batch_size, waiting))
            for place in random.permutation(len(batches)):
                yield [group.start + row for row in batches[place]]

    def _windows(self, order: Ints, group: Group, random: np.random.Generator) -> Iterator[Ints]:
        if self._drawing.window is None:
            yield order
            return
        size = self._drawing.window * self.batch_size
        for first in range(0, len(order), size):
            part = order[first : first + size]
            yield part[np.argsort(group.lengths[part], kind="stable")]

    def _mixture(self, random: np.random.Generator) -> Ints:
        """Rows of all data sets in their shares, shuffled together."""
        sizes = [len(part) * part.weight for part in self._parts]
        parts = shares(sizes, self._drawing.strategy, self._drawing.temperature)
        counts = apportion(parts, sum(map(len, self._parts)))
        chosen = [_cycled(part, count, random) for part, count in zip(self._parts, counts, strict=True)]
        return random.permutation(np.concatenate(chosen)).astype(np.int64)

    def _random(self, epoch: int, index: int, again: int) -> np.random.Generator:
        return np.random.default_rng([self._drawing.seed, epoch, index, again])


def _shuffled(group: Group, random: np.random.Generator) -> Ints:
    order = random.permutation(len(group)).astype(np.int64)
    return order if group.labels is None else _in_twos(order, group.labels, random)


def _in_twos(order: Ints, labels: Ints, random: np.random.Generator) -> Ints:
    """Rows in twos of one label, so that nearly every row of a batch has another one of its label; odd ones at the end."""
    by_label = order[np.argsort(labels[order], kind="stable")]
    twos, odd = [], []
    for label in np.unique(labels):
        rows = by_label[labels[by_label] == label]
        even = len(rows) // 2 * 2
        twos.append(rows[:even].reshape(-1, 2))
        odd.append(rows[even:])
    together = np.concatenate(twos)
    return np.concatenate([together[random.permutation(len(together))].ravel(), *odd]).astype(np.int64)


def _cycled(part: Group, count: int, random: np.random.Generator) -> Ints:
    """So many rows of a data set: each as often as the others, or once more."""
    rounds = [random.permutation(len(part)) for _ in range(-(-count // max(len(part), 1)))]
    return (np.concatenate(rounds)[:count] + part.start).astype(np.int64) if rounds else np.empty(0, np.int64)


def _joined(groups: Sequence[Group]) -> list[Group]:
    keys = np.concatenate([group.keys for group in groups])
    return [Group(0, keys, np.concatenate([group.lengths for group in groups]))]
