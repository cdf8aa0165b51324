"""Computes vectors for all requests of a server.

``await engine.embed(model, texts)`` from the event loop; ``engine.encoder(model)`` is the same from worker threads, as an
``Encoder``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio.to_thread

from vecloom.encoders.protocol import Encoder, Vectors
from vecloom.serve.metrics import Metrics
from vecloom.serve.settings import Settings


class Engine:
    """One for a server.

    Args:
        models: encoders by name.
        settings: limits.
        metrics: instruments to write to.
    """

    def __init__(self, models: Mapping[str, Encoder], settings: Settings, metrics: Metrics) -> None:
        self._models, self._settings, self._metrics = models, settings, metrics
        self.running = False

    def start(self) -> None:
        """Begin to compute; called by the application's lifespan."""
        self.running = True

    async def close(self) -> None:
        """End."""
        self.running = False

    async def embed(self, model: str, texts: Sequence[str], *, normalize: bool = True) -> Vectors:
        """Vectors of texts: (n, dim) float32."""
        return await anyio.to_thread.run_sync(lambda: self._models[model].encode(texts, normalize=normalize))

    def encoder(self, model: str) -> Encoder:
        """The model, for indexes."""
        return self._models[model]
