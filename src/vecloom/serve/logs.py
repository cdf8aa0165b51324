"""Logs: one JSON object a line, and nothing in it that a client wrote unless that was asked for.

What clients send (texts, queries, filters, document ids, paths that hold them) turns up in error messages and tracebacks of any
library. So, unless ``texts`` is set: an exception is logged by its type and the places in the code it passed, without its
message; a line of another library by its logger's name and place, without its message; a request by its route
(``/v1/indexes/{name}/search``), not by its path.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

REQUEST_ID: ContextVar[str | None] = ContextVar("vecloom_request_id", default=None)
"""Id of the request that is being answered; every line written meanwhile carries it."""

OWN = ("vecloom.", "uvicorn.error", "opentelemetry.")
"""Loggers whose messages hold nothing that a client wrote; all others are withheld."""

# From a plain record: what else is on one was handed over as ``extra``.
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: ``time``, ``level``, ``logger``, ``message``, ``request_id`` and what came as ``extra``."""

    def __init__(self, *, texts: bool = False) -> None:
        super().__init__()
        self.texts = texts

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if self.texts or record.name.startswith(OWN):
            line["message"] = record.getMessage()
        else:
            line["at"] = f"{record.filename}:{record.lineno}"
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self._error(record.exc_info[1], record.exc_info[2])
        return json.dumps(line, ensure_ascii=True, default=_unknown)

    def _error(self, error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
        told: dict[str, Any] = {"type": type(error).__name__, "at": places(trace)}
        if self.texts:
            told["message"] = str(error)
        cause = error.__cause__ or error.__context__
        if cause is not None:
            told["cause"] = {"type": type(cause).__name__, "at": places(cause.__traceback__)}
        return told


def places(trace: TracebackType | None) -> list[str]:
    """Where an exception passed: ``file:line in function``, outermost first."""
    return [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(trace)]


def _unknown(value: object) -> str:
    """For what is not JSON: its type, since ``repr`` may hold anything."""
    return f"<{type(value).__name__}>"


def configure(*, texts: bool = False, level: int = logging.INFO, stream: TextIO | None = None) -> logging.Handler:
    """Have everything that logs in this process write JSON lines.

    Args:
        texts: let messages through that may hold what clients wrote.
        level: for vecloom's and uvicorn's own lines; other libraries are heard from warnings on.
        stream: standard error by default.

    Returns:
        The handler; ``remove`` takes it away again.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(texts=texts))
    logging.raiseExceptions = False  # a line that cannot be written must not print its arguments
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("vecloom", "uvicorn"):
        logging.getLogger(name).setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # it writes paths; ``observe`` writes routes
    logging.captureWarnings(True)
    return handler
