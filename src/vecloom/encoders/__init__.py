"""Text to vectors: the ``Encoder`` protocol and everything that follows it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.encoders.decoder import DecoderSettings as DecoderSettings
    from vecloom.encoders.decoder import open_decoder as open_decoder
    from vecloom.encoders.distillation import distill as distill
    from vecloom.encoders.latent_attention import LatentAttentionPooling as LatentAttentionPooling
    from vecloom.encoders.lexical import LexicalEncoder as LexicalEncoder
    from vecloom.encoders.protocol import Encoder as Encoder
    from vecloom.encoders.protocol import Kind as Kind
    from vecloom.encoders.protocol import Progress as Progress
    from vecloom.encoders.protocol import Vectors as Vectors
    from vecloom.encoders.remote import RemoteEncoder as RemoteEncoder
    from vecloom.encoders.remote import RemoteSettings as RemoteSettings
    from vecloom.encoders.resolve import load as load
    from vecloom.encoders.resolve import local_models as local_models
    from vecloom.encoders.static import StaticEncoder as StaticEncoder
    from vecloom.encoders.transformer import TransformerEncoder as TransformerEncoder

_HOMES = {
    "DecoderSettings": "decoder",
    "Encoder": "protocol",
    "Kind": "protocol",
    "LatentAttentionPooling": "latent_attention",
    "LexicalEncoder": "lexical",
    "Progress": "protocol",
    "RemoteEncoder": "remote",
    "RemoteSettings": "remote",
    "StaticEncoder": "static",
    "TransformerEncoder": "transformer",
    "Vectors": "protocol",
    "distill": "distillation",
    "load": "resolve",
    "local_models": "resolve",
    "open_decoder": "decoder",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vecloom.encoders' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vecloom.encoders.{_HOMES[name]}"), name)
