"""Length collapse: how alike texts look, by their length, and how strong a low-pass filter each layer is.

Source: "Length-Induced Embedding Collapse in PLM-based Models" (Zhou et al., ACL 2025, arXiv:2410.24200). Self-attention
averages over tokens: what differs between tokens is damped in a layer by at most sigma_a, the largest singular value of
``(I - 11^T / n) A`` for the attention A (n, n) of a head (Theorem 2), and sigma_a falls with n (Theorem 3). The smaller it is,
the more of a text's vector is an average over the language.

Use it before and after ``temperature``: does cosine rise with length here, and in which layers is the filter strong?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Vectors
from vecloom.errors import DataError, UsageError
from vecloom.extend.temperature_network import ProbedNetwork, cut_tokens
from vecloom.wording import counted, have

LENGTHS = (16, 32, 64, 128, 256)
TEXTS = 150
_READ = 8  # texts whose attention is decomposed at each length: a matrix for each head and layer


@dataclass(frozen=True)
class Collapse:
    """Length collapse of a model.

    Attributes:
        model: its name.
        texts: how many there are; the same at every length.
        lengths: tokens, special ones included.
        cosines: temperature, as "0.8", to the mean cosine of two different texts at each length.
        variances: temperature to the variance of those cosines at each length.
        rates: temperature to a list for each layer: sigma_a at each length, the mean over heads and some texts.
    """

    model: str
    texts: int
    lengths: tuple[int, ...]
    cosines: dict[str, tuple[float, ...]]
    variances: dict[str, tuple[float, ...]]
    rates: dict[str, list[tuple[float, ...]]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def filter_rate(attention: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """sigma_a: the largest singular value of ``(I - 11^T / n) A`` for each A in (..., n, n), rows of which add up to 1."""
    centred = np.asarray(attention, np.float64) - np.asarray(attention, np.float64).mean(axis=-2, keepdims=True)
    return np.asarray(np.linalg.svd(centred, compute_uv=False)[..., 0])


def rate_bound(count: int, spread: float) -> float:
    """Theorem 3's value for sigma_a at ``count`` tokens when scores have standard deviation ``spread``; an approximation."""
    return float(np.sqrt(count / (2 * np.sqrt(1 + np.exp(-2 * spread**2)) * (count - 1) ** 1.5 + 1)))


def pair_cosines(vectors: Vectors) -> npt.NDArray[np.float64]:
    """Cosines of all pairs of different rows of unit vectors (n, d): (n (n - 1) / 2,)."""
    found = np.asarray(vectors, np.float64) @ np.asarray(vectors, np.float64).T
    return np.asarray(found[np.triu_indices(len(vectors), 1)])


def collapse(
    network: ProbedNetwork,
    texts: Sequence[str],
    *,
    lengths: Sequence[int] = LENGTHS,
    taus: Sequence[float | Sequence[float]] = (1.0,),
    most: int = TEXTS,
) -> Collapse:
    """Measure length collapse.

    Args:
        network: the model.
        texts: those with as many tokens as the longest length are used, cut to each length.
        lengths: tokens, special ones included.
        taus: temperatures to compare; each is one number, or one for each layer.
        most: so many texts at most.

    Raises:
        UsageError: a length is longer than the model reads, or leaves no room.
        DataError: fewer than two texts are long enough.
    """
    longest = max(lengths)
    if longest > network.spec.max_length or min(lengths) < 4:
        raise UsageError(
            f"Lengths of {min(lengths)} to {longest} tokens are not possible: this model reads {network.spec.max_length}.",
            f"Use 4 to {network.spec.max_length}.",
        )
    long_enough = [text for text, ids in zip(texts, cut_tokens(network.tokenizer, texts, longest), strict=True) if ids]
    kept = long_enough[:most]
    if len(kept) < 2:
        raise DataError(
            f"{counted(len(kept), 'text')} {have(len(kept))} {longest} tokens.",
            "Give longer texts, or smaller lengths.",
        )
    found: dict[str, list[tuple[float, float, list[float]]]] = {}
    for length in lengths:
        sequences = [ids for ids in cut_tokens(network.tokenizer, kept, length) if ids]
        for tau in taus:
            with network.temperature.at(tau):
                cosines = pair_cosines(network.vectors(sequences))
                rates = _rates(network, sequences[:_READ])
            found.setdefault(told(tau), []).append((float(cosines.mean()), float(cosines.var()), rates))
    return Collapse(
        model=str(network.spec.path.name),
        texts=len(kept),
        lengths=tuple(lengths),
        cosines={tau: tuple(row[0] for row in rows) for tau, rows in found.items()},
        variances={tau: tuple(row[1] for row in rows) for tau, rows in found.items()},
        rates={
            tau: [tuple(rates) for rates in zip(*(row[2] for row in rows), strict=True)] for tau, rows in found.items()
        },
    )


def told(tau: float | Sequence[float]) -> str:
    """A temperature as people write it: "0.8", or "1/0.9/0.8" by layer."""
    return f"{tau:g}" if isinstance(tau, (int, float)) else "/".join(f"{each:g}" for each in tau)


def _rates(network: ProbedNetwork, sequences: Sequence[Sequence[int]]) -> list[float]:
    """Mean sigma_a of each layer."""
    each = [[float(filter_rate(layer).mean()) for layer in text] for text in network.attention(sequences)]
    return [float(value) for value in np.mean(each, axis=0)]
