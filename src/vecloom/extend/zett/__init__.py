"""ZeTT: a hypernetwork that predicts the token vectors of any tokenizer, once it is trained for a model.

    from vecloom.extend import zett
    zett.train_hypernetwork("minilm", texts, "minilm-hypernetwork")

Applied by ``vecloom extend tokenizer MODEL --tokenizer T --method zett --hypernetwork H -o OUT``. Needs the extra ``[torch]``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.extend.zett.sampling import sample_unigram_tokenizer as sample_unigram_tokenizer
    from vecloom.extend.zett.settings import Settings as Settings
    from vecloom.extend.zett.storage import load as load
    from vecloom.extend.zett.storage import save as save
    from vecloom.extend.zett.training import HypernetworkSummary as HypernetworkSummary
    from vecloom.extend.zett.training import train_hypernetwork as train_hypernetwork

_HOMES = {
    "HypernetworkSummary": "training",
    "Settings": "settings",
    "load": "storage",
    "sample_unigram_tokenizer": "sampling",
    "save": "storage",
    "train_hypernetwork": "training",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecloom.extend.zett' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vecloom.extend.zett.{_HOMES[name]}"), name)
