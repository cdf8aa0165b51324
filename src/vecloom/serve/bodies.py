"""What every body has in common: types are taken as they are, and null for an optional field means that it is not there.

Clients in many languages write a field that nobody set as ``null``. ``"1"`` is not a number, and ``true`` is not 1.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

ABOUT = ("title", "description", "default", "examples", "x-limit")  # of a property whatever its type is


class Taken(BaseModel):
    """A body, or an object in one."""

    model_config = ConfigDict(strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict) or None not in given.values():
            return given
        return {name: value for name, value in given.items() if value is not None or not cls._may_be_null(name)}

    @classmethod
    def _may_be_null(cls, name: str) -> bool:
        return name in cls.model_fields and not cls.model_fields[name].is_required()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        properties = schema.get("properties", {})
        for name, found in properties.items():
            if name not in schema.get("required", ()):
                properties[name] = _or_null(found)
        return schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a property that may be null, too."""
    if {"type": "null"} in schema.get("anyOf", ()):
        return schema
    about = {key: value for key, value in schema.items() if key in ABOUT}
    kinds = schema.get("anyOf") or [{key: value for key, value in schema.items() if key not in ABOUT}]
    return {"anyOf": [*kinds, {"type": "null"}], **about}
