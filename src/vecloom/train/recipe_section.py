"""What every part of a recipe is made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(default: Any, meaning: str, source: str = "our choice", **limits: Any) -> Any:
    """A key of a recipe with its default, what it means and who recommends the default."""
    return Field(default, description=meaning, json_schema_extra={"source": source}, **limits)


class Section(BaseModel):
    """A part of a recipe: unknown keys are errors, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)
