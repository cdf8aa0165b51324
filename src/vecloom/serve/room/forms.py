"""Forms: mark and tag papers, subscribe, log in and out. ``POST /desk/WHAT``, answered by a way back, or to a script by JSON.

Each form carries ``form`` (``visitors.check_form``) and ``next``, the page to come back to. How often one may send is bounded by
``pace``. What a form does is a function of ``DOERS``; it blocks, and runs in a worker thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from vecloom.desk import mail, marks, readers, subscriptions
from vecloom.errors import UsageError, VecloomError
from vecloom.serve.page.rendering import HEADERS, inside, told, trouble
from vecloom.serve.problems import Problem, from_error
from vecloom.serve.room.papers import Papers
from vecloom.serve.room.post import Post
from vecloom.serve.room.room import Room
from vecloom.serve.room.visitors import SESSION, Visitor, check_form, room_of, visitor_of, who

router = APIRouter(include_in_schema=False)

LONGEST_FORM = 16_384  # bytes
Given: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Done:
    """What a form did.

    Attributes:
        told: for a script.
        place: where to go now; "" for the page that the form was on.
        forget: the session ended.
    """

    told: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""
    forget: bool = False


@router.post("/desk/{what}")
async def sent(request: Request, what: str) -> Response:
    """A form of the page."""
    as_json = "application/json" in request.headers.get("accept", "")
    try:
        room, visitor = room_of(request), await visitor_of(request)
        if visitor is None or what not in DOERS:
            raise Problem(404, f"There is no /desk/{what} here.")
        given = await read(request)
        room.forms.take(who(request, visitor))
        if what in WRITES_LETTERS and (what != "subscribe" or given.get("email")):
            room.letters.take(who(request, visitor))
        done = await to_thread.run_sync(partial(_do, room, visitor, what, given))
    except (VecloomError, Problem) as error:
        if not as_json:
            return await trouble(request, error)
        problem = error if isinstance(error, Problem) else from_error(error)
        return JSONResponse({"trouble": told(problem)}, problem.status, {**HEADERS, **problem.headers})
    if as_json:
        return JSONResponse(done.told, headers=HEADERS)
    answer = RedirectResponse(done.place or inside(given.get("next", "/desk")), 303, headers=HEADERS)
    if done.forget:
        answer.delete_cookie(SESSION)
    return answer


async def read(request: Request) -> Given:
    """The fields of a form, each with its last value.

    Raises:
        Problem: 415 or 413, it is not a form of ours.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "A form is sent as application/x-www-form-urlencoded.")
    body = await request.body()
    if len(body) > LONGEST_FORM:
        raise Problem(413, f"This form is larger than {LONGEST_FORM:,} bytes.")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
    return {name: values[-1].strip() for name, values in fields.items()}


def _do(room: Room, visitor: Visitor, what: str, given: Given) -> Done:
    check_form(room, visitor, given.get("form", ""))
    return DOERS[what](room, visitor, given)


def _reader(visitor: Visitor) -> int:
    if visitor.number is None:
        raise Problem(401, "Log in first: readers who are known can do this.")
    return visitor.number


def _index(room: Room, given: Given) -> str:
    name = given.get("index", "")
    if name not in room.names:
        raise Problem(404, f"There is no index {name!r} here.")
    return name


def _papers(room: Room, visitor: Visitor, given: Given) -> Papers:
    return room.papers(_index(room, given), _reader(visitor))


def mark(room: Room, visitor: Visitor, given: Given) -> Done:
    """Save, up-vote or hide a paper: ``what`` is the mark, or the mark after a minus to take it back."""
    papers, reader, what = _papers(room, visitor, given), _reader(visitor), given.get("what", "")
    item, kind = papers.item(given.get("id", "")), what.removeprefix("-")
    if what.startswith("-"):
        marks.unmark(room.desk, reader, item.id, kind)  # type: ignore[arg-type]
    else:
        marks.mark(room.desk, reader, item.id, kind, room.now())  # type: ignore[arg-type]
    room.learn(reader)
    return Done(_standing(papers, item.doc_id))


def tag(room: Room, visitor: Visitor, given: Given) -> Done:
    """Give a paper a tag (``tag``), or take one off (``untag``)."""
    papers, reader = _papers(room, visitor, given), _reader(visitor)
    item = papers.item(given.get("id", ""))
    if given.get("untag"):
        marks.untag(room.desk, reader, item.id, given["untag"])
    else:
        marks.tag(room.desk, reader, item.id, given.get("tag", ""))
    room.learn(reader)
    return Done(_standing(papers, item.doc_id))


