"""The pages: ``/``, ``/d/INDEX?id=ID``, ``/similar/INDEX?id=ID`` (or the id in the path), ``/compare`` and ``/map/INDEX``."""

from __future__ import annotations

import base64
from typing import Annotated, Any
from urllib.parse import parse_qs, quote

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from vecloom.errors import FilterTimeError, VecloomError
from vecloom.search import Hit, Index
from vecloom.search.closeness import BOUNDS
from vecloom.serve.gate import COOKIE
from vecloom.serve.page import finding
from vecloom.serve.page.colours import coloured
from vecloom.serve.page.finding import Answer, Entry
from vecloom.serve.page.question import LONGEST, Question, document_url, read
from vecloom.serve.page.rendering import HEADERS, inside, page, sorts, told, trouble
from vecloom.serve.page.static import asset
from vecloom.serve.page.visible import visible
from vecloom.serve.problems import Problem
from vecloom.serve.room.papers import Papers
from vecloom.serve.room.visitors import Visitor, visitor_of
from vecloom.serve.state import State, state_of

router = APIRouter(include_in_schema=False)

NO_INDEX = "This server has no index. Start it with: vecloom serve -i INDEX"
LIT = 1000  # hits among which a search lights those on the map that are near enough
LISTED = 200  # rows whose titles one request may ask for


@router.get("/")
async def search(request: Request) -> Response:
    """The search page, or with ``part=answers`` its answers alone."""
    state, visitor = state_of(request), await visitor_of(request)
    question = read(request.query_params.multi_items(), state.indexes, sorts(state))
    found = await _answered(state, question, visitor)
    part = request.query_params.get("part") == "answers"
    template = "answers.html" if part else "search.html"
    return await page(request, template, found.status, visitor=visitor, question=question, answer=found)


@router.get("/d/{name}")
@router.get("/d/{name}/{id:path}")
async def document(request: Request, name: str, id: str) -> Response:  # noqa: A002 - the URL's own word
    """A document with all its passages."""
    state, visitor = state_of(request), await visitor_of(request)

    def opened(index: Index) -> tuple[list[Hit], Entry]:
        chunks, papers = index.document(id), _papers(state, name, visitor)
        if papers is not None:
            papers.viewed(id)
        return chunks, finding.standing([finding.entry(chunks)], papers)[0]

    try:
        chunks, shown_as = await state.shelf.ask(name, opened)
    except (VecloomError, Problem) as error:
        return await trouble(request, error, missing=404)
    return await page(
        request, "document.html", visitor=visitor, question=Question(name), entry=shown_as, chunks=chunks,
        fields=finding.named(chunks[0], (*finding.LINKS, finding.PAGE_FIELD)), name=id,
    )  # fmt: skip


@router.get("/similar/{name}")
@router.get("/similar/{name}/{id:path}")
async def similar(request: Request, name: str, id: str) -> Response:  # noqa: A002 - the URL's own word
    """What is near to a document."""
    state, visitor = state_of(request), await visitor_of(request)
    try:
        found = await state.shelf.ask(name, lambda index: finding.near(index, id, _papers(state, name, visitor)))
        first = (await state.shelf.ask(name, lambda index: index.document(id)))[0]
    except (VecloomError, Problem) as error:
        return await trouble(request, error, missing=404)
    return await page(
        request, "similar.html", visitor=visitor, question=Question(name), answer=found, name=id,
        title=finding.title(first),
    )  # fmt: skip


@router.get("/compare")
async def compare(request: Request) -> Response:
    """One query, two indexes or modes, side by side."""
    state = state_of(request)
    asked = dict(request.query_params)
    names = list(state.indexes)
    sides = []
    for place, default in (("left", "vector"), ("right", "keyword")):
        index, _, mode = asked.get(place, f"{names[0] if names else ''}:{default}").rpartition(":")
        question = read([("index", index), ("q", asked.get("q", "")), ("mode", mode)], names)
        sides.append((place, question, await _answered(state, question)))
    both = {one.id for one in sides[0][2].entries} & {one.id for one in sides[1][2].entries}
    by_meaning = {name for name, index in state.indexes.items() if index.encoder is not None}
    return await page(request, "compare.html", question=sides[0][1], sides=sides, both=both, by_meaning=by_meaning)


