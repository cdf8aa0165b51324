"""The OpenAPI document: every answer that a route can give, and every limit of this server.

Limits are the server's settings, so they are written into the schemas when the document is made: a property that is marked
``LIMITED`` takes as many texts, and texts as long, as the settings say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, BeforeValidator

from vecloom.serve.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from vecloom.serve.state import State

LIMITED: dict[str, Any] = {"x-limit": "texts"}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""In ``Annotated[int, Field(ge=1), WHOLE]``: an integer as JSON Schema has it, where 3.0 is one. It has to stand last."""

MEANINGS = {
    400: "The request is not what it has to be.",
    401: "A key is needed, and none or an unknown one was given.",
    403: "The key may not do this.",
    404: "What the request names is not here.",
    413: "The request, a text of it, or their number is above the limits.",
    415: "The body is not JSON.",
    422: "The request is not what it has to be.",
    424: "The server has no model for this, or the model failed.",
    429: "The server is busy; Retry-After says when to come again.",
    503: "The server is starting or stopping.",
}


class OpenAIErrorDetail(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """OpenAI's shape of an error."""

    error: OpenAIErrorDetail


class TEIError(BaseModel):
    """text-embeddings-inference's shape of an error."""

    error: str
    error_type: str


def openai_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For ``responses=``: these, and those that every route can give."""
    return _errors(OpenAIError, statuses)


def tei_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """As ``openai_errors``, in the other shape."""
    return _errors(TEIError, statuses)


def _errors(model: type[BaseModel], statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": model, "description": MEANINGS[status]} for status in sorted({*statuses, 401, 403})
    }
    if 429 in found:
        found[429]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    return found | {"default": {"model": model, "description": "The server failed, or does not know the method."}}


def install(app: FastAPI, state: State, settings: Settings) -> None:
    """Have the application's document say the limits of this server."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_limits(make(), state, settings)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_limits(document: dict[str, Any], state: State, settings: Settings) -> dict[str, Any]:
    limits = "\n".join(f"- `{name}`: {value:,}" for name, value in settings.limits().items())
    document["info"]["description"] = f"Embeddings, reranking and search.\n\nLimits of this server:\n\n{limits}"
    document["info"]["x-limits"] = settings.limits()
    if state.keys is not None:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    for schema in document.get("components", {}).get("schemas", {}).values():
        _limit(schema, state, settings)
    return document


def _limit(schema: Any, state: State, settings: Settings) -> None:
    """Walk a schema and write the limits where they are marked."""
    if isinstance(schema, list):
        for each in schema:
            _limit(each, state, settings)
    if not isinstance(schema, dict):
        return
    marked = schema.pop("x-limit", None)
    if marked == "texts":
        _limit_texts(schema, settings)
    elif marked == "dim":
        _maximum(schema, max((encoder.dim for encoder in state.models.values()), default=1))
    elif marked == "ids":
        schema["maximum"] = max(1, *(state.engine.computer(name).vocabulary for name in state.models)) - 1
    for each in schema.values():
        _limit(each, state, settings)


def _maximum(schema: dict[str, Any], value: int) -> None:
    for each in schema.get("anyOf", [schema]):
        if each.get("type") == "integer":
            each["maximum"] = value


def _limit_texts(schema: dict[str, Any], settings: Settings) -> None:
    for each in schema.get("anyOf", [schema]):
        if each.get("type") == "string":
            each["maxLength"] = settings.max_text_characters
        elif each.get("type") == "array" and each["items"].get("type") != "integer":
            each["maxItems"] = settings.max_texts
            _limit_texts(each["items"], settings)
