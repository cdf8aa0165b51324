"""What a server may be told: addresses, limits, doors. One frozen object, shown in ``/info`` and in the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vecloom.errors import UsageError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MEGABYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a server; the defaults are safe and need no configuration.

    Attributes:
        host: address to listen on; anything but the loopback needs ``key_file`` or ``insecure``.
        port: TCP port; 0 lets the system choose.
        key_file: API keys (``vecloom.serve.keys``); None: no keys are asked for.
        insecure: listen to the network without keys all the same.
        cors_origins: web origins whose pages may call the server; none by default.
        allowed_hosts: names that ``Host`` may have beside ``localhost`` and loopback addresses. Empty: no others without
            keys on the loopback, any name otherwise.
        desk: the reading room's database (extra ``[desk]``); None: there is no reading room.
        multi_user: readers of the desk log in by links in mails, and pages are open to everybody; needs ``desk``, and keys for
            the APIs.
        allowed_readers: addresses and domains of those who may log in with ``multi_user``; empty: anybody who can read mail.
        log_texts: let what clients wrote into the logs.
        tracing: send OpenTelemetry traces (extra ``[otel]``).
        max_body_bytes: longest request body.
        max_texts: most texts of one request. TEI calls it ``max_client_batch_size``.
        max_text_characters: longest text; a text may be cut by the model long before.
        max_concurrent_requests: requests for inference that are answered or wait at a time; more get 429.
        max_queue_tokens: tokens that may wait for a model; a request that does not fit gets 429. One request alone always fits.
        max_waiting_writes: changes of one index that may wait for the one that is being made; more get 429.
        max_batch_tokens: tokens that are handed to a model at a time, over all requests. Smaller answers short requests sooner
            while long ones run; larger computes a little faster.
        cache_bytes: memory for vectors of short texts that were asked for lately; 0 switches it off.
        drain_seconds: how long open requests may go on after SIGTERM.
        client_seconds: how long a client may take for the head of a request, for the first of its body (which has to come at 500
            bytes a second then), and without taking anything of its answer.
        keep_alive_seconds: how long a connection is kept after an answer. Longer than a proxy in front keeps its own, which is
            60 in nginx.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    key_file: Path | None = None
    insecure: bool = False
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    desk: Path | None = None
    multi_user: bool = False
    allowed_readers: tuple[str, ...] = ()
    log_texts: bool = False
    tracing: bool = False
    max_body_bytes: int = 64 * MEGABYTE
    max_texts: int = 16_384
    max_text_characters: int = 1_000_000
    max_concurrent_requests: int = 512
    max_queue_tokens: int = 4 * MEGABYTE
    max_waiting_writes: int = 32
    max_batch_tokens: int = 512
    cache_bytes: int = 32 * MEGABYTE
    drain_seconds: int = 30
    client_seconds: int = 30
    keep_alive_seconds: int = 75

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: a limit is not positive, or the network or readers are let in without keys.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("max_") and value < 1:
                raise UsageError(f"{field.name}={value} is not possible.", "Use 1 or more.")
        if self.cache_bytes < 0 or self.drain_seconds < 0:
            raise UsageError("cache_bytes and drain_seconds cannot be negative.", "Use 0 or more.")
        if self.client_seconds < 1 or self.keep_alive_seconds < 1:
            raise UsageError("client_seconds and keep_alive_seconds have to be positive.", "Use 1 or more.")
        if self.multi_user and self.desk is None:
            raise UsageError("Only readers of a desk log in.", "Give --desk too.")
        if self.allowed_readers and not self.multi_user:
            raise UsageError("An allow-list of readers needs readers who log in.", "Give --multi-user too.")
        if self.multi_user and self.key_file is None and not self.insecure:
            raise UsageError(
                "Without keys every reader could change the indexes.",
                "Make a key file and give it with --keys, or say --insecure.",
            )
        if self.host not in LOOPBACK and self.key_file is None and not self.insecure:
            raise UsageError(
                f"Listening on {self.host} without keys would let everybody on the network in.",
                "Make a key file and give it with --keys, or say --insecure.",
            )

    def limits(self) -> dict[str, Any]:
        """The limits by name, as ``/info`` shows them."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name.startswith("max_")}
