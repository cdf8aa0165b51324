"""Check the values of a method's options."""

from __future__ import annotations

from collections.abc import Sequence

from vecloom.errors import UsageError


def one_of(name: str, value: object, allowed: Sequence[str]) -> str:
    """The value, where it is one of those allowed.

    Raises:
        UsageError: it is not.
    """
    if value not in allowed:
        raise UsageError(f"{name}={value} is not possible.", f"Use {' or '.join(allowed)}.")
    return str(value)


def whole(name: str, value: object, least: int = 1) -> int:
    """The value, where it is a whole number and large enough.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name}={value} is not possible.", f"Use a whole number of {least} or more.")
    return value


def number(name: str, value: object, above: float = 0.0) -> float:
    """The value, where it is a number above a bound.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > above:
        raise UsageError(f"{name}={value} is not possible.", f"Use a number above {above:g}.")
    return float(value)


def switch(name: str, value: object) -> bool:
    """The value, where it is true or false.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name}={value} is not possible.", "Use true or false.")
    return value
