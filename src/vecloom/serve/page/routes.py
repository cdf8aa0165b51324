"""The pages: ``/``, ``/d/INDEX/ID``, ``/similar/INDEX/ID``, ``/compare`` and ``/map/INDEX``."""

from __future__ import annotations

import base64
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from vecloom.errors import VecloomError
from vecloom.search import Hit, Index
from vecloom.serve.gate import COOKIE
from vecloom.serve.page import finding
from vecloom.serve.page.finding import Answer
from vecloom.serve.page.question import MODE_NAMES, SORTS, Question, document_url, read, shown, similar_url
from vecloom.serve.problems import Problem
from vecloom.serve.state import State, state_of

if TYPE_CHECKING:
    from jinja2 import Environment

router = APIRouter(include_in_schema=False)

POLICY = "; ".join(
    [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
        "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    ]
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
ASSETS = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "theme.js": "text/javascript",
    "map.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
LIT = 200  # hits that a search lights on the map
LISTED = 200  # rows whose titles one request may ask for


@router.get("/")
async def search(request: Request) -> Response:
    """The search page, or with ``part=answers`` its answers alone."""
    state = state_of(request)
    question = read(request.query_params.multi_items(), state.indexes)
    found = await _answered(state, question)
    part = request.query_params.get("part") == "answers"
    status = 400 if found.trouble and question.index in state.indexes else 404 if found.trouble else 200
    return _page(state, "answers.html" if part else "search.html", status, question=question, answer=found)


@router.get("/d/{name}/{id:path}")
async def document(request: Request, name: str, id: str) -> Response:  # noqa: A002 - the path's own word
    """A document with all its passages."""
    state = state_of(request)
    try:
        chunks: list[Hit] = await state.shelf.ask(name, lambda index: index.document(id))
    except (VecloomError, Problem) as error:
        return _missing(state, error)
    shown_as = finding.entry(chunks)
    fields = [(key, shown(value)) for key, value in chunks[0].fields.items()]
    return _page(
        state, "document.html", question=Question(name), entry=shown_as, chunks=chunks, fields=fields, name=id
    )  # fmt: skip


@router.get("/similar/{name}/{id:path}")
async def similar(request: Request, name: str, id: str) -> Response:  # noqa: A002 - the path's own word
    """What is near to a document."""
    state = state_of(request)
    try:
        found = await state.shelf.ask(name, lambda index: finding.near(index, id))
        first = (await state.shelf.ask(name, lambda index: index.document(id)))[0]
    except (VecloomError, Problem) as error:
        return _missing(state, error)
    return _page(
        state, "similar.html", question=Question(name), answer=found, name=id, title=first.title or first.document_id
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
    return _page(state, "compare.html", question=sides[0][1], sides=sides, both=both)


@router.get("/map/{name}")
async def map_page(request: Request, name: str) -> Response:
    """The map of an index."""
    state = state_of(request)
    if name not in state.indexes:
        return _missing(state, Problem(404, f"There is no index {name!r} here."))
    sidebar = await state.shelf.ask(name, lambda index: list(index.facets()))
    return _page(state, "map.html", question=Question(name), facets=sidebar)


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
    """A facet of all points: its values, most frequent first, and a byte for each point with their place; 255: none of them."""
    made = await _layout(request, name)
    counts, (keys, cells) = await state_of(request).shelf.ask(
        name, lambda index: (index.facets([field]).get(field, []), index.values(field))
    )
    values = [value for value, _ in counts][:254]
    code = {value: place for place, value in enumerate(values)}
    by_key = dict(zip(keys.tolist(), cells, strict=True))
    codes = bytes(code.get(by_key.get(key), 255) for key in made.keys.tolist())
    told = {"values": [shown(value) for value in values], "codes": base64.b64encode(codes).decode()}
    return JSONResponse(told, headers=HEADERS)


@router.get("/map/{name}/rows")
async def map_rows(request: Request, name: str, at: Annotated[str, Query(pattern=r"^\d+(,\d+)*$")]) -> Response:
    """Titles and beginnings of points, by their places."""
    made = await _layout(request, name)
    places = [int(place) for place in at.split(",")][:LISTED]
    keys = [int(made.keys[place]) for place in places if place < len(made.keys)]
    hits: list[Hit] = await state_of(request).shelf.ask(name, lambda index: index.rows(keys))
    told = [
        {
            "title": hit.title or hit.document_id,
            "text": hit.text[:200],
            "url": document_url(name, hit.document_id),
        }
        for hit in hits
    ]
    return JSONResponse({"rows": told}, headers=HEADERS)


@router.get("/map/{name}/hits")
async def map_hits(request: Request, name: str, q: str) -> Response:
    """Places of the points that answer a query best, best first."""
    made = await _layout(request, name)

    def nearest(index: Index) -> list[int]:
        if index.encoder is None or not q.strip():
            return []
        keys, _ = index.nearest_keys(index.encoder.encode([q], kind="query")[0], LIT)
        place = {key: at for at, key in enumerate(made.keys.tolist())}
        return [place[key] for key in keys.tolist() if key in place]

    return JSONResponse({"hits": await state_of(request).shelf.ask(name, nearest)}, headers=HEADERS)


@router.get("/login")
async def login(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's own word
    """Asks for a key, where the server wants one."""
    state = state_of(request)
    return _page(state, "login.html", question=Question(""), next=_inside(next), trouble="", indexes=[])


@router.post("/login")
async def logged_in(request: Request) -> Response:
    """Gives the browser its key to keep: a cookie that scripts and other sites' pages cannot use."""
    state = state_of(request)
    given = {name: values[-1] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    secret, place = given.get("key", "").strip(), _inside(given.get("next", "/"))
    if state.keys is not None and state.keys.find(secret.encode()) is None:
        return _page(
            state,
            "login.html",
            401,
            question=Question(""),
            next=place,
            trouble="This key is not known here.",
            indexes=[],
        )
    answer = RedirectResponse(place, 303, headers=HEADERS)
    if state.keys is not None:
        answer.set_cookie(
            COOKIE.decode(), secret, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
    return answer


def _inside(place: str) -> str:
    """A path of this server; anything else becomes "/"."""
    return place if place.startswith("/") and not place.startswith(("//", "/\\")) else "/"


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """A file of the page."""
    if name not in ASSETS:
        raise Problem(404, f"There is no file {name!r} here.")
    kept = {**HEADERS, "Cache-Control": "public, max-age=3600"}
    return Response(_asset(name), media_type=ASSETS[name], headers=kept)


@router.get("/favicon.ico")
async def icon() -> Response:
    """Where browsers look."""
    return RedirectResponse("/assets/icon.svg")


@cache
def _asset(name: str) -> bytes:
    return files("vecloom.serve.page").joinpath("assets", name).read_bytes()


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("vecloom.serve.page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals.update(modes=MODE_NAMES, sorts=SORTS, document_url=document_url, similar_url=similar_url)
    return made


def _page(state: State, template: str, status: int = 200, **shown_there: Any) -> Response:
    text = _templates().get_template(template).render(**{"indexes": list(state.indexes), **shown_there})
    return Response(text, status, media_type="text/html", headers=HEADERS)


def _missing(state: State, error: VecloomError | Problem) -> Response:
    status = error.status if isinstance(error, Problem) else 404
    return _page(state, "missing.html", status, question=read([], state.indexes), trouble=_told(error))


async def _answered(state: State, question: Question) -> Answer:
    if not state.indexes:
        return Answer(trouble="This server has no index. Start it with: vecloom serve -i INDEX")
    try:
        return await state.shelf.ask(question.index, lambda index: finding.answer(index, question))
    except (VecloomError, Problem) as error:
        return Answer(trouble=_told(error), asked=True)


def _told(error: VecloomError | Problem) -> str:
    return error.message if isinstance(error, Problem) else " ".join(str(part) for part in error.args if part)


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
