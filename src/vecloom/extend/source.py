"""A model that is to be extended: what its directory says about positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vecloom.encoders.layouts import kind_of
from vecloom.encoders.resolve import resolve
from vecloom.errors import ModelError, UsageError
from vecloom.runtime.directory import ModelSpec, read_spec

ABSOLUTE = {
    "bert": 0, "distilbert": 0, "electra": 0, "albert": 0, "ernie": 0,
    "roberta": 1, "xlm-roberta": 1, "camembert": 1, "mpnet": 1,
}  # fmt: skip
"""Families with a position table. The second kind leaves rows up to the padding token's number unused."""
ROTARY = {
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "phi3",
    "eurobert",
    "modernbert",
    "nomic_bert",
}
"""Families whose queries and keys are rotated by their position."""


@dataclass(frozen=True)
class Source:
    """A model before it is extended.

    Attributes:
        name: as it was given.
        spec: what its directory says.
        positions: "absolute" (a table), "rotary", or "" where vecloom knows neither in it.
        length: tokens, special ones included, that it was made for.
        first: first row of the position table that a text uses.
    """

    name: str
    spec: ModelSpec
    positions: str
    length: int
    first: int = 0

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.spec.path

    @property
    def family(self) -> str:
        """The network's ``model_type``."""
        return str(self.spec.config.get("model_type", ""))


def open_source(name: str, length: int | None = None) -> Source:
    """Find a model and see what it does with positions.

    Args:
        name: a name from ``vecloom models``, a directory, or a Hub id.
        length: tokens that it was made for; its limit by default.

    Raises:
        ModelNotFoundError: there is none of this name.
        ModelError: it is no transformer, or its directory is broken.
        UsageError: ``length`` is more than it has positions.
    """
    path = resolve(name)
    kind = kind_of(path)
    if kind != "transformer":
        raise ModelError(f"{name} is a {kind} model, which has no positions.", "Give a transformer.")
    spec = read_spec(path)
    family = str(spec.config.get("model_type", ""))
    first = first_position(spec.config) if family in ABSOLUTE else 0
    positions = "absolute" if has_table(spec.config) else "rotary" if family in ROTARY else ""
    limit = int(spec.config.get("max_position_embeddings") or spec.max_length) - first
    if length is not None and not 1 < length <= limit:
        raise UsageError(f"{name} was not made for {length} tokens: it has {limit} positions.", f"Use 2 to {limit}.")
    return Source(name, spec, positions, length or min(spec.max_length, limit), first)


def has_table(config: Mapping[str, Any]) -> bool:
    """Whether a network adds rows of a position table to its words."""
    kind = config.get("position_embedding_type", "absolute") or "absolute"
    return config.get("model_type") in ABSOLUTE and kind == "absolute"


def first_position(config: Mapping[str, Any]) -> int:
    """First row of the position table that a text uses; RoBERTa's is behind the padding token's."""
    offset = ABSOLUTE[str(config["model_type"])]
    return offset + int(config.get("pad_token_id") or 0) if offset else 0


def table_name(names: Mapping[str, Any] | list[str]) -> str:
    """The name of the position table among a model's tensors.

    Raises:
        ModelError: there is none.
    """
    found = [name for name in names if name.endswith("position_embeddings.weight")]
    if len(found) != 1:
        raise ModelError(f"The weights hold {len(found)} position tables, not one.", "Give a model of the BERT family.")
    return found[0]
