"""Merge models: one out of several, with little or no training.

    from vecloom import merge
    merge.run(merge.Recipe("slerp", ("sts-model", "retrieval-model"), base="minilm"), "merged")
    merge.run(merge.load_recipe("recipe.yaml"), "merged")
    merge.merge_tensors("ties", [first, second], base=base, density=0.3)      # dicts of tensors

Needs the extra ``[torch]``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.merge.boom import bagging_plan as bagging_plan
    from vecloom.merge.boom import boom_update as boom_update
    from vecloom.merge.boom import core_subset as core_subset
    from vecloom.merge.boom import update_plan as update_plan
    from vecloom.merge.boom import write_bags as write_bags
    from vecloom.merge.job import MergeSummary as MergeSummary
    from vecloom.merge.job import run as run
    from vecloom.merge.recipe import Recipe as Recipe
    from vecloom.merge.recipe import load_recipe as load_recipe
    from vecloom.merge.recipe import parse_recipe as parse_recipe
    from vecloom.merge.self_positioning import Position as Position
    from vecloom.merge.self_positioning import SelfPositioning as SelfPositioning
    from vecloom.merge.table import METHODS as METHODS
    from vecloom.merge.table import merge_tensors as merge_tensors

_HOMES = {
    "METHODS": "table",
    "MergeSummary": "job",
    "Position": "self_positioning",
    "Recipe": "recipe",
    "SelfPositioning": "self_positioning",
    "bagging_plan": "boom",
    "boom_update": "boom",
    "core_subset": "boom",
    "load_recipe": "recipe",
    "merge_tensors": "table",
    "parse_recipe": "recipe",
    "run": "job",
    "update_plan": "boom",
    "write_bags": "boom",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecloom.merge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vecloom.merge.{_HOMES[name]}"), name)
