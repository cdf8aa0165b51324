"""vecloom: the whole life of a text embedding.

>>> import vecloom as vl
>>> encoder = vl.load("minilm")
>>> encoder.encode(["a text", "another"]).shape
(2, 384)

Heavy libraries load when they are first used, so importing this costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.data import Chunk as Chunk
    from vecloom.data import Document as Document
    from vecloom.data import read as read
    from vecloom.encoders import Encoder as Encoder
    from vecloom.encoders import LexicalEncoder as LexicalEncoder
    from vecloom.encoders import RemoteEncoder as RemoteEncoder
    from vecloom.encoders import RemoteSettings as RemoteSettings
    from vecloom.encoders import StaticEncoder as StaticEncoder
    from vecloom.encoders import TransformerEncoder as TransformerEncoder
    from vecloom.encoders import distill as distill
    from vecloom.encoders import load as load
    from vecloom.errors import VecloomError as VecloomError
    from vecloom.search import Hit as Hit
    from vecloom.search import Index as Index

__version__ = "0.1.0"

_HOMES = {
    "Chunk": "vecloom.data",
    "Document": "vecloom.data",
    "Encoder": "vecloom.encoders",
    "Hit": "vecloom.search",
    "Index": "vecloom.search",
    "LexicalEncoder": "vecloom.encoders",
    "RemoteEncoder": "vecloom.encoders",
    "RemoteSettings": "vecloom.encoders",
    "StaticEncoder": "vecloom.encoders",
    "TransformerEncoder": "vecloom.encoders",
    "VecloomError": "vecloom.errors",
    "distill": "vecloom.encoders",
    "load": "vecloom.encoders",
    "read": "vecloom.data",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecloom' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
