"""What every request passes on its way in, the outermost first."""

from __future__ import annotations

from starlette.middleware import Middleware

from vecloom.serve.settings import Settings
from vecloom.serve.state import State


def stack(state: State, settings: Settings) -> list[Middleware]:
    """The middlewares of a server, the outermost first."""
    return []
