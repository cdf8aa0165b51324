"""A served model as an ``Encoder``: what indexes are opened with, so that their texts take a fair turn with everybody's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from vecloom.encoders import texts as clean
from vecloom.encoders.protocol import Encoder, Kind, Progress, Vectors, finish
from vecloom.serve.compute import Ask

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from vecloom.serve.engine import Engine


class EngineEncoder:
    """Calls come from worker threads and block; never call ``encode`` on the event loop.

    Before the engine runs, the model answers itself.

    Args:
        engine: whose queue is used.
        model: its name there.
        encoder: the model.
    """

    def __init__(self, engine: Engine, model: str, encoder: Encoder) -> None:
        self._engine, self._model, self._encoder = engine, model, encoder
        self.name = encoder.name

    @property
    def dim(self) -> int:
        """Dimensions of a full vector."""
        return self._encoder.dim

    @property
    def max_length(self) -> int:
        """Tokens after which a text is cut."""
        return self._encoder.max_length

    @property
    def fingerprint(self) -> str:
        """Hex digest of what decides the vectors."""
        return self._encoder.fingerprint

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer in use, or None."""
        return self._encoder.tokenizer

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
        """See ``Encoder.encode``; raises what the model raises."""
        given, loop = clean.checked(texts), self._engine.loop
        if loop is None:
            return self._encoder.encode(
                given, kind=kind, dim=dim, normalize=normalize, prompt=prompt, progress=progress
            )
        if not given:
            return finish(np.empty((0, self.dim), np.float32), dim, normalize)
        asked = self._engine.embed(self._model, given, Ask(kind, prompt), patient=True)
        vectors = asyncio.run_coroutine_threadsafe(asked, loop).result().vectors
        if progress:
            progress(len(given))
        return finish(vectors, dim, normalize)

    def save(self, directory: str | PathLike[str]) -> None:
        """Write the model."""
        self._encoder.save(directory)
