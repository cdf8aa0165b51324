"""The process: a socket, uvicorn, and an orderly end.

The port answers at once, and says 503 until models are loaded (``opening``). On SIGTERM or SIGINT no new connection is taken,
``/ready`` says 503 on those that are open, and requests that have come are answered (for ``drain_seconds`` at most) before the
process ends.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from vecloom.errors import OutputError, UsageError
from vecloom.serve import logs
from vecloom.serve.app import create_app
from vecloom.serve.opening import Opening
from vecloom.serve.patience import patient
from vecloom.serve.settings import Settings
from vecloom.serve.state import State

if TYPE_CHECKING:
    from fastapi import FastAPI

BACKLOG = 2048  # connections that the system keeps while all are busy
SWITCH_INTERVAL = 0.001  # seconds; Python's own 0.005 lets the network wait for the event loop


class Server(uvicorn.Server):
    """uvicorn, which tells the state that the end has come.

    Attributes:
        state: what is served; None while it loads.
    """

    state: State | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See ``uvicorn.Server``; a second signal ends at once."""
        if self.state is not None:
            self.state.draining = True
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See ``uvicorn.Server``, which at its end would die of the signal that it obeyed; here that is a good end."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def listen(settings: Settings) -> socket.socket:
    """A socket at the server's address.

    Raises:
        UsageError: the address is not one of this machine, or the port is taken.
        OutputError: the system refuses for another reason.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        raise UsageError(
            f"The address {settings.host!r} is not known.", "Give one of this machine with --host."
        ) from error
    except PermissionError as error:
        raise OutputError(f"Port {settings.port} may not be used.", "Choose one above 1023 with --port.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            told = f"Port {settings.port} of {settings.host} is taken."
            raise UsageError(told, "Choose another one with --port, or 0 for any that is free.") from error
        raise UsageError(f"{settings.host} is not an address of this machine.", "Choose another --host.") from error


def serve(load: Callable[[], State], settings: Settings, sock: socket.socket, started: Callable[[State], None]) -> None:
    """Answer requests until a signal comes.

    Args:
        load: opens what is served; called in a thread, while the port already answers.
        settings: of the server.
        sock: listening.
        started: called once requests are answered.

    Raises:
        VecloomError: whatever ``load`` raises.
    """
    logs.configure(texts=settings.log_texts)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # until it serves: an error while loading is told alone

    def make() -> FastAPI:
        state = server.state = load()
        app = create_app(state, settings)
        gc.collect()
        gc.freeze()  # what was loaded stays: looking through it again and again would hold up requests
        return app

    def opened() -> None:
        sys.setswitchinterval(SWITCH_INTERVAL)
        logging.getLogger("uvicorn").setLevel(logging.INFO)
        assert server.state is not None
        started(server.state)

    opening = Opening(make, opened, lambda: setattr(server, "should_exit", True))
    server = Server(_config(opening, settings))
    server.run(sockets=[sock])
    if opening.error is not None:
        raise opening.error
    if opening.loading:
        _leave()


def _config(app: Opening, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        server_header=False,
        http=patient(settings.client_seconds),
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.drain_seconds,
        ws="none",
        lifespan="on",
    )


def _leave() -> None:
    """End the process beside a thread that loads: nothing can interrupt it, and taking Python down under it would crash."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
