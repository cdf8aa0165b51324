"""What a loss is told about the run that it takes part in, and what a recipe may say about a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict


class Guide(Protocol):
    """A model that judges pairs for another one: any vecloom ``Encoder``, or a ``SentenceTransformer``."""

    def encode(self, texts: Sequence[str], /) -> Any:
        """Vectors of texts: (n, d), as an array or a tensor."""
        ...


@dataclass(frozen=True)
class LossContext:
    """The run around a loss.

    Attributes:
        total_steps: optimiser steps of the whole run; 0 where unknown.
        mini_batch_size: rows that are encoded at once by losses with gradient caching; None: no caching, but for those
            that always cache.
        gather: whether the other processes' texts are negatives too.
        load_guide: from a guide's name to the model; None where no guide can be loaded.
        progress: the share of training that is done, in [0, 1]; None: the loss keeps count by its own callback.
    """

    total_steps: int = 0
    mini_batch_size: int | None = None
    gather: bool = False
    load_guide: Callable[[str], Guide] | None = None
    progress: Callable[[], float] | None = None


class LossOptions(BaseModel):
    """Base of all losses' options: frozen, and a key that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class LossEntry:
    """A loss that a recipe can name.

    Attributes:
        make: builds the module from a ``SentenceTransformer``, options and context.
        options: the class of its options.
        shapes: data that it takes: "sentences" (sentence), "pairs" (anchor, positive), "triplets" (anchor, positive,
            negative_1 and so on), "scored" (sentence1, sentence2, score in [0, 1]), "labels" (text, label) or
            "labelled-pairs" (sentence1, sentence2, label).
        summary: what it is for, in a line.
    """

    make: Callable[[Any, Any, LossContext], Any]
    options: type[LossOptions]
    shapes: tuple[str, ...]
    summary: str
