"""Vectors of texts that were asked for lately, by least recent use, within a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from vecloom.encoders.protocol import Vectors

LONGEST = 512  # characters; queries repeat, documents hardly ever
OVERHEAD = 500  # bytes of an entry beside its text and numbers: key, array, tuple, links


class Known(NamedTuple):
    """What is remembered of a text: its vector (d,) before normalisation, its tokens, whether it was cut."""

    vector: Vectors
    tokens: int
    cut: bool


class VectorCache:
    """For one thread: the event loop's.

    Args:
        most: bytes to keep; 0 keeps nothing.
        longest: characters of a text that is kept.
    """

    def __init__(self, most: int, longest: int = LONGEST) -> None:
        self.most, self.longest, self.used = most, longest, 0
        self._known: OrderedDict[Hashable, tuple[Known, int]] = OrderedDict()

    def get(self, key: Hashable) -> Known | None:
        """What is known of a text."""
        found = self._known.get(key)
        if found is None:
            return None
        self._known.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, text: str, known: Known) -> None:
        """Remember a text if it is short, and forget the oldest. The vector is copied: it may be a row of many."""
        if not self.most or len(text) > self.longest or key in self._known:
            return
        size = OVERHEAD + 2 * len(text) + int(known.vector.nbytes)
        self._known[key] = known._replace(vector=known.vector.copy()), size
        self.used += size
        while self.used > self.most:
            _, (_, freed) = self._known.popitem(last=False)
            self.used -= freed