def _standing(papers: Papers, doc_id: str) -> dict[str, Any]:
    now = papers.standing([doc_id])[doc_id]
    return {
        "save": now.marks.saved, "upvote": now.marks.upvoted, "hide": now.marks.hidden, "tags": now.marks.tags,
        "upvotes": now.interest.upvotes,
    }  # fmt: skip


def subscribe(room: Room, visitor: Visitor, given: Given) -> Done:
    """Make a subscription: a feed, and mails where there is an address."""
    reader, name = _reader(visitor), room.names[_index(room, given)]
    if where := given.get("where", ""):
        room.library[name].select(where)  # what does not fit is told now, not by the first digest
    with room.desk.transaction():  # both or none
        made = subscriptions.subscribe(
            room.desk,
            reader,
            name,
            given.get("kind", "query"),  # type: ignore[arg-type]
            given.get("query", ""),
            now=room.now(),
            filters=where,
            mode=given.get("mode", "vector"),  # type: ignore[arg-type]
            period=given.get("period", "daily"),  # type: ignore[arg-type]
            threshold=_number(given, "threshold", float),
            max_items=_number(given, "most", int) or 10,
            hour=8 if (hour := _number(given, "hour", int)) is None else hour,
            timezone=given.get("timezone") or "UTC",
        )
        post = _enrol(room, visitor, given) if given.get("email") else None
    if post is not None:
        post.send_soon()
    return Done({"subscription": made.id}, f"/desk#s{made.id}")


def _number(given: Given, name: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(given[name]) if given.get(name) else None
    except ValueError:
        raise UsageError(f"{name} is {given[name][:40]!r}, which is no number.", "Write it as in 10.") from None


def address(room: Room, visitor: Visitor, given: Given) -> Done:
    """Where the local reader's mails go; a mail asks first."""
    _enrol(room, visitor, given).send_soon()
    return Done({"asked": given.get("email", "")}, "/desk?told=asked")


def _enrol(room: Room, visitor: Visitor, given: Given) -> Post:
    if visitor.multi_user:
        raise Problem(400, "Your mails go to the address that you log in with.")
    if room.post is None:
        raise Problem(400, "This server sends no mails: VECLOOM_MAIL_FROM and VECLOOM_BASE_URL are not set.")
    readers.enrol(room.desk, room.post.sender, given.get("email", ""), room.now(), as_local=True)
    return room.post


def subscription(room: Room, visitor: Visitor, given: Given) -> Done:
    """Stop the mails of a subscription (``what``), let them go on, or remove it."""
    reader, number = _reader(visitor), _number(given, "number", int)
    if number is None or subscriptions.get(room.desk, number).reader_id != reader:
        raise Problem(404, "You have no such subscription.")
    if (what := given.get("what", "")) == "remove":
        subscriptions.remove(room.desk, number)
    elif what in ("stop", "start"):
        subscriptions.set_active(room.desk, number, what == "start")
    else:
        raise Problem(400, f"A subscription cannot be told to {what[:40]!r}.")
    return Done({"subscription": number}, "/desk")


def login(room: Room, visitor: Visitor, given: Given) -> Done:
    """Send a login link; whether the address is known, or may log in, is not told."""
    if not room.multi_user or room.post is None:
        raise Problem(404, "Nobody logs in here.")
    email = mail.address(given.get("email", ""))
    if room.lets_in(email):
        readers.request_login(room.desk, room.post.sender, email, room.now())
        room.post.send_soon()
    return Done({}, "/desk/login?told=asked")


def logout(room: Room, visitor: Visitor, given: Given) -> Done:
    """End the session."""
    readers.logout(room.desk, visitor.secret)
    return Done({}, "/", forget=True)


def forget(room: Room, visitor: Visitor, given: Given) -> Done:
    """Remove all that the desk knows of a reader."""
    readers.forget(room.desk, _reader(visitor))
    return Done({}, "/", forget=True)


Doer: TypeAlias = Callable[[Room, Visitor, Given], Done]
DOERS: Mapping[str, Doer] = {
    "mark": mark,
    "tag": tag,
    "subscribe": subscribe,
    "address": address,
    "subscription": subscription,
    "login": login,
    "logout": logout,
    "forget": forget,
}
WRITES_LETTERS = frozenset({"subscribe", "address", "login"})
