"""text-embeddings-inference's API: ``/embed``, ``/embed_sparse``, ``/similarity``, ``/tokenize``, ``/decode``, ``/info``.

Source: https://huggingface.github.io/text-embeddings-inference. That server has one model; here requests may name another in
``model``. ``/embed_sparse`` is answered by a lexical model (the first that is served).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from vecloom import __version__
from vecloom.encoders import LexicalEncoder
from vecloom.encoders.protocol import Kind, Vectors, finish
from vecloom.serve.answers import in_pieces, json_response, rows
from vecloom.serve.bodies import Taken
from vecloom.serve.compute import Ask, Side
from vecloom.serve.documents import LIMITED, WHOLE, tei_errors
from vecloom.serve.problems import Problem
from vecloom.serve.routing import Body, InferenceRoute, check_count, check_lengths, check_texts, count_of, gone_from
from vecloom.serve.state import State, state_of

router = APIRouter(tags=["text-embeddings-inference"])
inference = APIRouter(tags=["text-embeddings-inference"], route_class=InferenceRoute)
ERRORS = tei_errors(400, 404, 413, 415, 422, 424, 429)

Text = Annotated[str, Field(min_length=1)]
Texts = Text | Annotated[list[Text], Field(min_length=1)]
AnySide = Annotated[Literal["Right", "Left", "right", "left"], AfterValidator(str.capitalize)]
Id = Annotated[int, Field(ge=0, json_schema_extra={"x-limit": "ids"}), WHOLE]


class Inputs(Body):
    """What all requests about texts have."""

    inputs: Texts = Field(description="A text, or texts.", json_schema_extra=LIMITED)
    model: str | None = Field(None, description="One of GET /v1/models; the first by default.")
    prompt_name: str | None = Field(None, description="Which of the model's prompts goes before the texts.")

    @property
    def count(self) -> int:
        """How many texts it holds."""
        return count_of(self.inputs)

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs


class EmbedRequest(Inputs):
    """Texts to turn into vectors."""

    normalize: bool = Field(True, description="Scale vectors to length 1.")
    truncate: bool = Field(False, description="Cut a text that is longer than the model reads; else it is refused.")
    truncation_direction: AnySide = Field("Right", description="Where it is cut.")
    dimensions: Annotated[int, Field(ge=1, json_schema_extra={"x-limit": "dim"}), WHOLE] | None = Field(
        None, description="Keep the first so many."
    )


class SparseRequest(Inputs):
    """Texts to turn into weighted terms."""


class SparseValue(BaseModel):
    """A term's column and its weight."""

    index: int
    value: float


class Pairs(Taken):
    """A text and those to compare with it."""

    source_sentence: Text = Field(json_schema_extra=LIMITED)
    sentences: list[Text] = Field(min_length=1, json_schema_extra=LIMITED)


class Parameters(Taken):
    """How the texts of a comparison are read."""

    truncate: bool = False
    truncation_direction: AnySide = "Right"
    prompt_name: str | None = None


class SimilarityRequest(Body):
    """A text and those to compare with it."""

    inputs: Pairs
    parameters: Parameters | None = None
    model: str | None = Field(None, description="One of GET /v1/models; the first by default.")

    @property
    def count(self) -> int:
        """How many texts it holds."""
        return 1 + len(self.inputs.sentences)


class TokenizeRequest(Inputs):
    """Texts to cut into tokens."""

    add_special_tokens: bool = True


class Token(BaseModel):
    """A token: its id, its text, whether it is special, and where it stands in the text, in characters."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class DecodeRequest(Body):
    """Token ids to turn into text."""

    ids: (
        Annotated[list[Id], Field(min_length=1)]
        | Annotated[list[Annotated[list[Id], Field(min_length=1)]], Field(min_length=1)]
    ) = Field(json_schema_extra=LIMITED)
    skip_special_tokens: bool = True
    model: str | None = Field(None, description="One of GET /v1/models; the first by default.")

    @property
    def count(self) -> int:
        """How many texts it holds."""
        return count_of(self.ids)


class Info(BaseModel):
    """What is served, and its limits. The first fields are those of text-embeddings-inference."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    models: list[str]
    reranker: str | None
    indexes: list[str]
    limits: dict[str, int]


async def embed(request: Request, body: EmbedRequest) -> Response:
    """One vector for each text."""
    state = state_of(request)
    check_count(len(body.texts), state.settings, "inputs")
    name = state.model_name(body.model)
    vectors = await _vectors(
        request, name, body.texts, body.prompt_name, cut=body.truncate, side=cast(Side, body.truncation_direction)
    )
    done = finish(vectors, body.dimensions, body.normalize)
    return Response(await rows(done), media_type="application/json")


for path, documented in {
    "/embed": True,
    "/invocations": True,
    "/": False,
}.items():  # of "/" the document has no page, either
    inference.post(
        path,
        response_model=list[list[float]],
        responses=ERRORS,
        summary="Vectors of texts." if path == "/embed" else "As /embed.",
        include_in_schema=documented,
    )(embed)


