"""Before a verb runs: what it would write is none of what it reads.

Parameters that name something to write are known by their names below; whatever else names a file, folder or model is read.
A verb needs no line of its own for this, and a new option is looked at as soon as it has one of these metavars.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from typing import Any

import click

from vecloom.outputs import Relation, check_apart

WRITTEN = ("output", "reports", "plot", "feeds")
"""Parameters that are written in every verb."""
ALSO_WRITTEN = {("index", "path"), ("import", "path"), ("tokenizer", "recipe"), ("longembed", "directory")}
"""And those that are written in one."""
ALLOWED: dict[tuple[str, str], tuple[Relation, ...]] = {
    ("index", "path"): ("lies within", "is matched by"),  # the index is not read as input
    ("eval", "output"): ("holds",),  # these add to a folder and replace nothing in it
    ("longembed", "directory"): ("holds",),
    ("taxonomy", "output"): ("holds",),
    ("digest", "output"): ("holds",),
    ("digest", "feeds"): ("holds",),
}
KEPT = ("beside", "cache")
"""Folders that are read and may be added to."""
SIDE_FILES = {"embed": (".rows.jsonl", ".json")}
"""What a verb writes beside its output, as it ends."""

_READ = re.compile(r"\b(FILE|PATH|MODEL|FOLDER|DIR|INDEX|CORPUS|INPUT|TASK|RECIPE|H|T|PAIRS|SCORES|FINETUNED)\b")
_PREFIX = re.compile(r"^[\w-]+[:=]|@\d+$")  # clustering:news.jsonl, NAME=MODEL, MODEL@128


def guarded(command: click.Command) -> click.Command:
    """The command, which now looks at its parameters before it runs; one call of it is enough."""
    if isinstance(command, click.Group):
        for part in command.commands.values():
            guarded(part)
    run = command.callback
    if run is None or hasattr(run, "__guarded__"):
        return command

    @functools.wraps(run)
    def checked(*args: Any, **given: Any) -> Any:
        check(command, click.get_current_context())
        return run(*args, **given)

    checked.__guarded__ = True  # type: ignore[attr-defined]
    command.callback = checked
    return command


def check(command: click.Command, ctx: click.Context) -> None:
    """Raise where a parameter that is written is, holds or lies within one that is read.

    Raises:
        UsageError: it is.
    """
    verb = str(command.name)
    written = [param for param in command.params if param.name in WRITTEN or (verb, param.name) in ALSO_WRITTEN]
    read = [path for param in command.params if param not in written for path in _paths(param, ctx)]
    for param in written:
        allowed = ALLOWED.get((verb, str(param.name)), ())
        if ctx.get_parameter_source(str(param.name)) is not click.core.ParameterSource.COMMANDLINE:
            continue  # a default such as eval-results, perhaps below the folder one stands in
        for output in _values(ctx.params.get(str(param.name))):
            for ending in ("", *SIDE_FILES.get(verb, ())):
                check_apart(output + ending, read, allowed)


def _paths(param: click.Parameter, ctx: click.Context) -> Iterator[str]:
    named = param.metavar or (param.name or "").upper()
    if param.name in KEPT or not _READ.search(named.upper() if isinstance(param, click.Argument) else named):
        return
    for value in _values(ctx.params.get(str(param.name))):
        yield value if os.path.exists(value) or not os.path.exists(_PREFIX.sub("", value)) else _PREFIX.sub("", value)


def _values(value: Any) -> list[str]:
    values = value if isinstance(value, tuple) else (value,)
    return [os.fspath(one) for one in values if isinstance(one, str | os.PathLike) and str(one)]
