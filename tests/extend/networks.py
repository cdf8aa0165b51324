"""Tiny models of the rotary families, with random weights."""

from __future__ import annotations

from pathlib import Path

import transformers
from tests.encoders import tiny

FAMILIES = {
    "llama": transformers.LlamaConfig,
    "qwen2": transformers.Qwen2Config,
    "qwen3": transformers.Qwen3Config,
    "eurobert": transformers.EuroBertConfig,
    "nomic_bert": transformers.NomicBertConfig,
    "modernbert": transformers.ModernBertConfig,
}
DECODERS = ("llama", "qwen2", "qwen3")


def config(family: str, **changed) -> transformers.PretrainedConfig:
    shape = {
        "vocab_size": len(tiny.SPECIAL) + len(tiny.WORDS), "max_position_embeddings": 64, "pad_token_id": 1,
        "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64,
    }  # fmt: skip
    if family in DECODERS:
        shape |= {"num_key_value_heads": 1, "head_dim": 16}
    if family == "modernbert":
        shape |= {"cls_token_id": 0, "bos_token_id": 0, "sep_token_id": 2, "eos_token_id": 2}
    return FAMILIES[family](**shape, **changed)


def rotary(folder: Path, family: str, monkeypatch, **changed) -> Path:
    """A sentence-transformers directory that reads 64 tokens."""
    monkeypatch.setattr(tiny, "config", lambda name: config(name, **changed))
    return tiny.make(folder, family)
