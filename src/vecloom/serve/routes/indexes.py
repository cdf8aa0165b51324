"""``/v1/indexes``: search, add, read, replace, delete, and what is near to a document.

A document is named in the path (``/documents/ID``) or, whatever its id is, in the query (``/documents?id=ID``). Not every id
gets through a path: clients and proxies remove ``.`` and ``..``, join slashes, and refuse some characters.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, TypeAlias

import numpy as np
import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import StringConstraints
from starlette.responses import Response

from vecloom.data import Document, content_hash
from vecloom.search import AddReport, Hit, Index
from vecloom.serve.problems import Problem
from vecloom.serve.routes.index_models import (
    DELETED,
    DOCUMENT,
    DOCUMENTS,
    INDEXES,
    MOST_HITS,
    SEARCHED,
    SIMILAR,
    DocumentIn,
    Documents,
    Search,
)
from vecloom.serve.state import State, state_of
from vecloom.wording import counted

router = APIRouter(prefix="/v1/indexes", tags=["indexes"])

COUNTS = ("added", "replaced", "unchanged", "empty", "chunks")

Name: TypeAlias = Annotated[str, Path(description="The index's name, as GET /v1/indexes gives it.")]
Id: TypeAlias = Annotated[str, StringConstraints(min_length=1)]  # a part of the path or of the query, by the route


@router.get("", response_class=Response, responses=INDEXES, summary="The indexes that there are.")
async def indexes(request: Request) -> Response:
    """Each with its model, its size and the fields that filters can name."""
    state = state_of(request)
    return _json({"object": "list", "data": [await state.shelf.ask(name, _described(name)) for name in state.indexes]})


@router.post("/{name}/search", response_class=Response, responses=SEARCHED, summary="Search by meaning, words or both.")
async def search(request: Request, name: Name, asked: Search) -> Response:
    """The best chunks for a text or a vector, best first; filters hold before ranking."""
    state, mode = state_of(request), asked.mode or ("hybrid" if asked.vector is None else "vector")
    if asked.vector is not None and mode != "vector":
        raise Problem(400, f"A vector cannot be searched by {mode}.", param="mode", code="invalid_value")
    many = asked.offset + asked.k
    vector, query = asked.vector, asked.query

    def question(index: Index) -> list[Hit]:
        if vector is not None:
            with np.errstate(over="ignore"):  # what is no float32 becomes infinite, which the index refuses
                asked_by = np.asarray(vector, dtype=np.float32)
            return index.search_vector(asked_by, many, where=asked.where)
        return index.search(str(query), many, mode=mode, where=asked.where)

    began = time.perf_counter()
    hits = await state.shelf.ask(name, question)
    seconds = time.perf_counter() - began
    _count(state, name, mode, seconds)
    return _answer(name, mode, hits[asked.offset :], asked.k, asked.offset, seconds)


@router.get("/{name}/similar", response_class=Response, responses=SIMILAR, summary="What is near to a document.")
@router.get(
    "/{name}/similar/{id:path}", response_class=Response, responses=SIMILAR, summary="What is near to a document."
)
async def similar(
    request: Request,
    name: Name,
    id: Id,  # noqa: A002 - the API's own word
    k: Annotated[int, Query(ge=1, le=MOST_HITS)] = 10,
    offset: Annotated[int, Query(ge=0, le=MOST_HITS)] = 0,
    where: str | None = None,
) -> Response:
    """Chunks of other documents, nearest first; a chunk's id asks with that chunk alone."""
    state, began = state_of(request), time.perf_counter()
    _check_one(request)
    hits = await state.shelf.ask(name, lambda index: index.similar(id, offset + k, where=where))
    seconds = time.perf_counter() - began
    _count(state, name, "similar", seconds)
    return _answer(name, "vector", hits[offset:], k, offset, seconds)


