"""How often forms may be sent: a bucket of tokens for each reader or address, filled again as time goes by."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from vecloom.serve.problems import overloaded

MOST_KNOWN = 20_000  # buckets; the one that was used longest ago is forgotten, and is full by then


class Pace:
    """At most ``burst`` at once, and ``burst`` in each ``seconds`` after that.

    Args:
        burst: size of a bucket.
        seconds: in which an empty one fills.
        clock: in seconds.
    """

    def __init__(self, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._rate, self._clock = burst, burst / seconds, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str) -> None:
        """Count one.

        Raises:
            Problem: 429, there were too many; ``Retry-After`` says when the next may come.
        """
        with self._lock:
            now = self._clock()
            left, since = self._buckets.pop(who, (float(self._burst), now))
            left = min(self._burst, left + (now - since) * self._rate)
            self._buckets[who] = (max(left - 1, 0) if left >= 1 else left, now)
            if len(self._buckets) > MOST_KNOWN:
                self._buckets.popitem(last=False)
        if left < 1:
            raise overloaded(math.ceil((1 - left) / self._rate))
