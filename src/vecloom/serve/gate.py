"""Who may come in: the ``Authorization: Bearer KEY`` header against the key file, before a byte of the body is read.

What a request needs follows from its method and path. Whatever is not known to read needs ``write``, so that a route that is
added and forgotten here is closed to keys that may only read, not open.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from vecloom.serve.asgi import ASGIApp, Message, Receive, Refuse, Scope, Send, header
from vecloom.serve.keys import Key, KeyRing
from vecloom.serve.keys import Scope as KeyScope

PROBES = frozenset({"/health", "/live", "/ping", "/ready"})  # they tell that the server is there, and nothing else
DOOR = re.compile(  # where a browser brings its key, and what that page looks like; what a signed token opens by itself
    r"/login|/favicon\.ico|/assets/[^/]*|/[cluf]/[^/]+"
)
PAGES = re.compile(r"/|/(d|similar|map|feed)/.*|/compare|/desk(/.*)?", re.DOTALL)
FORM = "/desk/"
COOKIE = b"vecloom_key"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
_ASKING = re.compile(
    r"/|/invocations|/(v[12]/)?(embeddings|embed|embed_all|embed_sparse|rerank|similarity|tokenize|decode)"
    r"|/v1/indexes/[^/]+/search"
)


def needed(method: str, path: str) -> KeyScope:
    """The scope that a request needs."""
    return "read" if method in READING or _ASKING.fullmatch(path) else "write"


def bearer(scope: Scope) -> bytes:
    """The key of the ``Authorization`` header, or ``b""``."""
    kind, _, value = header(scope, b"authorization").partition(b" ")
    return value.strip() if kind.lower() == b"bearer" else b""


def cookie(scope: Scope) -> bytes:
    """The key that a browser was given to keep at ``/login``, or ``b""``.

    It opens pages, and counts for forms that carry a token of ours; no other request can change anything with it.
    """
    if scope["method"] not in READING and not scope["path"].startswith(FORM):
        return b""
    for part in header(scope, b"cookie").split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE:
            return value
    return b""


def login(scope: Scope) -> bytes | None:
    """Where a browser without a key is sent; None for programs."""
    if scope["method"] != "GET" or b"text/html" not in header(scope, b"accept"):
        return None
    path = scope.get("raw_path") or scope["path"].encode()
    asked = path + (b"?" + scope["query_string"] if scope.get("query_string") else b"")
    return b"/login?next=" + quote(asked, safe="").encode()


class KeyGate:
    """ASGI middleware: 401 without a key that is known, 403 where the key may not do that.

    Args:
        app: what answers.
        keys: that are known.
        refuse: makes refusals.
        public_pages: the pages are for everybody, and who logs in there is the reading room's matter; APIs still want a key.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, refuse: Refuse, *, public_pages: bool = False) -> None:
        self.app, self.keys, self.refuse, self.public_pages = app, keys, refuse, public_pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a websocket is refused, since nothing here speaks it."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and not self._open(scope["path"]):
            secret = bearer(scope) or cookie(scope)
            key = self.keys.find(secret) if secret else None
            if key is None:
                await self._unknown(scope, receive, send, given=bool(secret))
                return
            scope.setdefault("state", {})["key"] = key
            if (scope_needed := needed(scope["method"], scope["path"])) not in key.scopes:
                await self.refuse(scope, 403, _lacks(key, scope_needed))(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _open(self, path: str) -> bool:
        known = path in PROBES or DOOR.fullmatch(path) or (self.public_pages and PAGES.fullmatch(path))
        return bool(known)

    async def _unknown(self, scope: Scope, receive: Receive, send: Send, *, given: bool) -> None:
        if (place := login(scope)) is not None:
            await send({"type": "http.response.start", "status": 303, "headers": [(b"location", place)]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def challenging(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"www-authenticate", b"Bearer")]
            await send(message)

        told = "This key is not known here." if given else "A key is needed: Authorization: Bearer KEY."
        await self.refuse(scope, 401, told)(scope, receive, challenging)


def _lacks(key: Key, scope: KeyScope) -> str:
    return f"The key {key.name!r} may {' and '.join(sorted(key.scopes))}; this needs {scope!r}."
