"""The vectors of many texts, each text encoded once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vecloom.encoders.protocol import Encoder, Kind, Progress, Vectors


class TextVectors:
    """Unit vectors by text and kind, remembered.

    Args:
        encoder: makes the vectors.
        progress: called with the number of texts that were encoded.
    """

    def __init__(self, encoder: Encoder, progress: Progress | None = None) -> None:
        self._encoder = encoder
        self._progress = progress
        self._known: dict[tuple[Kind, str], Vectors] = {}

    def __call__(self, texts: Sequence[str], kind: Kind = "document") -> Vectors:
        """The texts' vectors in their order, ``(len(texts), dim)``; one call with all texts is faster than many."""
        new = [text for text in dict.fromkeys(texts) if (kind, text) not in self._known]
        if new:
            vectors = self._encoder.encode(new, kind=kind, progress=self._progress)
            self._known.update({(kind, text): vector for text, vector in zip(new, vectors, strict=True)})
        if not texts:
            return np.empty((0, self._encoder.dim), np.float32)
        return np.stack([self._known[kind, text] for text in texts])
