"""Which web pages may call the server: none, unless their origin was named.

A browser lets any page send requests to ``127.0.0.1``, and without keys that would be enough to change an index. Four doors
are closed here:

- answers carry CORS headers for named origins alone, so other pages cannot read them;
- a request that changes something and comes from a page (it has an ``Origin``) of another origin is refused, though the page
  could not have read the answer;
- a request that carries a filter (``where``) in its URL and comes from another site is refused: filters cost time, and how much
  tells something of the documents. Browsers say where from in ``Sec-Fetch-Site``, ``Origin`` or ``Referer``;
- without keys, ``Host`` has to be a name of this machine or one that was named: a page whose own name was turned to
  127.0.0.1 (DNS rebinding) says its own name there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from urllib.parse import parse_qsl, urlsplit

from vecloom.errors import UsageError
from vecloom.serve.asgi import ASGIApp, Receive, Refuse, Scope, Send, header
from vecloom.serve.gate import READING

METHODS = ("GET", "POST", "DELETE")
HEADERS = ("Authorization", "Content-Type", "X-Request-ID")
EXPOSED = ("X-Request-ID", "Retry-After")


def checked(origins: Sequence[str]) -> tuple[str, ...]:
    """Origins as browsers write them.

    Raises:
        UsageError: one is not ``scheme://host[:port]`` or ``*``.
    """
    for origin in origins:
        parts = urlsplit(origin)
        bare = f"{parts.scheme}://{parts.netloc}"
        if origin != "*" and (origin != bare or parts.scheme not in ("http", "https") or not parts.hostname):
            raise UsageError(
                f"{origin!r} is not an origin.", "Write it as browsers do: https://example.org, or * for all."
            )
    return tuple(origin.lower() for origin in origins)


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without its port, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_local(name: str) -> bool:
    """Whether a host name cannot be anything but this machine: ``localhost`` or a loopback address."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _origin_of(url: bytes) -> str:
    try:
        parts = urlsplit(url.decode("latin-1").lower())
    except ValueError:
        return "null"
    return f"{parts.scheme}://{parts.netloc}" if url else ""


def carries_filter(query: bytes) -> bool:
    """Whether a URL's query has a filter in it."""
    return any(name == "where" and value.strip() for name, value in parse_qsl(query.decode("latin-1")))


class Origins:
    """ASGI middleware that closes the doors; CORS headers are left to Starlette's own middleware, inside of it.

    Args:
        app: what answers.
        origins: origins whose pages may call; ``*`` for all.
        hosts: names that ``Host`` may have beside those of this machine; None where any may, because keys are asked for.
        refuse: makes refusals.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], hosts: Collection[str] | None, refuse: Refuse) -> None:
        self.app, self.refuse = with_cors(app, origins) if origins else app, refuse
        self.origins, self.hosts = frozenset(origins), None if hosts is None else frozenset(map(str.lower, hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; anything but HTTP passes through."""
        if scope["type"] == "http":
            host = header(scope, b"host").decode("latin-1")
            if not self._known(host_name(host)):
                told = (
                    "The server is not known by this host name; start it with --keys FILE, or with --allowed-host NAME."
                )
                await self.refuse(scope, 403, told)(scope, receive, send)
                return
            origin = header(scope, b"origin").decode("latin-1").lower()
            if origin and scope["method"] not in READING and not self._allowed(origin, host, scope["scheme"]):
                told = "Pages of this origin may not call the server; start it with --cors-origin ORIGIN."
                await self.refuse(scope, 403, told)(scope, receive, send)
                return
            if scope["method"] in READING and self._elsewhere(scope, host) and carries_filter(scope["query_string"]):
                told = "A link from another site may not carry a filter; open the search and filter there."
                await self.refuse(scope, 403, told)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _elsewhere(self, scope: Scope, host: str) -> bool:
        """Whether a browser says that another site sent it, and not one that may."""
        origin = header(scope, b"origin").decode("latin-1").lower() or _origin_of(header(scope, b"referer"))
        if origin and self._allowed(origin, host, scope["scheme"]):
            return False
        site = header(scope, b"sec-fetch-site")
        return site in (b"cross-site", b"same-site") if site else bool(origin)

    def _known(self, name: str) -> bool:
        return self.hosts is None or is_local(name) or name in self.hosts

    def _allowed(self, origin: str, host: str, scheme: str) -> bool:
        return "*" in self.origins or origin in self.origins or origin == f"{scheme}://{host.lower()}"


def with_cors(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """The app with CORS headers for these origins; never with credentials, as a key is a header, not a cookie."""
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=METHODS,
        allow_headers=HEADERS,
        expose_headers=EXPOSED,
        max_age=600,
    )
