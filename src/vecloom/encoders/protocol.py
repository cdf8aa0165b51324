"""The one interface: every model that turns text into vectors is an ``Encoder``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Kind: TypeAlias = Literal["document", "query"]
Vectors: TypeAlias = npt.NDArray[np.float32]
Progress: TypeAlias = Callable[[int], None]
"""Called with the number of items that were finished since the last call."""


@runtime_checkable
class Encoder(Protocol):
    """Text in, vectors out.

    Attributes:
        name: what the user called the model, or its directory; for people.
        dim: dimensions of a full vector.
        max_length: tokens (special ones included) after which a text is cut; a very large number where there is no limit.
        fingerprint: hex digest of everything that decides what the vectors mean (weights, pooling, prompts);
            two encoders with equal fingerprints give the same vectors up to rounding.
        tokenizer: the ``tokenizers.Tokenizer`` in use, for counting and for chunking, or None.
    """

    name: str

    @property
    def dim(self) -> int:
        """Dimensions of a full vector."""
        ...

    @property
    def max_length(self) -> int:
        """Tokens after which a text is cut."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex digest of what decides the vectors."""
        ...

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer in use, which does not cut, or None."""
        ...

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind = "document",
        dim: int | None = None,
        normalize: bool = True,
        prompt: str | None = None,
        progress: Progress | None = None,
    ) -> Vectors:
        """Encode texts in input order.

        Args:
            texts: any strings; empty ones and lone surrogates are allowed.
            kind: which of the model's stored prompts goes before the text.
            dim: keep only the first ``dim`` dimensions (Matryoshka), renormalised when ``normalize``.
            normalize: scale each vector to length 1.
            prompt: text to put before each text, instead of the model's own for ``kind``.
            progress: called as texts are finished.

        Returns:
            C-contiguous float32 of shape ``(len(texts), dim)``.
        """
        ...

    def save(self, directory: str | PathLike[str]) -> None:
        """Write a sentence-transformers directory that ``vecloom.load`` and ``SentenceTransformer`` can load."""
        ...


def check_finite(vectors: Vectors, texts: Sequence[str], name: str) -> None:
    """Check that every number is finite.

    Raises:
        ModelError: one is not; the sentence names the text.
    """
    if np.isfinite(vectors).all():
        return
    from vecloom.errors import ModelError

    place = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
    shown = texts[place] if len(texts[place]) <= 60 else f"{texts[place][:59]}…"
    raise ModelError(
        f"The model {name} gives a vector that is not finite for {shown!r}.", "Try --backend torch, or --precision f32."
    )


def finish(vectors: Vectors, dim: int | None, normalize: bool) -> Vectors:
    """Cut ``(n, d)`` vectors to ``dim`` and scale them to length 1; zero vectors stay zero.

    Raises:
        UsageError: ``dim`` is not between 1 and ``d``.
    """
    from vecloom.errors import UsageError

    full = vectors.shape[1]
    if dim is not None and not 1 <= dim <= full:
        raise UsageError(f"dim={dim} is not possible: this model gives {full} dimensions.", f"Use 1 to {full}.")
    kept = vectors if dim is None else vectors[:, :dim]
    if normalize:
        norms = np.linalg.norm(kept, axis=1, keepdims=True)
        kept = kept / np.maximum(norms, np.finfo(np.float32).tiny)
    return np.ascontiguousarray(kept, dtype=np.float32)
