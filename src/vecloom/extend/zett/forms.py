"""Surface forms: a token as the source tokenizer cuts its byte string, which is all that the hypernetwork sees of it.

Source: ZeTT (arXiv:2405.07883), section 3.2. A form has up to L = 7 ids of the source; what is longer is cut. A token that the
source knows nothing of is spelled by its bytes, with ids from V on, whose rows the hypernetwork learns itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vecloom.extend.vocabulary.alignment import Ids
    from vecloom.extend.vocabulary.surfaces import Surface, Surfaces

EMPTY = -1


def form(pieces: Sequence[int], surface: Surface, vocabulary: int, length: int) -> tuple[int, ...]:
    """The ids of one token.

    Args:
        pieces: source ids of its parts, () where the source knows none.
        surface: its bytes.
        vocabulary: V, the source's ids.
        length: L, ids at most.
    """
    return tuple(pieces[:length]) or tuple(vocabulary + byte for byte in surface[:length])


def as_array(forms: Sequence[tuple[int, ...]]) -> Ids:
    """Forms as one array (n, longest) int64, filled up with -1."""
    longest = max(map(len, forms), default=0)
    found = np.full((len(forms), longest), EMPTY, np.int64)
    for place, ids in enumerate(forms):
        found[place, : len(ids)] = ids
    return found


class Forms(dict[bytes, tuple[int, ...]]):
    """Forms by surface, made when first asked for.

    Args:
        source: of the old tokenizer.
        vocabulary: V, the rows of the old table.
        length: L, ids at most.
    """

    def __init__(self, source: Surfaces, vocabulary: int, length: int) -> None:
        super().__init__()
        self._source, self._vocabulary, self._length = source, vocabulary, length

    def __missing__(self, surface: bytes) -> tuple[int, ...]:
        found = form(self._source.cut(surface), surface, self._vocabulary, self._length)
        self[surface] = found
        return found

    def shared(self, surface: bytes) -> bool:
        """Whether the source has one token for a surface."""
        return len(self[surface]) == 1 and self[surface][0] < self._vocabulary
