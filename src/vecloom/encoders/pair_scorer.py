"""Score pairs with an encoder and its head: each text is encoded once, and a query meets all candidates in two products.

Source: DSE (Barkan et al., AAAI 2020, arXiv:1908.05161), section on serving. The model is what ``vecloom train`` makes with the
loss ``dse``. Needs the extra ``[torch]``.

    scorer = PairScorer.load("models/distilled")
    vectors = scorer.encode(candidates)              # once; keep them
    scores = scorer.score("how do I resume?", vectors)
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Encoder, Kind, Progress, Vectors
from vecloom.errors import ModelError, UsageError

if TYPE_CHECKING:
    from vecloom.encoders.pair_head import PairHead

Scores: TypeAlias = npt.NDArray[np.float32]


class PairScorer:
    """An encoder with a head over pairs of its vectors.

    Attributes:
        encoder: makes the vectors.
        head: scores pairs of them.
    """

    def __init__(self, encoder: Encoder, head: PairHead) -> None:
        self.encoder = encoder
        self.head = head
        self._unit = bool(getattr(getattr(encoder, "spec", None), "normalized", False))

    @classmethod
    def load(cls, directory: str | PathLike[str], **settings: Any) -> PairScorer:
        """Open a model directory.

        Args:
            directory: of a model with a head.
            settings: as for ``vecloom.load``.

        Raises:
            ModelError: the model has no head.
        """
        from vecloom.encoders.pair_head import head_of
        from vecloom.encoders.resolve import load, resolve

        path = resolve(str(directory))
        head = head_of(Path(path))
        if head is None:
            raise ModelError(f"{directory} has no head that scores pairs.", "Train one with the loss dse.")
        return cls(load(directory, **settings), head)

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind = "document",
        prompt: str | None = None,
        progress: Progress | None = None,
    ) -> Vectors:
        """Vectors that the head takes: (n, D) float32, of their own lengths unless the model normalises."""
        return self.encoder.encode(texts, kind=kind, normalize=self._unit, prompt=prompt, progress=progress)

    def score(self, query: str | Vectors, candidates: Sequence[str] | Vectors, *, symmetric: bool = False) -> Scores:
        """Logits of one query with each candidate.

        Args:
            query: a text, or its vector (D,).
            candidates: texts, or their vectors (n, D) from ``encode``.
            symmetric: the mean of both orders, for tasks in which the order means nothing.

        Returns:
            (n,) float32, or (n, labels) where there are several labels; larger is more of it.

        Raises:
            UsageError: vectors of another width.
        """
        import torch

        own = torch.from_numpy(self._vectors([query] if isinstance(query, str) else query, "query").reshape(-1))
        others = torch.from_numpy(self._vectors(candidates, "document"))
        found = self.head.against(own, others)
        if symmetric:
            found = (found + self.head.against(own, others, turned=True)) / 2
        return _flat(found.numpy())

    def score_pairs(
        self, first: Sequence[str] | Vectors, second: Sequence[str] | Vectors, *, symmetric: bool = False
    ) -> Scores:
        """Logits of n pairs, as ``score``: texts or vectors (n, D) on either side."""
        import torch

        left, right = (torch.from_numpy(self._vectors(side, "document")) for side in (first, second))
        with torch.inference_mode():
            found = self.head.logits(left, right)
            if symmetric:
                found = (found + self.head.logits(right, left)) / 2
        return _flat(found.numpy())

    def _vectors(self, given: Any, kind: Kind) -> Vectors:
        made = (
            given if isinstance(given, np.ndarray) and given.dtype.kind == "f" else self.encode(list(given), kind=kind)
        )
        if made.shape[-1] != self.head.dim:
            raise UsageError(
                f"The vectors have {made.shape[-1]} dimensions, and the head takes {self.head.dim}.",
                "Make them with this scorer's encode.",
            )
        return np.ascontiguousarray(made, np.float32)


def _flat(found: Scores) -> Scores:
    return found[:, 0] if found.shape[1] == 1 else found