@router.get("/map")
async def first_map(request: Request) -> Response:
    """The map of the first index."""
    names = list(state_of(request).indexes)
    if not names:
        return await trouble(request, Problem(404, NO_INDEX))
    return RedirectResponse(f"/map/{quote(names[0], safe='')}", 303, headers=HEADERS)


@router.get("/map/{name}")
async def map_page(request: Request, name: str) -> Response:
    """The map of an index."""
    state = state_of(request)
    if name not in state.indexes:
        return await trouble(request, Problem(404, f"There is no index {name!r} here."))
    question = Question(name, request.query_params.get("q", "").strip()[:LONGEST])
    fields = await state.shelf.ask(name, finding.colourable)
    return await page(request, "map.html", question=question, coloured=fields)


@router.get("/map/{name}/state")
async def map_state(request: Request, name: str) -> Response:
    """How far the map is; begins it where nobody asked before."""
    state = state_of(request)
    told: dict[str, Any] = await state.shelf.ask(name, state.maps.state)
    if told["state"] == "ready" and (made := await state.shelf.ask(name, state.maps.layout)) is not None:
        clusters = [
            {"label": text, "x": float(xy[0]), "y": float(xy[1]), "size": int(size)}
            for text, xy, size in zip(made.labels, *_centres(made), strict=True)
        ]
        told |= {"count": len(made.keys), "clusters": clusters}
    return JSONResponse(told, headers=HEADERS)


@router.get("/map/{name}/points")
async def map_points(request: Request, name: str) -> Response:
    """All x and y, uint16 little-endian over the unit square, then a byte with the cluster of each point."""
    made = await _layout(request, name)
    places = np.clip(np.rint(made.xy * 65535), 0, 65535).astype("<u2")
    return Response(places.tobytes() + made.clusters.tobytes(), media_type="application/octet-stream", headers=HEADERS)


@router.get("/map/{name}/field")
async def map_field(request: Request, name: str, field: str) -> Response:
    """A field of all points: names of its colours, and a byte for each point with the place of its own; 255: none."""
    made = await _layout(request, name)
    keys, cells = await state_of(request).shelf.ask(name, lambda index: index.values(field))
    by_key = dict(zip(keys.tolist(), cells, strict=True))
    found = coloured([by_key.get(key) for key in made.keys.tolist()])
    codes = base64.b64encode(found.codes.tobytes()).decode()
    return JSONResponse({"values": found.names, "ordered": found.ordered, "codes": codes}, headers=HEADERS)


@router.get("/map/{name}/documents")
async def map_documents(request: Request, name: str) -> Response:
    """A uint32, little-endian, for each point: points of one document have the same."""
    made = await _layout(request, name)
    keys, names = await state_of(request).shelf.ask(name, lambda index: index.values("document_id"))
    number: dict[Any, int] = {}
    by_key = {key: number.setdefault(one, len(number)) for key, one in zip(keys.tolist(), names, strict=True)}
    codes = np.array([by_key.get(key, len(number)) for key in made.keys.tolist()], "<u4")
    return Response(codes.tobytes(), media_type="application/octet-stream", headers=HEADERS)