@router.post("/{name}/documents", response_class=Response, responses=DOCUMENTS, summary="Add or replace documents.")
async def add(request: Request, name: Name, sent: Documents) -> Response:
    """A document whose id is there is replaced, or skipped if nothing changed. The answer comes when all of it is on disk."""
    state = state_of(request)
    _check(state, sent.documents)
    documents = [_document(one) for one in sent.documents]
    report: AddReport = await state.shelf.change(name, lambda index: index.add(state.shelf.until_closed(documents)))
    done = {what: getattr(report, what) for what in COUNTS}
    for what in ("added", "replaced"):
        state.metrics.written.add(done[what], name, what)
    names = [document.id for document in documents]
    repeated = [name for name, times in Counter(names).items() if times > 1]
    return _json({**done, "ids": names, "repeated": repeated})


@router.get("/{name}/documents", response_class=Response, responses=DOCUMENT, summary="A document.")
@router.get("/{name}/documents/{id:path}", response_class=Response, responses=DOCUMENT, summary="A document.")
async def document(request: Request, name: Name, id: Id) -> Response:  # noqa: A002 - the API's own word
    """All its chunks, in their order; neighbours share some words. 404 if it is not there."""
    _check_one(request)
    chunks = await state_of(request).shelf.ask(name, lambda index: index.document(id))
    first = chunks[0]
    passages = [{"id": one.id, "position": one.position, "heading": one.heading, "text": one.text} for one in chunks]
    told = {"id": first.document_id, "title": first.title, "source": first.source, "fields": dict(first.fields)}
    return _json({**told, "chunks": passages})


@router.delete("/{name}/documents", response_class=Response, responses=DELETED, summary="Delete a document.")
@router.delete("/{name}/documents/{id:path}", response_class=Response, responses=DELETED, summary="Delete a document.")
async def delete(request: Request, name: Name, id: Id) -> Response:  # noqa: A002 - the API's own word
    """404 if it is not there."""
    state = state_of(request)
    _check_one(request)
    gone = await state.shelf.change(name, lambda index: index.delete([id]))
    if not gone:
        raise Problem(404, f"There is no document {id!r} in the index.", code="document_not_found", param="id")
    state.metrics.written.add(gone, name, "deleted")
    return _json({"id": id, "deleted": True})


def _check_one(request: Request) -> None:
    """Refuse what does not say which document is meant: two ids, or a line break that the router drops from a path's end."""
    if request.scope["path"].endswith("\n"):
        told = "A path cannot end with a line break; give the id in the query: ?id=ID."
        raise Problem(404, told, code="document_not_found", param="id")
    if len(request.query_params.getlist("id")) + ("id" in request.path_params) > 1:
        raise Problem(400, "A request names one document; give one id.", code="invalid_value", param="id")


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


def _described(name: str) -> Any:
    """Asks an index what is inside; without its folder, which is the server's own affair."""

    def question(index: Index) -> dict[str, Any]:
        info = asdict(index.info())
        del info["path"]
        return {"id": name, "object": "index", **info, "fields": dict(info["fields"])}

    return question


def _answer(name: str, mode: str, hits: Sequence[Hit], k: int, offset: int, seconds: float) -> Response:
    found = [asdict(hit) for hit in hits]
    return _json({"index": name, "mode": mode, "k": k, "offset": offset, "seconds": round(seconds, 6), "hits": found})


def _count(state: State, name: str, mode: str, seconds: float) -> None:
    state.metrics.searches.add(1, name, mode)
    state.metrics.search_duration.observe(seconds)


def _check(state: State, documents: Sequence[DocumentIn]) -> None:
    limits = state.settings
    if len(documents) > limits.max_texts:
        told = f"{counted(len(documents), 'document')} are more than the {limits.max_texts:,} of one request; send them in parts."
        raise Problem(413, told, param="documents")
    for place, document in enumerate(documents):
        if len(document.text) > limits.max_text_characters:
            told = f"A text has {counted(len(document.text), 'character')}; {limits.max_text_characters:,} are allowed."
            raise Problem(413, told, param=f"documents.{place}.text")


def _document(sent: DocumentIn) -> Document:
    """The document; one without an id is known by its content, so that sending it twice adds it once."""
    name = "" if sent.id is None else str(sent.id)
    document = Document(name, sent.text, sent.title, fields=sent.fields)
    if name:
        return document
    return Document(f"text-{content_hash(document)[:16]}", sent.text, sent.title, fields=sent.fields)
