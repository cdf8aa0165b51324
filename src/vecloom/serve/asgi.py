"""Types and small readers that the middlewares share. They are plain ASGI: Starlette's base class costs each request a task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Refuse: TypeAlias = Callable[[Scope, int, str], ASGIApp]
"""Make an answer that says no, in the shape of the API that the path belongs to: scope, status, what to tell."""


def header(scope: Scope, name: bytes) -> bytes:
    """The first header of a name (in lower case), or ``b""``."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""
