"""Two vocabularies side by side: which tokens are the same, and what the old tokenizer makes of the new tokens.

Source: the baselines of ZeTT (Minixhofer et al. 2024, arXiv:2405.07883, section 4) and FOCUS (Dobler and de Melo 2023,
arXiv:2305.14481) copy what both vocabularies have. Here a target token is the same as a source token, in this order, when
both tokenizers write it alike and mark words alike; when both have one surface; or when the source tokenizer makes exactly
one token of it (which lowers "Paris" for an uncased one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecloom.extend.vocabulary.surfaces import Surfaces

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Alignment:
    """A source and a target vocabulary.

    Attributes:
        source: surfaces of the old tokenizer, of V ids.
        target: surfaces of the new tokenizer, of V' ids.
        copied: (V',) int64: the source id that is the same token, -1 where there is none.
        special: (V',) bool: special tokens; their rows are copied by every method.
        pieces: V' tuples of the source ids that a target token is cut into, without the unknown one; () where nothing is known.
    """

    source: Surfaces
    target: Surfaces
    copied: Ids
    special: npt.NDArray[np.bool_]
    pieces: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """V', the rows of a new table."""
        return len(self.copied)

    @property
    def unknown(self) -> int | None:
        """The source's id for what it does not know."""
        return self.source.unknown

    @cached_property
    def missing(self) -> Ids:
        """Ids of the target that the source does not have."""
        return np.flatnonzero(self.copied < 0)

    @cached_property
    def shared(self) -> Ids:
        """Ids of the target, special tokens aside, that the source has."""
        return np.flatnonzero((self.copied >= 0) & ~self.special)

    def as_dict(self) -> dict[str, Any]:
        """Counts, for people."""
        composed = sum(len(self.pieces[number]) > 0 for number in self.missing.tolist())
        return {
            "tokens": self.size,
            "shared": len(self.shared),
            "special": int(self.special.sum()),
            "new": len(self.missing),
            "new_with_pieces": composed,
        }


def align(source: Tokenizer, target: Tokenizer, specials: Mapping[int, int] | None = None) -> Alignment:
    """Compare two tokenizers.

    Args:
        source: the old one.
        target: the new one.
        specials: target id to source id of special tokens with one role (padding, start, ...), whatever they are called.

    Returns:
        the alignment; V' is the highest id of the target, plus 1.
    """
    old, new = Surfaces(source), Surfaces(target)
    roles = dict(specials or {})
    size = 1 + max(new.ids.values())
    copied = np.full(size, -1, np.int64)
    special = np.zeros(size, bool)
    pieces: list[tuple[int, ...]] = [()] * size
    same = {surface: number for number, surface in sorted(old.by_id.items(), reverse=True) if surface is not None}
    alike = (old.scheme, old.prefix) == (new.scheme, new.prefix)
    for token, number in new.ids.items():
        surface = new.by_id[number]
        if surface is None:
            special[number] = True
            copied[number] = roles.get(number, old.ids.get(token, -1))
        elif alike and old.by_id.get(old.ids.get(token, -1)) == surface:
            copied[number] = old.ids[token]
        elif surface in same:
            copied[number] = same[surface]
        else:
            cut = old.cut(surface)
            pieces[number] = tuple(piece for piece in cut if piece != old.unknown)
            copied[number] = cut[0] if len(cut) == 1 and pieces[number] else -1
        if not pieces[number] and copied[number] >= 0:
            pieces[number] = (int(copied[number]),)
    return Alignment(old, new, copied, special, tuple(pieces))
