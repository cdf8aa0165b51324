"""Fine-tune any encoder from a recipe: pairs, triplets, scored pairs, labels or plain sentences, on CPU or GPUs.

    from vecloom import train
    summary = train.run(train.load_recipe("recipe.yaml"))

Needs the extra ``[train]``. Losses are in ``vecloom.train.losses``, each a ``torch.nn.Module`` that sentence-transformers'
trainer takes, too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.train.job import run as run
    from vecloom.train.recipe import Recipe as Recipe
    from vecloom.train.recipe import explain as explain
    from vecloom.train.recipe import load_recipe as load_recipe
    from vecloom.train.recipe import shipped as shipped
    from vecloom.train.summary import TrainSummary as TrainSummary
    from vecloom.train.watch import DivergenceError as DivergenceError
    from vecloom.train.watch import TrainProgress as TrainProgress

_HOMES = {
    "DivergenceError": "watch",
    "Recipe": "recipe",
    "TrainProgress": "watch",
    "TrainSummary": "summary",
    "explain": "recipe",
    "load_recipe": "recipe",
    "run": "job",
    "shipped": "recipe",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecloom.train' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vecloom.train.{_HOMES[name]}"), name)
