"""The indexes of a server: asked and changed in worker threads, with a bound on how many wait.

An index is asked through one ``Index`` by many threads, and changed through a second one by one thread at a time: a reader
moves its ``Index`` to the newest commit, which must not happen to a writer half way through its own. Each query is answered
from one commit, so a search never sees half a change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
from anyio import to_thread

from vecloom.search import Index
from vecloom.serve.problems import Problem, overloaded
from vecloom.serve.tracing import part

READERS = 32  # threads; most of their time they wait for the model, which takes what they ask together
WRITE_SECONDS = 2  # what a client is told to wait for where too many wait already

T = TypeVar("T")


@dataclass
class Book:
    """One index.

    Attributes:
        name: in paths.
        index: is asked.
        writing: lets one change through at a time, in the order in which they came.
        writer: is changed; opened with the first change.
    """

    name: str
    index: Index
    writing: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))
    writer: Index | None = None

    def changed(self, change: Callable[[Index], T]) -> T:
        """Make a change; runs in the writer's thread."""
        if self.writer is None:
            self.writer = self.index.again()
        return change(self.writer)


class Shelf:
    """All indexes of a server.

    Args:
        indexes: by name.
        most_asking: requests that may wait for a reader's thread.
        most_writing: changes of one index that may wait for the one that is made.
    """

    def __init__(self, indexes: Mapping[str, Index], *, most_asking: int, most_writing: int) -> None:
        self.books = {name: Book(name, index) for name, index in indexes.items()}
        self._most_asking, self._most_writing = most_asking, most_writing
        self._readers = anyio.CapacityLimiter(READERS)
        self._closed = threading.Event()

    def close(self) -> None:
        """Have changes that go on end at their next document; what they committed stays."""
        self._closed.set()

    def until_closed(self, items: Iterable[T]) -> Iterator[T]:
        """Items for ``Index.add``.

        Raises:
            Problem: 503, when the shelf is closed before the last one.
        """
        for item in items:
            if self._closed.is_set():
                raise Problem(
                    503, "The server is stopping; documents of finished batches are kept. Send all of them again."
                )
            yield item

    def book(self, name: str) -> Book:
        """An index by its name.

        Raises:
            Problem: 404, there is none of this name.
        """
        if name not in self.books:
            known = f"there is {', '.join(self.books)}" if self.books else "the server was started without -i INDEX"
            raise Problem(404, f"There is no index {name!r} here; {known}.", code="index_not_found", param="name")
        return self.books[name]

    async def ask(self, name: str, question: Callable[[Index], T]) -> T:
        """Ask an index in a reader's thread.

        Raises:
            Problem: 404, no such index; 429, too many wait.
        """
        book = self.book(name)
        if self._readers.statistics().tasks_waiting >= self._most_asking:
            raise overloaded(1)
        with part("ask index", index=name):
            return await to_thread.run_sync(question, book.index, limiter=self._readers)

    async def change(self, name: str, change: Callable[[Index], T]) -> T:
        """Change an index, after the changes that came before; it goes on where the client leaves.

        Raises:
            Problem: 404, no such index; 429, too many wait.
        """
        book = self.book(name)
        if book.writing.statistics().tasks_waiting >= self._most_writing:
            raise overloaded(WRITE_SECONDS)
        with part("change index", index=name):
            return await to_thread.run_sync(book.changed, change, limiter=book.writing)
