"""One HTTP request that does not give up early: waiting, repeating, and pacing. On httpx.

Repeated are answers 408, 409, 425, 429 and 5xx, and everything that goes wrong on the way (refused, cut, timed out).
The wait before repetition k is ``first_wait * 2**k`` times a random factor between 0.5 and 1 (so that many clients do
not come back at once), or what the server's Retry-After says where that is longer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from vecloom.errors import RemoteError

if TYPE_CHECKING:
    import httpx

REPEATED = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
LONGEST_WAIT = 120.0  # seconds; a server that asks for more is not waited for


class RefusedError(RemoteError):
    """The endpoint answered with an error that repeating does not cure.

    Attributes:
        status: HTTP status code.
    """

    def __init__(self, status: int, what: str, todo: str) -> None:
        super().__init__(what, todo)
        self.status = status


class Pace:
    """Lets requests start at most ``per_minute`` times a minute, evenly spaced, over all threads.

    Args:
        per_minute: None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = Lock()

    def reserve(self, now: float) -> float:
        """Take the next start; returns how many seconds to wait for it."""
        with self._lock:
            start = max(now, self._next)
            self._next = start + self._gap
            return start - now

    def hold(self, until: float) -> None:
        """Let nothing start before this moment."""
        with self._lock:
            self._next = max(self._next, until)


def backoff(attempt: int, first_wait: float, asked: float, factor: float) -> float:
    """Seconds before the next try, ``attempt`` counting from 0 and ``factor`` random between 0.5 and 1."""
    return max(min(first_wait * 2.0**attempt, LONGEST_WAIT) * factor, asked)


def retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Seconds that the server asks to wait (a number or an HTTP date), 0 where it does not."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0


class Caller:
    """POSTs JSON to one address, with retries; safe to use from several threads.

    Args:
        url: where to.
        key: sent as a bearer token; it appears in no message.
        key_hint: what to do where the key is refused.
        timeout: seconds for connecting, and for each wait for data.
        tries: how often to try in all.
        first_wait: seconds before the second try.
        pace: shared limit.
    """

    def __init__(
        self, url: str, key: str, key_hint: str, *, timeout: float, tries: int, first_wait: float, pace: Pace
    ) -> None:
        import httpx

        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=timeout)
        self._url = url
        self._hide: Callable[[str], str] = lambda text: text.replace(key, "***") if key else text
        self._key_hint = key_hint
        self._tries = tries
        self._first_wait = first_wait
        self._pace = pace

    def post(self, body: Mapping[str, Any], stop: Event) -> Any:
        """Send ``body``; returns the decoded JSON of the answer.

        Args:
            body: sent as JSON.
            stop: when set, waiting ends and the call fails.

        Raises:
            RefusedError: the endpoint does not accept this request.
            RemoteError: no good answer after all tries, or the answer is not JSON.
        """
        trouble = ""
        for attempt in range(self._tries):
            if stop.wait(self._pace.reserve(time.monotonic())):
                raise RemoteError("The request was stopped because another one failed.")
            trouble, asked, answer = self._try(body)
            if answer is not None:
                return self._decoded(answer)
            if asked > LONGEST_WAIT:
                raise RemoteError(f"{self._url} asks to wait {asked:.0f} s ({trouble}).", "Run the command again then.")
            wait = backoff(attempt, self._first_wait, asked, random.uniform(0.5, 1.0))
            if asked:
                self._pace.hold(time.monotonic() + wait)
            if attempt + 1 < self._tries and stop.wait(wait):
                raise RemoteError("The request was stopped because another one failed.")
        raise RemoteError(
            f"{self._url} gave no answer in {self._tries} tries; the last one: {trouble}.",
            "Check that the endpoint is up and reachable, or allow more tries or a longer timeout.",
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _try(self, body: Mapping[str, Any]) -> tuple[str, float, httpx.Response | None]:
        """One try: what went wrong, how long the server asks to wait, and the answer if it is good."""
        import httpx

        try:
            answer = self._client.post(self._url, json=body)
        except httpx.TransportError as error:
            return self._hide(f"{type(error).__name__} {error}".strip()), 0.0, None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise RemoteError(f"{self._url} is not an address: {error}.", "Correct the endpoint.") from error
        if answer.is_success:
            return "", 0.0, answer
        trouble = f"{answer.status_code} {self._hide(_message(answer))}".strip()
        # a used-up budget also comes as 429, and does not come back by waiting
        if answer.status_code in REPEATED and "insufficient_quota" not in answer.text:
            return trouble, retry_after(answer.headers, datetime.now(UTC)), None
        todo = self._key_hint if answer.status_code in {401, 403} else "Correct the request, the model or the endpoint."
        raise RefusedError(answer.status_code, f"{self._url} refused the request: {trouble}.", todo)

    def _decoded(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            start = self._hide(answer.text[:80])
            raise RemoteError(
                f"{self._url} answered with something that is not JSON: {start!r}.", "Check the endpoint's address."
            ) from error


def _message(answer: httpx.Response) -> str:
    """The server's own words, at most 300 characters."""
    try:
        found = answer.json()
        error = found.get("error", found.get("detail", found))
        text = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        text = answer.text
    return " ".join(str(text).split())[:300].rstrip(".")
