"""OpenAI's API: ``POST /v1/embeddings`` and ``GET /v1/models``.

Source: https://platform.openai.com/docs/api-reference/embeddings. Beyond it: ``input_type`` and ``prompt_name`` choose one of the
model's prompts, ``truncate`` says what becomes of a text that is too long, and ``output_dtype`` asks for smaller numbers. Token
ids are of the model's own vocabulary, special tokens included, as ``/tokenize`` gives them; ids that do not begin and end with
the model's special tokens come from another tokenizer and are refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from vecloom.encoders.protocol import finish
from vecloom.serve.answers import json_response, openai_data
from vecloom.serve.compute import Ask
from vecloom.serve.documents import LIMITED, WHOLE, openai_errors
from vecloom.serve.dtypes import OutputDtype, converted
from vecloom.serve.engine import Embedded
from vecloom.serve.problems import Problem
from vecloom.serve.routing import Body, InferenceRoute, check_count, check_texts, count_of, gone_from
from vecloom.serve.state import State, state_of

router = APIRouter(tags=["OpenAI"])
inference = APIRouter(tags=["OpenAI"], route_class=InferenceRoute)

Text = Annotated[str, Field(min_length=1)]
Ids = Annotated[list[Annotated[int, Field(ge=0, json_schema_extra={"x-limit": "ids"}), WHOLE]], Field(min_length=1)]


class EmbeddingRequest(Body):
    """Texts, or token ids, to turn into vectors."""

    input: Text | Annotated[list[Text], Field(min_length=1)] | Ids | Annotated[list[Ids], Field(min_length=1)] = Field(
        description="One text, texts, the token ids of one text, or those of several.", json_schema_extra=LIMITED
    )
    model: str | None = Field(None, description="One of GET /v1/models; the first by default.")
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="Numbers, or base64 of their little-endian bytes: of float32, a third of the size."
    )
    output_dtype: OutputDtype = Field(
        "float",
        description="float is float32; int8 and uint8 are codes of a fixed range; binary and ubinary, bits of the signs.",
    )
    dimensions: Annotated[int, Field(ge=1, json_schema_extra={"x-limit": "dim"}), WHOLE] | None = Field(
        None, description="Keep the first so many, scaled to length 1 again."
    )
    user: str | None = Field(None, description="Taken and ignored.")
    input_type: Literal["query", "document"] = Field(
        "document", description="Which of the model's prompts goes before the texts, where it has some."
    )
    prompt_name: str | None = Field(None, description="One of the model's prompts by name, instead.")
    truncate: bool = Field(
        True, description="Cut a text that is longer than the model reads; the header X-Truncated counts them."
    )

    @property
    def count(self) -> int:
        """How many texts it holds."""
        return count_of(self.input)


class Embedding(BaseModel):
    """One vector: whole numbers where codes were asked for."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens that were read, special ones included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    """Vectors in the order of the texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class ModelCard(BaseModel):
    """A model that requests can name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    """All of them, the default first."""

    object: Literal["list"]
    data: list[ModelCard]


async def embeddings(request: Request, body: EmbeddingRequest) -> Response:
    """OpenAI's endpoint; vectors have length 1."""
    state = state_of(request)
    name = state.model_name(body.model)
    made = await _embedded(state, name, body, request)
    vectors = finish(made.vectors, body.dimensions, normalize=True)
    data = await openai_data(converted(vectors, body.output_dtype), body.encoding_format)
    usage = orjson.dumps({"prompt_tokens": made.tokens, "total_tokens": made.tokens})
    parts = (b'{"object":"list","data":', data, b',"model":', orjson.dumps(name), b',"usage":', usage, b"}")
    headers = {"X-Truncated": str(made.cut)} if made.cut else {}
    if made.unverified:
        headers["X-Token-Ids"] = "unverified"
    return Response(b"".join(parts), 200, headers, "application/json")


for path, summary in (
    ("/v1/embeddings", "Vectors of texts."),
    ("/embeddings", "As /v1/embeddings; TEI has it there, too."),
):
    inference.post(
        path, response_model=EmbeddingList, responses=openai_errors(400, 404, 413, 415, 429), summary=summary
    )(embeddings)


async def _embedded(state: State, name: str, body: EmbeddingRequest, request: Request) -> Embedded:
    given: Any = body.input
    if isinstance(given, str) or isinstance(given[0], int):
        given = [given]
    gone = gone_from(request)
    if isinstance(given[0], str):
        check_texts(given, state.settings, "input")
        prompt = None if body.prompt_name is None else state.prompt(name, body.prompt_name)
        ask = Ask(body.input_type, prompt)
        return await state.engine.embed(name, given, ask, may_cut=body.truncate, gone=gone)
    check_count(len(given), state.settings, "input")
    try:
        return await state.engine.embed_ids(name, given, may_cut=body.truncate, gone=gone)
    except ValueError as error:
        raise Problem(400, f"input: {error}", param="input", code="invalid_value") from None


@router.get("/v1/models", response_model=ModelList, responses=openai_errors(), summary="The models.")
async def models(request: Request) -> Response:
    """What requests can name as ``model``."""
    state = state_of(request)
    return json_response({"object": "list", "data": [_card(state, name) for name in state.models]})


@router.get(
    "/v1/models/{name:path}", response_model=ModelCard, responses=openai_errors(404), summary="One of the models."
)
async def model(request: Request, name: str) -> Response:
    """404 where it is not here."""
    state = state_of(request)
    return json_response(_card(state, state.model_name(name)))


def _card(state: State, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(state.started), "owned_by": "vecloom"}
