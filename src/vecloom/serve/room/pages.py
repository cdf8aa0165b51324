"""What a reader keeps: ``/desk`` (saved and tagged papers, subscriptions), ``/desk/login``, and feeds for feed readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from vecloom.desk import Item, Subscription, feeds, marks, subscriptions
from vecloom.desk.feeds import TYPES, Feed, Publisher
from vecloom.desk.subscriptions import THRESHOLDS
from vecloom.errors import VecloomError
from vecloom.search.index import MODES
from vecloom.serve.page.question import Question, document_url
from vecloom.serve.page.rendering import HEADERS, page, trouble
from vecloom.serve.problems import Problem
from vecloom.serve.room.room import Room
from vecloom.serve.room.visitors import Visitor, room_of, visitor_of
from vecloom.serve.state import state_of

router = APIRouter(include_in_schema=False)

LISTS = {"save": "Saved", "upvote": "Up-voted", "hide": "Hidden"}
MOST = 200  # papers of a list
TOLD = {"asked": "A mail is on its way; follow the link in it. It holds for a while only."}
LOCAL_HOST = "localhost"  # in the ids of feeds, if no address is set


@dataclass(frozen=True, slots=True)
class Kept:
    """A paper on the desk's page; ``index`` is its index's name on this server."""

    index: str
    item: Item
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Followed:
    """A subscription on the desk's page."""

    one: Subscription
    index: str | None
    feed: str


@router.get("/desk")
async def desk(request: Request, list: str = "save", tag: str = "", told: str = "") -> Response:  # noqa: A002 - as in the URL
    """What a reader kept and follows."""
    room, visitor = state_of(request).room, await visitor_of(request)
    if room is None or visitor is None:
        return await trouble(request, Problem(404, "This server has no desk. Start it with: vecloom serve --desk"))
    if visitor.reader is None:
        return RedirectResponse("/desk/login", 303, headers=HEADERS)
    chosen = list if list in LISTS else "save"
    found = await to_thread.run_sync(_kept, room, visitor, chosen, tag)
    return await page(
        request, "desk.html", visitor=visitor, question=Question(""), lists=LISTS, chosen=chosen, tag=tag,
        told=TOLD.get(told, ""), **found,
    )  # fmt: skip


def _kept(room: Room, visitor: Visitor, chosen: str, tag: str) -> dict[str, Any]:
    reader = visitor.number or 0
    room.in_step()
    mark: marks.Mark = chosen  # type: ignore[assignment]  # one of LISTS
    found = marks.tagged(room.desk, reader, tag) if tag else marks.marked(room.desk, reader, mark)
    known = [(name, item) for item in found if (name := room.served_name(item.index_name))][:MOST]
    tags = marks.of_items(room.desk, reader, [item.id for _, item in known])
    followed = [
        Followed(one, room.served_name(one.index_name), f"/f/{subscriptions.feed_token(room.desk, one.id, room.now())}")
        for one in subscriptions.of_reader(room.desk, reader)
    ]
    return {
        "papers": [Kept(name, item, tags[item.id].tags) for name, item in known],
        "tags": marks.tags(room.desk, reader),
        "followed": followed,
    }


@router.get("/desk/login")
async def login(request: Request, told: str = "") -> Response:
    """Asks for an address, to send a link to."""
    room = state_of(request).room
    if room is None or not room.multi_user:
        return await trouble(request, Problem(404, "Nobody logs in here."))
    return await page(request, "desk_login.html", question=Question(""), told=TOLD.get(told, ""), indexes=[])


@router.get("/f/{name}")
async def feed(request: Request, name: str) -> Response:
    """The feed of a subscription: ``TOKEN.atom`` or ``TOKEN.rss``; whoever has its address may read it."""
    token, _, form = name.rpartition(".")

    def made(room: Room) -> Feed:
        room.in_step()
        one = subscriptions.of_feed_token(room.desk, token, room.now())
        publisher = publisher_of(room, request)
        return feeds.of_subscription(room.desk, room.library, publisher, one, room.now(), form)  # type: ignore[arg-type]

    return await _feed(request, form, made)


@router.get("/feed/{name}")
async def query_feed(
    request: Request,
    name: str,
    q: str = "",
    mode: str = "vector",
    where: str = "",
    threshold: float = THRESHOLDS["query"],
) -> Response:
    """The feed of any query over an index: ``INDEX.atom?q=...`` or ``INDEX.rss?q=...``."""
    index, _, form = name.rpartition(".")

    def made(room: Room) -> Feed:
        if index not in room.names:
            raise Problem(404, f"There is no index {index!r} here.")
        if not q.strip() or mode not in MODES:
            raise Problem(
                400, f"A feed needs a query, as in /feed/{index}.atom?q=text+embedding; mode: {', '.join(MODES)}."
            )
        room.in_step()
        return feeds.of_query(
            room.desk, room.library, publisher_of(room, request), room.names[index], q, room.now(), mode=mode,
            filters=where, threshold=threshold, form=form,  # type: ignore[arg-type]
        )  # fmt: skip

    return await _feed(request, form, made)


async def _feed(request: Request, form: str, made: Callable[[Room], Feed]) -> Response:
    try:
        room = room_of(request)
        if form not in TYPES:
            raise Problem(404, f"There is no {request.url.path} here.")
        found = await to_thread.run_sync(made, room)
    except (VecloomError, Problem) as error:
        return await trouble(request, error)
    headers = {
        "ETag": found.etag, "Last-Modified": found.last_modified, "Cache-Control": "private, max-age=300",
        "X-Content-Type-Options": "nosniff",
    }  # fmt: skip
    if found.unchanged(request.headers.get("if-none-match"), request.headers.get("if-modified-since")):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.content_type)


def publisher_of(room: Room, request: Request) -> Publisher:
    """Who gives the feeds: the desk's own address if one is set, otherwise this server as the request calls it."""
    sender = room.post.sender if room.post is not None else None
    home = (sender.base_url if sender else str(request.base_url)).rstrip("/")
    query = f"?{request.url.query}" if request.url.query else ""

    def page_of(item: Item) -> str:
        name = room.served_name(item.index_name)
        return f"{home}{document_url(name, item.doc_id)}" if name else ""

    return Publisher(
        name=sender.name if sender else "vecloom", host=sender.host if sender else LOCAL_HOST, home=f"{home}/",
        address=f"{home}{request.url.path}{query}", page=page_of,
    )  # fmt: skip
