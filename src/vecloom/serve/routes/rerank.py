"""Texts by their relevance to a query: ``/rerank`` as TEI has it, ``/v1/rerank`` and ``/v2/rerank`` as Cohere and Jina.

Sources: https://docs.cohere.com/reference/rerank, https://jina.ai/reranker. Scores are the sigmoid of the cross-encoder's logit.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from vecloom.encoders.protocol import Vectors
from vecloom.serve import problems
from vecloom.serve.answers import json_response
from vecloom.serve.bodies import Taken
from vecloom.serve.compute import Ask
from vecloom.serve.documents import LIMITED, WHOLE, openai_errors, tei_errors
from vecloom.serve.engine import RERANKER, Embedded
from vecloom.serve.problems import Problem
from vecloom.serve.routing import Body, InferenceRoute, check_texts, gone_from
from vecloom.serve.state import State, state_of

inference = APIRouter(tags=["rerank"], route_class=InferenceRoute)
NONE_HERE = "No reranker is served; start the server with --reranker MODEL, a cross-encoder's directory."


class RerankRequest(Body):
    """A query and texts. Both parts of a pair cannot be empty."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"query": {"minLength": 1}}},
                {"properties": {"texts": {"items": {"minLength": 1}}}},
            ]
        }
    )

    query: str = Field(json_schema_extra=LIMITED)
    texts: list[str] = Field(min_length=1, json_schema_extra=LIMITED)
    raw_scores: bool = Field(False, description="Give the logits, not their sigmoid.")
    return_text: bool = Field(False, description="Give the texts too.")
    truncate: bool = Field(False, description="Cut a pair that is longer than the model reads; else it is refused.")

    @property
    def count(self) -> int:
        """How many texts it holds."""
        return len(self.texts)


class Rank(BaseModel):
    """A text's place in the request and its score."""

    index: int
    score: float
    text: str | None = None


class Document(Taken):
    """A text as an object."""

    text: str = Field(json_schema_extra=LIMITED)


class DocumentsRequest(Body):
    """A query and documents."""

    query: str = Field(json_schema_extra=LIMITED)
    documents: list[str | Document] = Field(min_length=1, json_schema_extra=LIMITED)
    model: str | None = Field(None, description="The reranker's name; it may be left out.")
    top_n: Annotated[int, Field(ge=1), WHOLE] | None = Field(
        None, description="How many to give, the best; all by default."
    )
    return_documents: bool = Field(False, description="Give the documents too.")

    @property
    def count(self) -> int:
        """How many texts it holds."""
        return len(self.documents)


class Result(BaseModel):
    """A document's place in the request and its relevance, 0 to 1."""

    index: int
    relevance_score: float
    document: Document | None = None


class TokenUsage(BaseModel):
    """Tokens that were read: the query counts with each document."""

    prompt_tokens: int
    total_tokens: int


class Results(BaseModel):
    """The best documents first."""

    id: str
    object: str
    model: str
    results: list[Result]
    usage: TokenUsage


@inference.post(
    "/rerank",
    response_model=list[Rank],
    response_model_exclude_none=True,
    responses=tei_errors(413, 415, 422, 424, 429),
    summary="Texts, the most relevant first.",
)
async def rerank(request: Request, body: RerankRequest) -> Response:
    """text-embeddings-inference's endpoint."""
    state = state_of(request)
    if state.reranker is None:
        raise Problem(424, NONE_HERE, kind="Backend")
    if not body.query and "" in body.texts:
        raise problems.empty(f"texts.{body.texts.index('')}")  # with the query; one of a pair may be empty
    made = await _scored(request, state, body.query, body.texts, "texts", may_cut=body.truncate)
    logits = made.vectors[:, 0]
    scores = logits if body.raw_scores else sigmoid(logits)
    ranks: list[dict[str, Any]] = [{"index": int(i), "score": float(scores[i])} for i in best_first(logits)]
    if body.return_text:
        ranks = [{**rank, "text": body.texts[rank["index"]]} for rank in ranks]
    return json_response(ranks)


@inference.post(
    "/v1/rerank",
    response_model=Results,
    responses=openai_errors(400, 404, 413, 415, 429),
    summary="Documents, the most relevant first.",
)
async def rerank_documents(request: Request, body: DocumentsRequest) -> Response:
    """Cohere's and Jina's endpoint; a pair that is longer than the model reads is cut."""
    state = state_of(request)
    if state.reranker is None:
        raise Problem(404, NONE_HERE, code="model_not_found", param="model")
    if body.model not in (None, state.reranker):
        told = f"There is no reranker {body.model!r} here; there is {state.reranker}."
        raise Problem(404, told, code="model_not_found", param="model")
    texts = [each if isinstance(each, str) else each.text for each in body.documents]
    made = await _scored(request, state, body.query, texts, "documents", may_cut=True)
    logits = made.vectors[:, 0]
    scores = sigmoid(logits)
    results: list[dict[str, Any]] = [
        {"index": int(i), "relevance_score": float(scores[i])} for i in best_first(logits)[: body.top_n]
    ]
    if body.return_documents:
        results = [{**result, "document": {"text": texts[result["index"]]}} for result in results]
    return json_response(
        {
            "id": uuid.uuid4().hex,
            "object": "list",
            "model": state.reranker,
            "results": results,
            "usage": {"prompt_tokens": made.tokens, "total_tokens": made.tokens},
        }
    )


inference.post(
    "/v2/rerank",
    response_model=Results,
    responses=openai_errors(400, 404, 413, 415, 429),
    summary="As /v1/rerank; Cohere's newer name.",
    operation_id="rerank_documents_v2",
)(rerank_documents)


def sigmoid(logits: Vectors) -> Vectors:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)), np.float32)


def best_first(logits: Vectors) -> list[int]:
    """Places by falling logit, equal ones in their order."""
    return [int(i) for i in np.argsort(-logits, kind="stable")]


async def _scored(
    request: Request, state: State, query: str, texts: list[str], where: str, *, may_cut: bool
) -> Embedded:
    check_texts([query], state.settings, "query")
    check_texts(texts, state.settings, where)
    ask = Ask("query", query)
    return await state.engine.embed(RERANKER, texts, ask, may_cut=may_cut, gone=gone_from(request))
