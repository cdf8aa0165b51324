"""The process: a socket, uvicorn, and an orderly end.

On SIGTERM or SIGINT no new connection is taken, ``/ready`` says 503 on those that are open, and requests that have come are
answered (for ``drain_seconds`` at most) before the process ends.
"""

from __future__ import annotations

import errno
import gc
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from vecloom.errors import OutputError, UsageError
from vecloom.serve import logs
from vecloom.serve.app import create_app
from vecloom.serve.settings import Settings
from vecloom.serve.state import State

BACKLOG = 2048  # connections that the system keeps while all are busy
KEEP_ALIVE = (
    75  # seconds that an idle connection is kept: longer than a proxy in front keeps its own, which is 60 in nginx
)
SWITCH_INTERVAL = 0.001  # seconds; Python's own 0.005 lets the network wait for the event loop


class Server(uvicorn.Server):
    """uvicorn, which tells the state that the end has come."""

    def __init__(self, config: uvicorn.Config, state: State, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._state, self._started = state, started

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See ``uvicorn.Server``; a second signal ends at once."""
        self._state.draining = True
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See ``uvicorn.Server``, which at its end would die of the signal that it obeyed; here that is a good end."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See ``uvicorn.Server``."""
        await super().startup(sockets)
        if self.started:
            self._started()


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
        raise UsageError(f"There is no address {settings.host!r}.", "Give one of this machine with --host.") from error
    except PermissionError as error:
        raise OutputError(f"Port {settings.port} may not be used.", "Choose one above 1023 with --port.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            told = f"Port {settings.port} of {settings.host} is taken."
            raise UsageError(told, "Choose another one with --port, or 0 for any that is free.") from error
        raise UsageError(f"{settings.host} is not an address of this machine.", "Choose another --host.") from error


def serve(state: State, settings: Settings, sock: socket.socket, started: Callable[[], None]) -> None:
    """Answer requests until a signal comes.

    Args:
        state: loaded.
        settings: of the server.
        sock: listening.
        started: called once requests are answered.
    """
    logs.configure(texts=settings.log_texts)
    config = uvicorn.Config(
        create_app(state, settings),
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.drain_seconds,
        ws="none",
        lifespan="on",
    )
    gc.collect()
    gc.freeze()  # what was loaded stays: looking through it again and again would hold up requests
    sys.setswitchinterval(SWITCH_INTERVAL)
    Server(config, state, started).run(sockets=[sock])
