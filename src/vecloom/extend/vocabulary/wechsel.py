"""WECHSEL: a new token mixes the old tokens that are nearest to it in a space of word vectors.

Source: "WECHSEL: Effective initialization of subword embeddings for cross-lingual transfer" (Minixhofer, Paischer, Rekabsaz
2022, arXiv:2112.06598), section 3: subword vectors out of word vectors, then for a target token x with the set J of its k = 10
nearest source tokens, e_x = sum_J softmax(s(x, y) / temperature) e_y with temperature 0.1.

The paper initialises every target token so. ``copy=False`` is that; by default shared tokens are copied, which in one language is
better. For another language give word vectors of both languages in one space (``align_words``), or texts in which
both occur. Tokens in no word take ``others``; the paper draws them at random.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import DataError, UsageError
from vecloom.extend.vocabulary.alignment import Alignment
from vecloom.extend.vocabulary.auxiliary import WordVectors, subword_vectors, unit, word_vectors
from vecloom.extend.vocabulary.methods import Context, combine, start
from vecloom.wording import counted

_ROWS = 512  # target tokens compared at a time: 512 x 30,000 similarities are 60 MB


def wechsel(
    table: Vectors,
    alignment: Alignment,
    context: Context,
    *,
    neighbours: int = 10,
    temperature: float = 0.1,
    copy: bool = True,
    others: str = "pieces",
    dimensions: int = 100,
) -> Vectors:
    """New rows by WECHSEL; see ``methods`` for shapes.

    Args:
        table: old rows.
        alignment: of the vocabularies.
        context: its ``words``, or word vectors learned from its ``texts``.
        neighbours: k.
        temperature: of the softmax.
        copy: whether shared tokens are copied.
        others: rows of tokens without a vector: "pieces", "unknown" or "random".
        dimensions: of learned word vectors.

    Raises:
        UsageError: the context has neither texts nor words, or a number is out of range.
    """
    if neighbours < 1 or temperature <= 0:
        raise UsageError(
            f"neighbours={neighbours} and temperature={temperature} are not possible.", "Both are positive."
        )
    words = context.words or _learned(context, dimensions)
    old, new = (unit(subword_vectors(words, side)) for side in (alignment.source, alignment.target))
    rows = start(table, alignment, context, others)
    special = np.flatnonzero(alignment.special)
    places = alignment.missing if copy else np.arange(alignment.size)
    places = np.setdiff1d(places, special)
    known = np.flatnonzero(np.abs(old[: len(table)]).sum(axis=1) > 0)
    for begin in range(0, len(places), _ROWS):
        part = places[begin : begin + _ROWS]
        weights = nearest_weights(new[part] @ old[known].T, neighbours, temperature)
        weights[np.abs(new[part]).sum(axis=1) == 0] = 0
        rows = combine(rows, part, weights, table[known])
    return rows


def nearest_weights(similarities: Vectors, neighbours: int, temperature: float) -> Vectors:
    """Softmax over the largest ``neighbours`` of each row, 0 elsewhere: (n, m) float32 to the same."""
    count = min(neighbours, similarities.shape[1])
    weights = np.zeros_like(similarities)
    if not count:
        return weights
    nearest = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(similarities, nearest, axis=1) / temperature
    values = np.exp(values - values.max(axis=1, keepdims=True))
    np.put_along_axis(weights, nearest, values / values.sum(axis=1, keepdims=True), axis=1)
    return weights


def align_words(source: WordVectors, target: WordVectors, dictionary: Mapping[str, str]) -> WordVectors:
    """Words of two languages in one space: the target's vectors are rotated onto the source's (orthogonal Procrustes).

    Args:
        source: words of the old language.
        target: words of the new one, in as many dimensions.
        dictionary: target word to source word.

    Returns:
        all words; one that both have keeps the target's vector.

    Raises:
        DataError: too few pairs of the dictionary are in both.
    """
    from scipy.linalg import orthogonal_procrustes

    here = {word: place for place, word in enumerate(source.words)}
    there = {word: place for place, word in enumerate(target.words)}
    pairs = [(there[a], here[b]) for a, b in dictionary.items() if a in there and b in here]
    if len(pairs) < 2:
        raise DataError(
            f"{counted(len(pairs), 'pair')} of the dictionary have vectors on both sides.", "Give a larger dictionary."
        )
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    rotation, _ = orthogonal_procrustes(unit(target.vectors[left]), unit(source.vectors[right]))
    kept = [place for word, place in here.items() if word not in there]
    return WordVectors(
        (*target.words, *(source.words[place] for place in kept)),
        np.concatenate([unit(target.vectors) @ rotation, unit(source.vectors[kept])]).astype(np.float32),
        np.concatenate([target.counts, np.asarray(source.counts)[kept]]),
    )


def _learned(context: Context, dimensions: int) -> WordVectors:
    if not context.texts:
        raise UsageError("wechsel needs texts, or word vectors.", "Give them with --corpus or --words.")
    return word_vectors(context.texts, dimensions, context.seed)
