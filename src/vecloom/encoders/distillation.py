"""Distil any encoder into a table of token vectors, in a minute and without data.

Source: model2vec (Tulkens and van Dongen, 2024, https://github.com/MinishLab/model2vec), the recipe of version 0.10:

1. Every token t of the vocabulary goes through the encoder alone, as [CLS] t [SEP]; its pooled vector is x_t.
2. Principal components: x_t <- (x_t - mean) E_d, E_d being the eigenvectors of the covariance's d largest eigenvalues.
   Centring takes away what all tokens share, which is most of what an isolated token's vector holds.
3. Smooth inverse frequency (Arora et al., 2017), with Zipf's law in place of counts, since vocabularies are sorted by
   frequency: p_r = (1/r) / sum_s (1/s), r = 2 .. V + 1 by id; x_t <- x_t * a / (a + p_r), a = 1e-4.
4. A text is the mean of its tokens' vectors; unknown tokens are left out.

What differs from model2vec:

- An ``Encoder`` takes texts. One that also has ``encode_ids`` (see ``EncodesIds``) gets the token ids, as in the paper;
  any other gets each token as text, without the mark of a word's inside ("##ing" -> "ing"), which is another vector.
- The pooling and the layers after it (dense, ...) are the encoder's own, only the normalisation is off; model2vec
  averages the network's last layer over all tokens, which is the same for mean-pooled models.
- The padding token, which model2vec keeps as the first row and rank, is left out.
- Texts are not cut at 512 tokens, the table stays float32, and a byte-level tokenizer keeps its first word rule.

When to use it: search or clustering of millions of texts on a CPU, or a first look. When not: questions whose answer
depends on word order, languages that the teacher does not know. ``experiments/distill.py`` shows what is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vecloom.encoders import vocabulary as vocabularies
from vecloom.encoders.protocol import Encoder, Progress, Vectors
from vecloom.encoders.static import StaticEncoder
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNUSED = r"\[unused\d+\]"  # BERT's reserved tokens


@runtime_checkable
class EncodesIds(Protocol):
    """An encoder that can also be asked by token ids."""

    def encode_ids(self, sequences: Sequence[Sequence[int]]) -> Vectors:
        """Pooled vectors, not normalised, float32 ``(n, dim)``, of complete id sequences (special tokens included)."""
        ...


def principal_components(vectors: npt.NDArray[np.floating], dim: int) -> npt.NDArray[np.float64]:
    """Centre ``(n, d)`` vectors and rotate them to their ``dim`` directions of largest variance.

    Each direction's sign is such that its largest value is positive.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    scores: npt.NDArray[np.float64] = centred @ directions[:, ::-1][:, :dim]
    extremes = scores[np.abs(scores).argmax(axis=0), np.arange(dim)]
    return scores * np.where(extremes < 0, -1.0, 1.0)


def sif_weights(count: int, coefficient: float) -> npt.NDArray[np.float64]:
    """Weight a / (a + p) of ``count`` tokens sorted by frequency, p by Zipf's law from rank 2 on."""
    shares = 1.0 / np.arange(2, count + 2)
    weights: npt.NDArray[np.float64] = coefficient / (coefficient + shares / shares.sum())
    return weights


def distill(
    encoder: Encoder,
    *,
    dim: int | None = 256,
    vocabulary: Sequence[str] | None = None,
    sif_coefficient: float | None = 1e-4,
    remove: str | None = UNUSED,
    name: str | None = None,
    progress: Progress | None = None,
) -> StaticEncoder:
    """Make a ``StaticEncoder`` from an encoder that has a tokenizer.

    Args:
        encoder: the teacher.
        dim: dimensions to keep, at most the encoder's; None keeps its vectors unrotated.
        vocabulary: words or phrases, most frequent first, that become tokens beside the tokenizer's own.
        sif_coefficient: how strongly frequent tokens are damped, between 0 and 1 (smaller is stronger); None for
            not at all.
        remove: tokens that this regular expression matches from their start are left out of the vocabulary.
        name: of the result; "<encoder's name>-static" by default.
        progress: called as tokens are encoded.

    Raises:
        UsageError: the encoder has no tokenizer, or an argument is out of its range.
        ModelError: no token is left.
    """
    tokenizer = _checked(encoder, dim, sif_coefficient)
    smaller = _own_vocabulary(tokenizer, remove)
    if vocabulary:
        smaller = vocabularies.with_words(smaller, vocabulary)
    tokens = vocabularies.tokens_by_id(smaller)
    vectors: npt.NDArray[np.floating] = np.nan_to_num(_token_vectors(encoder, tokenizer, tokens, progress))
    if dim is not None and min(dim, encoder.dim) < len(tokens):
        vectors = principal_components(vectors, min(dim, encoder.dim))
    if sif_coefficient is not None:
        vectors = vectors * sif_weights(len(tokens), sif_coefficient)[:, None]
    return StaticEncoder(vectors, smaller, skip_unknown=True, name=name or f"{encoder.name}-static")


def token_texts(tokenizer: Tokenizer, tokens: Sequence[str]) -> list[str]:
    """What tokens look like in a text: without the mark of a word's inside, bytes decoded; new words as they are."""
    mark = json.loads(tokenizer.to_str())["model"].get("continuing_subword_prefix") or ""
    texts = []
    for token in tokens:
        place = tokenizer.token_to_id(token)
        if mark and token.startswith(mark) and token != mark:
            texts.append(token.removeprefix(mark))
        elif place is None:
            texts.append(token)
        else:
            texts.append(tokenizer.decode([place], skip_special_tokens=False).strip() or token)
    return texts


def _checked(encoder: Encoder, dim: int | None, coefficient: float | None) -> Tokenizer:
    if encoder.tokenizer is None:
        raise UsageError(f"{encoder.name} has no tokenizer, so it has no tokens to distil.", "Use a transformer.")
    if dim is not None and dim < 1:
        raise UsageError(f"dim={dim} is not possible.", "Use 1 or more.")
    if coefficient is not None and not 0 < coefficient < 1:
        raise UsageError(f"sif_coefficient={coefficient} is not between 0 and 1.", "1e-4 is usual.")
    return encoder.tokenizer


def _own_vocabulary(tokenizer: Tokenizer, remove: str | None) -> Tokenizer:
    try:
        pattern = re.compile(remove) if remove is not None else None
    except re.error as error:
        raise UsageError(f"remove={remove!r} is no regular expression: {error}.", "Correct it.") from error
    ornaments = vocabularies.ornaments(json.loads(tokenizer.to_str()))
    return vocabularies.without(
        tokenizer, lambda token: token in ornaments or (pattern is not None and pattern.match(token) is not None)
    )


def _token_vectors(encoder: Encoder, tokenizer: Tokenizer, tokens: list[str], progress: Progress | None) -> Vectors:
    if not isinstance(encoder, EncodesIds):
        return encoder.encode(token_texts(tokenizer, tokens), normalize=False, prompt="", progress=progress)
    before, after = _frame(tokenizer)
    places = [tokenizer.token_to_id(token) for token in tokens]
    sequences = [
        tokenizer.encode(token).ids if place is None else [*before, place, *after]
        for token, place in zip(tokens, places, strict=True)
    ]
    vectors = encoder.encode_ids(sequences)
    if progress:
        progress(len(tokens))
    return vectors


def _frame(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids of the special tokens before and after a text."""
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    framed = tokenizer.encode("a").ids
    start = next(i for i in range(len(framed) + 1) if framed[i : i + len(bare)] == bare)
    return framed[:start], framed[start + len(bare) :]
