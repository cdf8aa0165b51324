"""Which text is computed next: a fair queue over requests.

A request's texts are a ``Job``. The queue hands out micro-batches of a token budget, over all jobs:

- A job that just came gets one quantum of tokens before any job that has had its quantum (the new flows of FQ-CoDel, RFC 8290,
  section 4.2). So a short request waits for what runs and for the short requests before it, never for the rest of a long one.
- What is left of long jobs takes turns by deficit round robin (Shreedhar and Varghese 1995): over any span, two waiting jobs get
  the same tokens, up to two quanta and a text.
- Where both kinds wait, every other micro-batch is of the one kind and every other of the other: a flood of short requests cannot
  stop a long one, and a short one does not share its micro-batch with a long one, which would make it slower.

Bounds, in micro-batches of budget B: a job of at most one quantum with F tokens of new jobs before it is wholly handed out after
2 ceil(F / (B - T)) + 2, T the longest text's tokens; while long jobs wait, at least every other micro-batch is theirs.

Equal texts of several jobs are one ``Item``: computed when the first of these jobs has its turn, given to all. Not thread-safe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Any

QUANTUM_SHARE = 4  # a quantum is this part of a micro-batch: several jobs share one


class Item:
    """One text that waits or is computed.

    Attributes:
        key: equal for texts that get equal vectors.
        cost: tokens.
        payload: what computes takes.
        waiters: the jobs that want it, and the place in each.
        taken: it was handed out, or nobody wants it any more.
    """

    __slots__ = ("cost", "key", "payload", "taken", "waiters")

    def __init__(self, key: Hashable, cost: int, payload: Any) -> None:
        self.key, self.cost, self.payload = key, cost, payload
        self.waiters: list[tuple[Job, int]] = []
        self.taken = False


class Job:
    """The texts of one request that are not computed yet.

    Attributes:
        items: in the order in which they are handed out; some may have been taken for another job.
        deficit: tokens that it may still be given in this round.
    """

    __slots__ = ("credited", "deficit", "items")

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.deficit = 0
        self.credited = False

    def head(self) -> Item | None:
        """The next item that nobody has taken."""
        while self.items and self.items[0].taken:
            self.items.popleft()
        return self.items[0] if self.items else None


class FairQueue:
    """Jobs that wait.

    Args:
        budget: tokens of a micro-batch; a longer text is one by itself.

    Attributes:
        tokens: of all items that wait.
        texts: how many items wait.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.quantum = max(1, budget // QUANTUM_SHARE)
        self.tokens = self.texts = 0
        self._known: dict[Hashable, Item] = {}  # what waits or is computed
        self._new: deque[Job] = deque()
        self._old: deque[Job] = deque()
        self._turn_of_old = False

    def missing(self, keys: Iterable[Hashable], costs: Iterable[int]) -> int:
        """Tokens that a job of these texts would add to the queue."""
        return sum(cost for key, cost in zip(keys, costs, strict=True) if key not in self._known)

    def add(self, job: Job, texts: Iterable[tuple[Hashable, int, Any]]) -> int:
        """Let a job wait for its texts: key, cost and payload of each, places counted from 0.

        Returns:
            How many of them another job waits for already.
        """
        shared = 0
        for place, (key, cost, payload) in enumerate(texts):
            item = self._known.get(key)
            if item is None:
                item = self._known[key] = Item(key, cost, payload)
                self.tokens += cost
                self.texts += 1
            else:
                shared += 1
            item.waiters.append((job, place))
            if not item.taken:
                job.items.append(item)
        if job.items:
            self._new.append(job)
        return shared

    def drop(self, job: Job) -> None:
        """Forget a job. What only it wanted is not computed, unless it is being computed now."""
        for line in (self._new, self._old):
            if job in line:
                line.remove(job)
        for item in job.items:
            if item.taken:
                continue
            item.waiters = [waiter for waiter in item.waiters if waiter[0] is not job]
            if not item.waiters:
                self._hand_out(item)
                del self._known[item.key]
        job.items.clear()

    def done(self, items: Iterable[Item]) -> None:
        """These were computed, or failed: an equal text that comes later is a new one."""
        for item in items:
            self._known.pop(item.key, None)

    def take(self) -> list[Item]:
        """The next micro-batch, within the budget unless its first text is longer; empty if nothing waits."""
        taken: list[Item] = []
        room = self.budget
        if self._turn_of_old or not self._new:
            room = self._take(self._old, room, taken)
        if not taken:
            self._take(self._new, room, taken)
            if not taken:  # the first texts of all new jobs are above a quantum
                self._take(self._old, room, taken)
            self._turn_of_old = True
        else:
            self._turn_of_old = False
        return taken

    def _take(self, line: deque[Job], room: int, taken: list[Item]) -> int:
        """A quantum for each job in a line, round and round while there is room; returns the room that is left.

        Who has had his quantum goes to the end of the old jobs. The last round of new jobs is their only one.
        """
        while line and room > 0:
            job = line[0]
            if job.head() is None:
                line.popleft()
                continue
            if not job.credited:
                job.deficit, job.credited = job.deficit + self.quantum, True
            room, full = self._serve(job, room, taken)
            if full:
                break
            line.popleft()
            if job.head() is not None:
                job.credited = False
                self._old.append(job)
        return room

    def _serve(self, job: Job, room: int, taken: list[Item]) -> tuple[int, bool]:
        """Hand out what a job's deficit allows: the room that is left, and whether room was what ended it."""
        while (item := job.head()) is not None and item.cost <= job.deficit:
            if item.cost > room and taken:
                return room, True
            job.items.popleft()
            job.deficit -= item.cost
            room -= item.cost
            self._hand_out(item)
            taken.append(item)
            if room <= 0 and job.head() is not None:
                return room, True
        return room, False

    def _hand_out(self, item: Item) -> None:
        item.taken = True
        self.tokens -= item.cost
        self.texts -= 1
