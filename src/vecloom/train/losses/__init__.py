"""Training objectives: ``torch.nn.Module``s with sentence-transformers' calling convention, usable with its trainer.

``LOSSES`` is the table of all that a recipe can name; ``make_loss`` builds one. Classes are imported when they are
asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vecloom.train.losses.context import Guide, LossContext, LossEntry, LossOptions
from vecloom.train.losses.table import base_shapes, entry, make_loss, table

if TYPE_CHECKING:
    from vecloom.train.losses.distill import DistilledPairLoss
    from vecloom.train.losses.gist import GuidedContrastive
    from vecloom.train.losses.layerwise import LayerwiseLoss
    from vecloom.train.losses.own_negatives import OwnNegativesLoss
    from vecloom.train.losses.progressive import ProgressiveContrastive
    from vecloom.train.losses.repetition import repeat_tokens
    from vecloom.train.losses.simcse import ESimCSELoss, SimCSELoss

LOSSES = table()

_HOMES = {
    "DistilledPairLoss": "distill",
    "ESimCSELoss": "simcse",
    "GuidedContrastive": "gist",
    "LayerwiseLoss": "layerwise",
    "OwnNegativesLoss": "own_negatives",
    "ProgressiveContrastive": "progressive",
    "SimCSELoss": "simcse",
    "repeat_tokens": "repetition",
}

__all__ = [
    "LOSSES",
    "DistilledPairLoss",
    "ESimCSELoss",
    "Guide",
    "GuidedContrastive",
    "LayerwiseLoss",
    "LossContext",
    "LossEntry",
    "LossOptions",
    "OwnNegativesLoss",
    "ProgressiveContrastive",
    "SimCSELoss",
    "base_shapes",
    "entry",
    "make_loss",
    "repeat_tokens",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
