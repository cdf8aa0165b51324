"""Vectors of a frozen guide model, each computed once.

Source: GISTEmbed (arXiv:2402.16829) runs its guide on every batch. The guide does not change, so its vectors are kept
here, under the tokens that the trained model reads: texts that the model cannot tell apart share a guide vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vecloom.train.losses.context import Guide
from vecloom.train.losses.texts import decode, digests, token_rows

TEXTS = "texts"
"""Key of a batch's features under which a collator may leave the texts themselves (list of str)."""


class GuideVectors:
    """A guide and the vectors that it has given.

    Args:
        guide: the model that judges.
        tokenizer: of the trained model, to read texts back from tokens where the batch does not hold them; the guide then
            sees what survives tokenising (an uncased model's texts come back in lower case, long ones cut).
        capacity: vectors that are kept; the oldest are dropped beyond that.
    """

    def __init__(self, guide: Guide, tokenizer: Any, capacity: int) -> None:
        self.guide = guide
        self.capacity = capacity
        self.encoded = 0
        self._tokenizer = tokenizer
        self._kept: dict[int, Any] = {}

    def of(self, features: Mapping[str, Any], texts: Sequence[str] | None = None) -> Tensor:
        """Unit vectors of a batch's texts: (n, d) float32, on the processor.

        Args:
            features: the tokenised batch.
            texts: the same texts, where they are at hand.
        """
        rows = token_rows(features)
        keys = digests(rows).tolist()
        missing = {key: place for place, key in reversed(list(enumerate(keys))) if key not in self._kept}
        if missing:
            places = sorted(missing.values())
            asked = [texts[place] for place in places] if texts is not None else self._read([rows[p] for p in places])
            self._keep([keys[place] for place in places], asked)
        found = np.stack([self._kept[key] for key in keys])
        self._trim()
        return torch.from_numpy(found)

    def _read(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return decode(self._tokenizer, rows)

    def _keep(self, keys: Sequence[int], texts: Sequence[str]) -> None:
        given = self.guide.encode(texts)
        vectors = np.asarray(given.cpu() if isinstance(given, Tensor) else given, np.float32)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        self._kept.update(zip(keys, vectors, strict=True))
        self.encoded += len(keys)

    def _trim(self) -> None:
        for key in list(self._kept)[: max(0, len(self._kept) - self.capacity)]:
            del self._kept[key]
