"""FOCUS: a new token mixes the tokens that both vocabularies have, weighted by sparsemax of similarities learned from texts.

Source: "FOCUS: Effective embedding initialization for monolingual specialization of multilingual models" (Dobler and de Melo
2023, arXiv:2305.14481), section 2: vectors of the *target's* tokens are learned from texts that the target tokenizer cuts; for a
new token, w = sparsemax(cosines to the shared tokens) and e = sum_o w_o E[o]. Sparsemax: Martins and Astudillo 2016
(arXiv:1602.02068).

Tokens that hardly occur in the texts take ``others``; the paper draws them at random, ZeTT's script takes the unknown token.
"""

from __future__ import annotations

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import UsageError
from vecloom.extend.vocabulary.alignment import Alignment
from vecloom.extend.vocabulary.auxiliary import token_vectors, unit
from vecloom.extend.vocabulary.methods import Context, combine, start

_ROWS = 512


def focus(
    table: Vectors, alignment: Alignment, context: Context, *, others: str = "pieces", dimensions: int = 100
) -> Vectors:
    """New rows by FOCUS; see ``methods`` for shapes.

    Args:
        table: old rows.
        alignment: of the vocabularies.
        context: its ``donor`` vectors, or its ``texts`` to learn them from.
        others: rows of tokens without a vector: "pieces", "unknown" or "random".
        dimensions: of learned vectors.

    Raises:
        UsageError: the context has neither.
    """
    space = unit(donor_space(alignment, context, dimensions, "focus"))
    rows = start(table, alignment, context, others)
    told = np.abs(space).sum(axis=1) > 0
    atoms = alignment.shared[told[alignment.shared]]
    places = alignment.missing[told[alignment.missing]]
    if not len(atoms):
        return rows
    for begin in range(0, len(places), _ROWS):
        part = places[begin : begin + _ROWS]
        weights = sparsemax(space[part] @ space[atoms].T)
        rows = combine(rows, part, weights, table[alignment.copied[atoms]])
    return rows


def sparsemax(values: Vectors) -> Vectors:
    """The nearest point of the simplex to each row, which has many zeros: (n, m) float32 to the same."""
    ordered = -np.sort(-values.astype(np.float64), axis=1)
    sums = ordered.cumsum(axis=1)
    ranks = np.arange(1, values.shape[1] + 1)
    count = (1 + ranks * ordered > sums).sum(axis=1)
    threshold = (sums[np.arange(len(values)), count - 1] - 1) / count
    return np.asarray(np.maximum(values - threshold[:, None], 0), np.float32)


def donor_space(alignment: Alignment, context: Context, dimensions: int, method: str) -> Vectors:
    """Vectors of the target's tokens in a space that is not the model's: (V', a) float32.

    Raises:
        UsageError: there is neither a donor nor text to learn from.
    """
    if context.donor is not None:
        return context.donor
    if not context.texts:
        raise UsageError(f"{method} needs texts, or a donor model.", "Give them with --corpus or --donor.")
    return token_vectors(alignment.target.tokenizer, context.texts, dimensions, context.seed)
