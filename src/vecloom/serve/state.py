"""What a running server holds. Routes reach it with ``state_of(request)``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from anyio import to_thread

from vecloom.encoders.protocol import Encoder
from vecloom.serve.engine import Engine
from vecloom.serve.metrics import Metrics
from vecloom.serve.page.maps import Maps
from vecloom.serve.problems import Problem
from vecloom.serve.settings import Settings
from vecloom.serve.shelf import Shelf

if TYPE_CHECKING:
    from starlette.requests import Request

    from vecloom.search import Index
    from vecloom.serve.keys import KeyRing
    from vecloom.serve.room.room import Room
    from vecloom.serve.tracing import Tracing


@dataclass(kw_only=True)
class State:
    """Everything that a server has loaded, and whether it can answer.

    Attributes:
        settings: as given.
        metrics: the instruments; the engine and the middlewares write to them.
        models: encoders by the name that requests use; the first is the default.
        engine: computes vectors for all requests. ``engine.encoder(name)`` is the model as an ``Encoder`` whose calls, from any
            worker thread, take their fair turn with the other requests.
        indexes: by the name in the path. Each is opened with such an encoder, so that a long ``add`` does not hold up a search;
            its methods block, so routes call them through ``shelf``.
        reranker: its name, or None; the engine computes it as ``engine.RERANKER``.
        tracing: makes spans, or None.
        keys: the key ring, or None where no keys are asked for.
        maps: of the indexes, for the page.
        room: the reading room, or None.
        started: Unix time.
        draining: SIGTERM has come: open requests are finished, new ones should go elsewhere.
    """

    settings: Settings
    metrics: Metrics
    models: Mapping[str, Encoder]
    engine: Engine
    indexes: Mapping[str, Index] = field(default_factory=dict)
    reranker: str | None = None
    tracing: Tracing | None = None
    keys: KeyRing | None = None
    maps: Maps = field(default_factory=Maps)
    room: Room | None = None
    started: float = field(default_factory=time.time)
    draining: bool = False

    @cached_property
    def shelf(self) -> Shelf:
        """The indexes off the event loop: how routes ask and change them."""
        limits = self.settings
        return Shelf(self.indexes, most_asking=limits.max_concurrent_requests, most_writing=limits.max_waiting_writes)

    @property
    def ready(self) -> bool:
        """Whether a request that comes now will be answered."""
        return self.engine.running and not self.draining

    def model_name(self, name: str | None) -> str:
        """The model that a request means; the default where it names none.

        Raises:
            Problem: 404, there is no such model.
        """
        if name is None:
            return next(iter(self.models))
        if name not in self.models:
            raise Problem(
                404,
                f"There is no model {name!r} here; there is {', '.join(self.models)}.",
                code="model_not_found",
                param="model",
            )
        return name

    def prompt(self, model: str, name: str) -> str:
        """One of a model's prompts by its name.

        Raises:
            Problem: 404, the model has no such prompt.
        """
        prompts = self.engine.computer(model).prompts
        if name not in prompts:
            told = f"The model {model!r} has no prompt {name!r}; it has {', '.join(prompts) or 'none'}."
            raise Problem(404, told, code="prompt_not_found", param="prompt_name")
        return prompts[name]

    async def start(self) -> None:
        """Begin to compute."""
        self.engine.start()

    async def close(self) -> None:
        """Let the last work end."""
        self.shelf.close()
        self.maps.close()
        if self.room is not None:
            await to_thread.run_sync(self.room.close)  # a mail may be on its way
        await self.engine.close()
        if self.tracing is not None:
            self.tracing.close()


def state_of(request: Request) -> State:
    """What the server that got this request holds."""
    found: State = request.app.state.server
    return found
