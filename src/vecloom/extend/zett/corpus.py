"""Training texts in an order that depends on the seed alone, so that a run can be taken up at any step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.data import Chunker, FieldMap, ReadReport, read
from vecloom.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Stream:
    """Batches without end: every text once in an epoch, each epoch in an order of its own.

    Args:
        texts: one at least.
        batch_size: texts in a batch; all of them where there are fewer.
        seed: of the orders.
    """

    def __init__(self, texts: Sequence[str], batch_size: int, seed: int) -> None:
        self._texts, self._seed = texts, seed
        self.batch_size = min(batch_size, len(texts))
        self._order = lru_cache(maxsize=2)(self._drawn)

    def _drawn(self, epoch: int) -> Any:
        return np.random.default_rng((self._seed, epoch)).permutation(len(self._texts))

    def batch(self, number: int) -> list[str]:
        """The texts of a batch, counted from 0."""
        first = number * self.batch_size
        places = (divmod(place, len(self._texts)) for place in range(first, first + self.batch_size))
        return [self._texts[self._order(epoch)[place]] for epoch, place in places]


def read_texts(
    inputs: Sequence[str],
    tokenizer: Tokenizer,
    max_length: int,
    *,
    fields: FieldMap | None = None,
    skip_bad: bool = False,
    lines: bool = False,
    report: ReadReport | None = None,
) -> list[str]:
    """Read documents and cut them into passages that fit.

    Args:
        inputs: files and folders.
        tokenizer: of the model.
        max_length: tokens of a passage at most, special ones included.
        fields: as for ``read``.
        skip_bad: as for ``read``.
        lines: as for ``read``.
        report: as for ``read``.

    Returns:
        different passages, in the order of the input.

    Raises:
        DataError: there is no text in them.
    """
    chunker = Chunker(tokenizer, max_length, 0)
    found: dict[str, None] = {}
    for document in read(inputs, fields=fields, skip_bad=skip_bad, lines=lines, report=report):
        found.update(dict.fromkeys(chunk.text for chunk in chunker.chunk(document)))
    if not found:
        raise DataError(f"There is no text in {', '.join(inputs)}.", "Give files with texts; --field names a column.")
    return list(found)


def digest(texts: Sequence[str]) -> str:
    """32 hex digits that stand for all texts in their order."""
    found = hashlib.blake2b(digest_size=16)
    for text in texts:
        found.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return found.hexdigest()
