"""Orthogonal matching pursuit: a new token is rebuilt from a few shared ones, with the weights that rebuild it in another space.

Source: "Training-free tokenizer transplantation via orthogonal matching pursuit" (Goddard and Fernandes Neto 2025,
arXiv:2506.06607): in the space of a donor, where the new token has a vector x, find at most k shared tokens and weights w with
x ~ sum w_i D_i, greedily; the new row is sum w_i E_i over the same tokens in the old model. The pursuit is Pati, Rezaiifar
and Krishnaprasad 1993: take the atom with the largest inner product with what is left, solve least squares over all atoms taken.

The donor is the model that the tokenizer comes from. Without one, vectors of the target's tokens are learned from texts, as for
FOCUS; that is ours, and a weaker space.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Vectors
from vecloom.errors import UsageError
from vecloom.extend.vocabulary.alignment import Alignment, Ids
from vecloom.extend.vocabulary.auxiliary import unit
from vecloom.extend.vocabulary.focus import donor_space
from vecloom.extend.vocabulary.methods import Context, start

Doubles: TypeAlias = npt.NDArray[np.float64]

_ROWS = 256
_RIDGE = 1e-6  # two atoms that are the same would make the system singular


def omp(
    table: Vectors,
    alignment: Alignment,
    context: Context,
    *,
    atoms: int = 16,
    others: str = "pieces",
    dimensions: int = 100,
) -> Vectors:
    """New rows by matching pursuit; see ``methods`` for shapes.

    Args:
        table: old rows.
        alignment: of the vocabularies.
        context: its ``donor`` vectors, or its ``texts`` to learn them from.
        atoms: k, the most shared tokens that one new token is made of.
        others: rows of tokens without a vector: "pieces", "unknown" or "random".
        dimensions: of learned vectors.

    Raises:
        UsageError: the context has neither, or ``atoms`` is below 1.
    """
    if atoms < 1:
        raise UsageError(f"atoms={atoms} is not possible.", "Use 1 or more.")
    space = donor_space(alignment, context, dimensions, "omp")
    rows = start(table, alignment, context, others)
    told = np.abs(space).sum(axis=1) > 0
    shared = alignment.shared[told[alignment.shared]]
    places = alignment.missing[told[alignment.missing]]
    if not len(shared):
        return rows
    kept = table[alignment.copied[shared]]
    for begin in range(0, len(places), _ROWS):
        part = places[begin : begin + _ROWS]
        numbers, weights = pursue(space[part], space[shared], atoms)
        rows[part] = np.einsum("nk,nkc->nc", weights, kept[numbers])
    return rows


def pursue(targets: Vectors, dictionary: Vectors, atoms: int) -> tuple[Ids, Vectors]:
    """Orthogonal matching pursuit of many targets at once.

    Args:
        targets: (n, a) float32.
        dictionary: (m, a) float32, an atom in each row; directions are compared, lengths do not matter.
        atoms: k, at most so many each.

    Returns:
        (n, k') int64 numbers of atoms, different in each row, and (n, k') float32 weights of the rows of ``dictionary``;
        k' = min(k, m, a).
    """
    directions = unit(dictionary).astype(np.float64)
    lengths = np.maximum(np.linalg.norm(dictionary, axis=1), 1e-12)
    count = min(atoms, *dictionary.shape)
    wanted = targets.astype(np.float64)
    left = wanted.copy()
    numbers = np.zeros((len(targets), count), np.int64)
    weights: Doubles = np.zeros((len(targets), 0))
    every = np.arange(len(targets))
    taken = np.zeros((len(targets), len(dictionary)), bool)
    for place in range(count):
        gains = np.abs(left @ directions.T)
        gains[taken] = -1
        numbers[:, place] = gains.argmax(axis=1)
        taken[every, numbers[:, place]] = True
        chosen = directions[numbers[:, : place + 1]]
        weights = _solved(chosen, wanted)
        left = wanted - np.einsum("nk,nka->na", weights, chosen)
    return numbers, (weights / lengths[numbers]).astype(np.float32)


def _solved(atoms: Doubles, targets: Doubles) -> Doubles:
    """Least squares of each target over its atoms: (n, k, a) and (n, a) to (n, k)."""
    gram = atoms @ atoms.transpose(0, 2, 1)
    gram += _RIDGE * np.eye(gram.shape[1])
    right = np.einsum("nka,na->nk", atoms, targets)
    found: Doubles = np.linalg.solve(gram, right[..., None])[..., 0]
    return found