@router.get("/map/{name}/rows")
async def map_rows(request: Request, name: str, at: Annotated[str, Query(pattern=r"^\d+(,\d+)*$")]) -> Response:
    """Titles and beginnings of points, by their places."""
    made = await _layout(request, name)
    places = [int(place) for place in at.split(",")][:LISTED]
    keys = [int(made.keys[place]) for place in places if place < len(made.keys)]
    hits: list[Hit] = await state_of(request).shelf.ask(name, lambda index: index.rows(keys))
    told = [
        {
            "title": finding.title(hit),
            "text": visible(hit.text[:200]),
            "url": document_url(name, hit.document_id),
        }
        for hit in hits
    ]
    return JSONResponse({"rows": told}, headers=HEADERS)


@router.get("/map/{name}/hits")
async def map_hits(request: Request, name: str, q: str) -> Response:
    """Places of the points that answer a query best, with their cosines, best first; and from which cosine one fits."""
    made = await _layout(request, name)

    def nearest(index: Index) -> dict[str, Any]:
        if index.encoder is None or not q.strip():
            return {"hits": [], "cosines": [], "fair": None}
        keys, cosines = index.nearest_keys(index.encoder.encode([q], kind="query")[0], LIT)
        place = {key: at for at, key in enumerate(made.keys.tolist())}
        pairs = [
            (place[key], round(one, 4))
            for key, one in zip(keys.tolist(), cosines.tolist(), strict=True)
            if key in place
        ]
        bounds = BOUNDS.get(index.encoder.fingerprint)
        return {"hits": [at for at, _ in pairs], "cosines": [one for _, one in pairs], "fair": bounds and bounds.fair}

    return JSONResponse(await state_of(request).shelf.ask(name, nearest), headers=HEADERS)


@router.get("/login")
async def login(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's own word
    """Asks for a key, where the server wants one."""
    return await _key_page(request, inside(next))


@router.post("/login")
async def logged_in(request: Request) -> Response:
    """Gives the browser its key to keep: a cookie that scripts and other sites' pages cannot use."""
    state = state_of(request)
    given = {name: values[-1] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    secret, place = given.get("key", "").strip(), inside(given.get("next", "/"))
    if state.keys is not None and state.keys.find(secret.encode()) is None:
        return await _key_page(request, place, 401, "This key is not known here.")
    answer = RedirectResponse(place, 303, headers=HEADERS)
    if state.keys is not None:
        answer.set_cookie(
            COOKIE.decode(), secret, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
    return answer


async def _key_page(request: Request, place: str, status: int = 200, wrong: str = "") -> Response:
    return await page(request, "login.html", status, question=Question(""), next=place, trouble=wrong, indexes=[])


@router.get("/assets/{name}")
async def file(name: str) -> Response:
    """A file of the page."""
    return asset(name)


@router.get("/favicon.ico")
async def icon() -> Response:
    """Where browsers look."""
    return RedirectResponse("/assets/icon.svg")


async def _answered(state: State, question: Question, visitor: Visitor | None = None) -> Answer:
    if not state.indexes:
        return Answer(trouble=NO_INDEX, status=404)
    try:
        return await state.shelf.ask(
            question.index,
            lambda index: finding.answer(index, question, _papers(state, question.index, visitor)),
        )
    except (VecloomError, Problem) as error:
        late = isinstance(error, FilterTimeError)
        status = 503 if late else 400 if question.index in state.indexes else 404
        return Answer(trouble=told(error), asked=True, status=status)


def _papers(state: State, name: str, visitor: Visitor | None) -> Papers | None:
    """An index as whoever asks sees it; None without a reading room. Blocks."""
    return state.room.papers(name, visitor.number) if state.room and visitor else None


async def _layout(request: Request, name: str) -> Any:
    state = state_of(request)
    made = await state.shelf.ask(name, state.maps.layout)
    if made is None:
        raise Problem(409, f"The map of {name!r} is not ready.")
    return made


def _centres(made: Any) -> tuple[list[Any], list[int]]:
    """Of each cluster the median place, and its size."""
    count = len(made.labels)
    groups = [made.xy[made.clusters == cluster] for cluster in range(count)]
    return [np.median(group, axis=0) for group in groups], [len(group) for group in groups]
