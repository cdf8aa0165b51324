"""Options that several verbs share; each has one name, one meaning and one help text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vecloom.cli.failures import DEBUG

F = TypeVar("F", bound=Callable[..., Any])
BACKENDS = ("auto", "openvino", "torch", "onnx")


def _remember_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[DEBUG] = True


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_remember_debug, help="Show a traceback when something fails."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")


def model_option(function: F) -> F:
    """Add ``-m/--model``."""
    told = "A name from 'vecloom models', a folder, or a Hub id that was downloaded before."
    return click.option("-m", "--model", default="minilm", show_default=True, help=told)(function)


def speed_options(function: F) -> F:
    """Add ``--backend`` and ``--threads``."""
    backend = click.option(
        "--backend", type=click.Choice(BACKENDS), default="auto", show_default=True, help="What computes the vectors."
    )
    threads = click.option("--threads", type=click.IntRange(min=1), help="CPU threads to use; all by default.")
    return backend(threads(function))


def selection_options(function: F) -> F:
    """Add ``--include`` and ``--exclude``."""
    include = click.option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="Of folders and globs read only these files, as in '*.md'; patterns as in .gitignore, may be repeated.",
    )
    exclude = click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="Leave these files and folders out, as in 'drafts/'; stronger than --include.",
    )
    return include(exclude(function))


def reading_options(function: F) -> F:
    """Add ``--field``, ``--lines`` and ``--skip-bad``."""
    field = click.option(
        "--field",
        "fields",
        multiple=True,
        metavar="NAME=COLUMN",
        help="Where a record has its text, title or id, as in text=body.",
    )
    lines = click.option("--lines", is_flag=True, help="Take each line of a text file as one document.")
    skip = click.option("--skip-bad", is_flag=True, help="Count records that cannot be read instead of stopping.")
    return field(lines(skip(function)))
