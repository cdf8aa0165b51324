"""The files of the page: style sheet, scripts, icon."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.responses import Response

from vecloom.serve.page.rendering import HEADERS
from vecloom.serve.problems import Problem

ASSETS = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "theme.js": "text/javascript",
    "map.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


def asset(name: str) -> Response:
    """A file of the page.

    Raises:
        Problem: 404, there is none of this name.
    """
    if name not in ASSETS:
        raise Problem(404, f"There is no file {name!r} here.")
    kept = {**HEADERS, "Cache-Control": "public, max-age=3600"}
    return Response(_read(name), media_type=ASSETS[name], headers=kept)


@cache
def _read(name: str) -> bytes:
    return files("vecloom.serve.page").joinpath("assets", name).read_bytes()
