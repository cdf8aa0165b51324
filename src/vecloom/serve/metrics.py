"""Counters, gauges and histograms, and their page in Prometheus' text format (version 0.0.4).

Names are those of text-embeddings-inference (``te_request_count``, ``te_queue_size``, ...) where they mean the same, so that its
dashboards carry over. Its counters have no ``_total`` ending, which the official Python client would add; that, and its cost
per observation, is why these hundred lines are here instead.

Values are changed from the event loop and from worker threads. Each change is a few dictionary operations under one lock per
instrument; a page is a copy under the same lock, so a histogram's buckets, sum and count always agree.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SECONDS = tuple(round(0.0005 * 2**step, 7) for step in range(18))  # 0.5 ms to 65 s
POWERS = tuple(float(2**step) for step in range(13))  # batch sizes, as TEI has them
TOKENS = tuple(float(2**step) for step in range(21))  # tokens of a batch, as TEI has them

Labels = tuple[str, ...]


class Instrument:
    """What all kinds have: a name, a sentence, label names."""

    kind = "untyped"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help_text, tuple(labels)
        self._lock = threading.Lock()

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """Name, labels as written between braces, value."""
        raise NotImplementedError

    def page(self) -> str:
        """Its part of the page."""
        lines = [f"# HELP {self.name} {_escaped(self.help, quote=False)}", f"# TYPE {self.name} {self.kind}"]
        lines += [f"{name}{labels} {_number(value)}" for name, labels, value in self.samples()]
        return "\n".join(lines)


class Counter(Instrument):
    """Only ever grows."""

    kind = "counter"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, labels)
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, amount: float = 1, *labels: str) -> None:
        """Add to the value of these label values."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0.0) + amount

    def value(self, *labels: str) -> float:
        """The value now."""
        return self._values.get(labels, 0.0)

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """One for each set of label values."""
        with self._lock:
            values = dict(self._values)
        for labels, value in values.items():
            yield self.name, _braced(self.labels, labels), value


class Gauge(Instrument):
    """Goes up and down: set, or asked when the page is made."""

    kind = "gauge"

    def __init__(self, name: str, help_text: str, ask: Callable[[], float] | None = None) -> None:
        super().__init__(name, help_text)
        self._value, self._ask = 0.0, ask

    def set(self, value: float) -> None:
        """Replace the value."""
        self._value = value

    def add(self, amount: float) -> None:
        """Change the value."""
        with self._lock:
            self._value += amount

    def value(self) -> float:
        """The value now."""
        return self._value if self._ask is None else self._ask()

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """The value."""
        yield self.name, "", self.value()


class Histogram(Instrument):
    """How values are spread: for each bound, how many were at most that."""

    kind = "histogram"

    def __init__(self, name: str, help_text: str, bounds: Sequence[float], labels: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, labels)
        self.bounds = tuple(bounds)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        if not labels:
            self._counts[()], self._sums[()] = [0] * (len(self.bounds) + 1), 0.0

    def observe(self, value: float, *labels: str) -> None:
        """Take in one value."""
        place = bisect_left(self.bounds, value)
        with self._lock:
            counts = self._counts.get(labels)
            if counts is None:
                counts = self._counts[labels] = [0] * (len(self.bounds) + 1)
            counts[place] += 1
            self._sums[labels] = self._sums.get(labels, 0.0) + value

    def count(self, *labels: str) -> int:
        """How many values were taken in."""
        return sum(self._counts.get(labels, ()))

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """Buckets (each holds those below it), sum and count."""
        with self._lock:
            state = [(labels, list(counts), self._sums[labels]) for labels, counts in self._counts.items()]
        for labels, counts, total in state:
            below = 0
            for bound, count in zip((*self.bounds, math.inf), counts, strict=True):
                below += count
                yield f"{self.name}_bucket", _braced((*self.labels, "le"), (*labels, _number(bound))), below
            yield f"{self.name}_sum", _braced(self.labels, labels), total
            yield f"{self.name}_count", _braced(self.labels, labels), below


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def _escaped(text: str, *, quote: bool = True) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text


def _braced(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{','.join(pairs)}}}"


class Metrics:
    """All instruments of one server. Labels hold routes, states and key names, never anything that a client wrote."""

    def __init__(self) -> None:
        count, histogram = Counter, Histogram
        self.requests = count("te_request_count", "Requests for inference.", ["method"])
        self.succeeded = count("te_request_success", "Requests for inference that were answered.", ["method"])
        self.failed = count("te_request_failure", "Requests for inference that were not, by reason.", ["err"])
        self.duration = histogram("te_request_duration", "Seconds from a request to its answer.", SECONDS)
        self.tokenizing = histogram("te_request_tokenization_duration", "Seconds of tokenising a request.", SECONDS)
        self.queueing = histogram("te_request_queue_duration", "Seconds that a request waited in the queue.", SECONDS)
        self.inference = histogram("te_request_inference_duration", "Seconds of the model for a request.", SECONDS)
        self.input_length = histogram("te_request_input_length", "Tokens of a text.", TOKENS)
        self.batch_size = histogram("te_batch_next_size", "Texts of a batch.", POWERS)
        self.batch_tokens = histogram("te_batch_next_tokens", "Tokens of a batch.", TOKENS)
        self.queue_size = Gauge("te_queue_size", "Texts that wait for the model.")
        self.tokens = count("vecloom_tokens", "Tokens that models have read.")
        self.cache_hits = count("vecloom_cache_hits", "Texts whose vector was known already.", ["where"])
        self.cache_misses = count("vecloom_cache_misses", "Texts that had to be computed.")
        self.http = count("vecloom_http_requests", "Requests of every kind.", ["method", "route", "status"])
        self.http_duration = histogram(
            "vecloom_http_duration_seconds", "Seconds from the first byte in to the last byte out.", SECONDS, ["route"]
        )
        self.http_open = Gauge("vecloom_http_open", "Requests that are being answered.")
        self.searches = count("vecloom_searches", "Searches.", ["index", "mode"])
        self.search_duration = histogram("vecloom_search_seconds", "Seconds in the index for a search.", SECONDS)
        self.written = count("vecloom_documents_written", "Documents added, replaced or deleted.", ["index", "what"])

    def page(self) -> str:
        """The whole page."""
        return "\n".join(each.page() for each in vars(self).values() if isinstance(each, Instrument)) + "\n"