@inference.post(
    "/embed_sparse",
    response_model=list[list[SparseValue]],
    responses=ERRORS,
    summary="Weighted terms of texts, by a lexical model.",
)
async def embed_sparse(request: Request, body: SparseRequest) -> Response:
    """The columns of each text that are not zero."""
    state = state_of(request)
    check_texts(body.texts, state.settings, "inputs")
    encoder = _lexical(state, body.model)
    kind: Kind = "query" if body.prompt_name == "query" else "document"
    matrix = await anyio.to_thread.run_sync(lambda: encoder.encode_sparse(body.texts, kind=kind, normalize=False))

    def piece(start: int, stop: int) -> list[list[dict[str, Any]]]:
        bounds = matrix.indptr
        return [
            [
                {"index": int(index), "value": float(value)}
                for index, value in zip(
                    matrix.indices[bounds[i] : bounds[i + 1]], matrix.data[bounds[i] : bounds[i + 1]], strict=True
                )
            ]
            for i in range(start, stop)
        ]

    return Response(await in_pieces(len(body.texts), piece), media_type="application/json")


@inference.post("/similarity", response_model=list[float], responses=ERRORS, summary="Cosines of one text with others.")
async def similarity(request: Request, body: SimilarityRequest) -> Response:
    """A cosine for each sentence, in their order."""
    state = state_of(request)
    how = body.parameters or Parameters()
    check_count(len(body.inputs.sentences), state.settings, "inputs")
    texts = [body.inputs.source_sentence, *body.inputs.sentences]
    name = state.model_name(body.model)
    vectors = await _vectors(
        request, name, texts, how.prompt_name, cut=how.truncate, side=cast(Side, how.truncation_direction)
    )
    unit = finish(vectors, None, normalize=True)
    return json_response((unit[1:] @ unit[0]).tolist())


@inference.post("/tokenize", response_model=list[list[Token]], responses=ERRORS, summary="Tokens.")
async def tokenize(request: Request, body: TokenizeRequest) -> Response:
    """The tokens of each text, not cut."""
    state = state_of(request)
    check_texts(body.texts, state.settings, "inputs")
    tokenizer = _tokenizer(state, body.model)
    prompt = _prompt(state, state.model_name(body.model), body.prompt_name) or ""
    texts = [prompt + text for text in body.texts]
    found = await anyio.to_thread.run_sync(
        lambda: tokenizer.encode_batch(texts, add_special_tokens=body.add_special_tokens)
    )

    def piece(start: int, stop: int) -> list[list[dict[str, Any]]]:
        return [_tokens(text, encoding) for text, encoding in zip(texts[start:stop], found[start:stop], strict=True)]

    return Response(await in_pieces(len(texts), piece), media_type="application/json")


def _tokens(text: str, encoding: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "text": token if special else text[start:stop],
            "special": bool(special),
            "start": None if special else start,
            "stop": None if special else stop,
        }
        for number, token, special, (start, stop) in zip(
            encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True
        )
    ]


@inference.post("/decode", response_model=list[str], responses=ERRORS, summary="Text of token ids.")
async def decode(request: Request, body: DecodeRequest) -> Response:
    """One text for each list of ids."""
    tokenizer = _tokenizer(state_of(request), body.model)
    lists: Any = [body.ids] if isinstance(body.ids[0], int) else body.ids
    check_count(len(lists), state_of(request).settings, "ids")
    most = tokenizer.get_vocab_size(with_added_tokens=True)
    if any(number >= most for ids in lists for number in ids):
        raise Problem(422, f"A token id is not in the vocabulary of {most:,}.", param="ids")
    return json_response(tokenizer.decode_batch(lists, skip_special_tokens=body.skip_special_tokens))


@router.get("/info", response_model=Info, responses=tei_errors(), summary="What is served, and its limits.")
async def info(request: Request) -> Response:
    """The default model, all names, all limits."""
    state = state_of(request)
    name = state.model_name(None)
    encoder, settings = state.models[name], state.settings
    session = getattr(encoder, "session", None)
    return json_response(
        {
            "model_id": name,
            "model_sha": encoder.fingerprint,
            "model_dtype": {"f32": "float32", "bf16": "bfloat16"}.get(getattr(session, "precision", ""), "float32"),
            "model_type": {"embedding": {"pooling": getattr(getattr(encoder, "spec", None), "pooling", None)}},
            "max_concurrent_requests": settings.max_concurrent_requests,
            "max_input_length": encoder.max_length,
            "max_batch_tokens": settings.max_batch_tokens,
            "max_client_batch_size": settings.max_texts,
            "auto_truncate": False,
            "tokenization_workers": state.engine.readers,
            "version": __version__,
            "models": list(state.models),
            "reranker": state.reranker,
            "indexes": list(state.indexes),
            "limits": settings.limits(),
        }
    )


async def _vectors(
    request: Request, name: str, texts: list[str], prompt_name: str | None, *, cut: bool, side: Side
) -> Vectors:
    state = state_of(request)
    check_lengths(texts, state.settings, "inputs")
    ask = Ask("document", _prompt(state, name, prompt_name), side)
    made = await state.engine.embed(name, texts, ask, may_cut=cut, gone=gone_from(request))
    return np.asarray(made.vectors)


def _prompt(state: State, name: str, prompt_name: str | None) -> str | None:
    return None if prompt_name is None else state.prompt(name, prompt_name)


def _lexical(state: State, name: str | None) -> LexicalEncoder:
    wanted = [state.models[state.model_name(name)]] if name else list(state.models.values())
    found = next((encoder for encoder in wanted if isinstance(encoder, LexicalEncoder)), None)
    if found is None:
        raise Problem(424, "No lexical model is served; start the server with one (-m DIRECTORY).", kind="Backend")
    return found


def _tokenizer(state: State, name: str | None) -> Any:
    name = state.model_name(name)
    tokenizer = state.models[name].tokenizer
    if tokenizer is None:
        raise Problem(424, f"The model {name!r} has no tokenizer.", kind="Tokenizer")
    return tokenizer
