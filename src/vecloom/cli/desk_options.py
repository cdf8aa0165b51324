"""What the verbs of the desk share: where the desk is, and the indexes it stands on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from vecloom.desk.items import Library
    from vecloom.desk.state import Desk

F = TypeVar("F", bound=Callable[..., Any])


def desk_option(function: F) -> F:
    """Add ``--desk``."""
    told = "The desk's database.  [default: desk.sqlite beside the index]"
    return click.option("--desk", "desk_path", metavar="FILE", help=told)(function)


def opened(
    indexes: Sequence[str], desk_path: str | None, *, in_step: bool = True, **model: Any
) -> tuple[Desk, Library]:
    """The desk and its indexes; models are loaded when a question needs one.

    Args:
        indexes: their folders.
        desk_path: the desk's file; None: beside the first index.
        in_step: take over what the indexes have gained; False where what is called does so.
        model: how to load models.

    Raises:
        UsageError: two indexes have one name.
    """
    from vecloom.desk.items import sync
    from vecloom.desk.sources import IndexSource, name_of
    from vecloom.desk.state import Desk, beside
    from vecloom.errors import UsageError

    def load(name: str) -> Any:
        from vecloom import load

        return load(name, **model)

    names = list(map(name_of, indexes))
    if len(set(names)) < len(names):
        raise UsageError(
            "Two of the indexes have one name.", "The desk knows an index by its folder's name; rename one."
        )
    library = {name: IndexSource.open(path, load) for name, path in zip(names, indexes, strict=True)}
    desk = Desk(desk_path or beside(indexes[0]))
    if in_step:
        sync(desk, library, now())
    return desk, library


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())
