"""What the reading room holds open: the desk, the served indexes under the desk's names, and who sends its mails."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from os import PathLike

from vecloom.desk import Desk, IndexSource, Sender, for_you, readers, sender_settings, smtp_settings, sync, tokens
from vecloom.desk.mail import is_allowed, pattern
from vecloom.desk.sources import name_of
from vecloom.errors import UsageError, VecloomError
from vecloom.search import Index
from vecloom.serve.room.pace import Pace
from vecloom.serve.room.papers import Papers
from vecloom.serve.room.post import Post

FORMS_A_MINUTE = 120  # of one reader or address
LETTERS_AN_HOUR = 30  # asked for from one address; the desk itself sends at most three an hour to one inbox

log = logging.getLogger("vecloom.serve")


def seconds() -> int:
    """Seconds since 1970."""
    return int(time.time())


@dataclass(kw_only=True)
class Room:
    """The reading room of a server.

    Attributes:
        desk: the desk.
        library: the served indexes as the desk knows them: by their folders' names, so that ``vecloom digest`` and the page mean
            the same.
        names: the desk's name of an index by the server's.
        multi_user: readers log in by links in mails; otherwise whoever comes is the one local reader.
        allowed: addresses and domains of those who may log in; empty: anybody.
        post: sends mails, or None where no mail server is set.
        now: the clock.
    """

    desk: Desk
    library: Mapping[str, IndexSource]
    names: Mapping[str, str]
    multi_user: bool = False
    allowed: Sequence[str] = ()
    post: Post | None = None
    now: Callable[[], int] = seconds
    forms: Pace = field(default_factory=lambda: Pace(FORMS_A_MINUTE, 60))
    letters: Pace = field(default_factory=lambda: Pace(LETTERS_AN_HOUR, 3600))
    _syncing: threading.Lock = field(default_factory=threading.Lock)
    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "vecloom-room"))

    @classmethod
    def open(
        cls,
        file: str | PathLike[str],
        indexes: Mapping[str, Index],
        *,
        multi_user: bool = False,
        allowed: Sequence[str] = (),
    ) -> Room:
        """Open the desk, and take over what the indexes hold.

        Args:
            file: the desk's database; made where there is none.
            indexes: by the names under which they are served.
            multi_user: readers log in.
            allowed: addresses and domains of those who may; anybody if there are none.

        Raises:
            UsageError: two indexes have one folder's name, or a setting of the mails is wrong, or missing with
                ``multi_user``.
            DeskError: the file is no desk.
            OutputError: it cannot be made.
        """
        names = {name: name_of(index.path) for name, index in indexes.items()}
        if len(set(names.values())) < len(names):
            raise UsageError(
                "Two of the indexes have one folder's name, by which the desk knows them.", "Rename one of the folders."
            )
        sender = sender_settings() if multi_user else _sender_where_set()
        settings = smtp_settings() if sender else None
        desk = Desk(file)
        library = {names[name]: IndexSource(index) for name, index in indexes.items()}
        post = Post(desk, sender, settings, seconds) if sender and settings else None
        patterns = [pattern(one) for one in allowed]
        room = cls(desk=desk, library=library, names=names, multi_user=multi_user, allowed=patterns, post=post)
        room.in_step()
        with suppress(sqlite3.OperationalError):  # on a full disk pages can be read all the same
            tokens.make(desk, "form", 0, seconds())  # makes the key, so that no page has to
        room._worker.submit(import_module, "sklearn.svm")  # seconds, which no reader should wait for
        return room

    def papers(self, name: str, reader: int | None) -> Papers:
        """A served index as a reader sees it, or as somebody does who did not log in (None)."""
        self.in_step()
        return Papers(self.desk, self.library, self.names[name], reader, self.now(), self.learn)

    def in_step(self) -> None:
        """Take over what the indexes have gained, unless another thread is at it: then the desk is a moment behind."""
        if self._syncing.acquire(blocking=False):
            try:
                sync(self.desk, self.library, self.now())
            except (VecloomError, sqlite3.OperationalError):
                log.exception("the desk is behind the indexes")  # a page that can be shown is shown
            finally:
                self._syncing.release()

    def learn(self, reader: int) -> Future[None]:
        """Compute a reader's lists for them anew where they changed; in the background."""
        return self._worker.submit(self._learn, reader)

    def _learn(self, reader: int) -> None:
        for name in self.library:
            try:
                for_you.refresh(self.desk, self.library, reader, name, self.now())
            except Exception:
                log.exception("a list for a reader could not be computed")

    def served_name(self, desk_name: str) -> str | None:
        """The name under which the server has an index of the desk, or None."""
        return next((name for name, known in self.names.items() if known == desk_name), None)

    def lets_in(self, email: str | None) -> bool:
        """Whether the owner of an address may log in."""
        return is_allowed(email or "", self.allowed)

    def local(self) -> readers.Reader:
        """The one who reads without logging in."""
        return readers.local(self.desk)

    def close(self) -> None:
        """Let the last work end."""
        self._worker.shutdown(cancel_futures=True)
        if self.post is not None:
            self.post.close()
        self.desk.close()


def _sender_where_set() -> Sender | None:
    """Who sends mails; None where nothing is set, an error where it is set half."""
    import os

    wanted = ("VECLOOM_MAIL_FROM", "VECLOOM_BASE_URL")
    return sender_settings() if any(os.environ.get(name) for name in wanted) else None
