"""What every request passes on its way in, the outermost first."""

from __future__ import annotations

from starlette.middleware import Middleware

from vecloom.serve.gate import KeyGate
from vecloom.serve.head import Head
from vecloom.serve.limits import BodyLimit
from vecloom.serve.observe import Observe
from vecloom.serve.origins import Origins, checked
from vecloom.serve.page.errors import refuse
from vecloom.serve.settings import LOOPBACK, Settings
from vecloom.serve.state import State


def stack(state: State, settings: Settings) -> list[Middleware]:
    """The middlewares of a server, the outermost first.

    What is refused is seen and counted, so ``Observe`` comes first. What follows ``Head`` answers HEAD as it answers GET. A
    browser's preflight carries no key, so origins come before keys. A body is not read before all others agreed.
    """
    seen = Middleware(Observe, state.metrics, refuse, texts=settings.log_texts, tracing=state.tracing)
    origins = checked(settings.cors_origins)
    layers = [seen, Middleware(Head), Middleware(Origins, origins, names(state, settings), refuse)]
    if state.keys is not None:
        layers.append(Middleware(KeyGate, state.keys, refuse, public_pages=settings.multi_user))
    return [*layers, Middleware(BodyLimit, settings.max_body_bytes, refuse)]


def names(state: State, settings: Settings) -> tuple[str, ...] | None:
    """Host names that a request may use beside those of this machine; None: any.

    With keys a page that came by DNS rebinding gets no further, and who listens to the network with ``insecure`` wants
    everybody.
    """
    if settings.allowed_hosts:
        return settings.allowed_hosts
    return () if state.keys is None and settings.host in LOOPBACK else None
