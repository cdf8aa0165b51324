"""Extend a model, with little or no training: longer texts, sharper attention, another vocabulary.

    from vecloom import extend
    extend.extend_context("minilm", "minilm-4k", to=4096, method="grouped")
    extend.set_temperature("minilm", "minilm-sharp", 0.8)
    extend.transfer_tokenizer("minilm", "domain.json", "minilm-domain", method="mean")
    extend.resize_vocabulary("minilm", texts, "minilm-small", trim=True)

Needs the extra ``[torch]``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.extend.context import ContextSummary as ContextSummary
    from vecloom.extend.context import extend_context as extend_context
    from vecloom.extend.table import METHODS as METHODS
    from vecloom.extend.temperature import set_temperature as set_temperature
    from vecloom.extend.vocabulary.resize import resize_vocabulary as resize_vocabulary
    from vecloom.extend.vocabulary.transfer import transfer_tokenizer as transfer_tokenizer

_HOMES = {
    "METHODS": "table",
    "ContextSummary": "context",
    "extend_context": "context",
    "resize_vocabulary": "vocabulary.resize",
    "set_temperature": "temperature",
    "transfer_tokenizer": "vocabulary.transfer",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecloom.extend' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vecloom.extend.{_HOMES[name]}"), name)
