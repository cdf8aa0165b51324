"""Sends what the room writes, confirmation and login mails, soon: one thread, which tries again where the server is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from vecloom.desk import Desk, Sender, Smtp, SmtpSettings, digests
from vecloom.errors import VecloomError

PAUSES = (0.0, 2.0, 10.0, 60.0, 300.0)  # seconds before each attempt; a login link holds 15 minutes

log = logging.getLogger("vecloom.serve")


class Post:
    """The way from the desk's outbox to the mail server.

    Args:
        desk: whose outbox.
        sender: who sends.
        settings: of the mail server.
        now: seconds since 1970.
        pauses: before each attempt.
    """

    def __init__(
        self,
        desk: Desk,
        sender: Sender,
        settings: SmtpSettings,
        now: Callable[[], int],
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self.sender = sender
        self._desk, self._settings, self._now, self._pauses = desk, settings, now, pauses
        self._worker = ThreadPoolExecutor(1, "vecloom-post")
        self._closed = threading.Event()

    def send_soon(self) -> None:
        """Send what waits; returns at once."""
        self._worker.submit(self._send)

    def close(self) -> None:
        """End; what waits is sent by the next server, or by ``vecloom digest --send``."""
        self._closed.set()
        self._worker.shutdown(cancel_futures=True)

    def _send(self) -> None:
        for pause in self._pauses:
            if self._closed.wait(pause):
                return
            try:
                report = digests.outbox(self._desk, Smtp(self._settings, self.sender.address), self._now())
            except VecloomError as error:
                log.warning("mails wait: %s", error)
            except Exception:
                log.exception("mails wait")
            else:
                if not report.later:
                    return
