"""When a digest is due: the period that a moment lies in, by the reader's clock.

A daily period begins at ``hour`` of each local day, a weekly one at ``hour`` of each local Monday. Its key is the date or the
ISO week in which it began: "2026-11-23", "2026-W48". An hour that a clock change skips counts from when the clocks have
jumped; one that comes twice counts the first time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from vecloom.errors import UsageError

Period: TypeAlias = Literal["daily", "weekly"]
DAYS: dict[Period, int] = {"daily": 1, "weekly": 7}


@dataclass(frozen=True)
class Span:
    """A period: its key, and its first second and that of the next one."""

    key: str
    start: int
    end: int


def zone(name: str) -> ZoneInfo:
    """A time zone by its name in the IANA data base.

    Raises:
        UsageError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"There is no time zone {name!r}.", "Name one as in Europe/Berlin or UTC.") from error


def current(period: Period, hour: int, timezone: str, now: int) -> Span:
    """The period that ``now`` lies in."""
    where = zone(timezone)
    local = datetime.fromtimestamp(now, where)
    day = local.date()
    if period == "weekly":
        day -= timedelta(days=day.weekday())
    step = timedelta(days=DAYS[period])
    if _starts(day, hour, where) > now:
        day -= step
    elif _starts(day + step, hour, where) <= now:
        day += step
    year, week, _ = day.isocalendar()
    key = day.isoformat() if period == "daily" else f"{year}-W{week:02}"
    return Span(key, _starts(day, hour, where), _starts(day + step, hour, where))


def _starts(day: object, hour: int, where: ZoneInfo) -> int:
    local = datetime.fromisoformat(f"{day}T{hour:02}:00:00").replace(tzinfo=where)
    return int(local.astimezone(UTC).timestamp())
