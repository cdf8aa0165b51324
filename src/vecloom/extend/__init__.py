"""Extend a model: longer texts, with little or no training.

    from vecloom import extend
    extend.extend_context("minilm", "minilm-4k", to=4096, method="grouped")

Needs the extra ``[torch]``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.extend.context import ContextSummary as ContextSummary
    from vecloom.extend.context import extend_context as extend_context
    from vecloom.extend.table import METHODS as METHODS

_HOMES = {
    "METHODS": "table",
    "ContextSummary": "context",
    "extend_context": "context",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecloom.extend' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vecloom.extend.{_HOMES[name]}"), name)
