"""``vecloom extend``: longer texts for a model, and the other ways to stretch one, each a word of its own."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.cli.lazy import LazyGroup
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from vecloom.extend.context import ContextSummary, Plan

EXTENSIONS = {
    "positions": "vecloom.cli.extend:positions",
    "temperature": "vecloom.cli.extend_temperature",
    "tokenizer": "vecloom.cli.extend_tokenizer",
    "vocabulary": "vecloom.cli.extend_vocabulary",
    "hypernetwork": "vecloom.cli.extend_hypernetwork",
    "sibling": "vecloom.cli.extend_sibling",
}
"""Each word behind ``extend`` and the module that holds a command of its name, or of the name after the colon."""


_OWN = {"model", "to", "out", "method", "source_length", "overwrite", "progress"}
"""What is no option of a method."""


class Extensions(LazyGroup):
    """A group whose first word may also be a model: that is ``positions``."""

    homes = EXTENSIONS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``positions`` before anything that is neither a word nor a call for help."""
        if args and args[0] not in EXTENSIONS and args[0] not in ("-h", "--help"):
            close = difflib.get_close_matches(args[0], EXTENSIONS, n=1, cutoff=0.8)
            if close and not os.path.isdir(args[0]):
                raise click.UsageError(f"There is no word {args[0]!r} behind extend. Did you mean {close[0]}?", ctx)
            args = ["positions", *args]
        return super().parse_args(ctx, args)


@click.command(short_help="Read longer texts (the word may be left out).")
@click.argument("model", required=False)
@click.option(
    "--to", type=click.IntRange(min=2), metavar="TOKENS", help="How long texts may be, special tokens included."
)
@click.option("-o", "--output", metavar="OUT", help="Folder to write: a sentence-transformers model.")
@click.option(
    "--method",
    help="How to extend; --explain lists the methods. interpolate or self_extend by default, as fits the model.",
)
@click.option(
    "--from", "source_length", type=click.IntRange(min=2), metavar="TOKENS",
    help="How long texts were that the model was made for; its limit by default.",
)  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the method, as in group=5.")
@click.option("--pairs", metavar="FILE", help="Pairs of texts as JSON lines, for a method that trains.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
@click.option("--explain", is_flag=True, help="Say what would be done, or what the methods do, and stop.")
@options.json_option
@options.debug_option
def positions(
    model: str | None,
    to: int | None,
    output: str | None,
    overwrite: bool,
    explain: bool,
    as_json: bool,
    settings: tuple[str, ...],
    pairs: str | None,
    **given: Any,
) -> None:
    """Make a model read longer texts.

    MODEL is a name from 'vecloom models', a folder, or a Hub id that was downloaded before.

    \b
    Examples:
      vecloom extend positions minilm --to 4096 --method grouped -o minilm-4k
      vecloom extend positions minilm --to 4096 --method interpolate --explain
    """  # noqa: D301 - click wants the character \b, not a backslash
    if explain and not model:
        _show(methods_table(), as_json, as_rows)
        return
    if not model or not to:
        missing = "model" if not model else "target length"
        raise UsageError(f"There is no {missing}.", "Write it as in: vecloom extend minilm --to 4096 -o minilm-4k")
    call = given | dict(map(setting, settings)) | ({"pairs": pairs} if pairs else {})
    if explain:
        from vecloom.extend.context import plan_context

        _show(explained(plan_context(model, to=to, **call)), as_json, show.pairs)
        return
    if not output:
        raise UsageError("There is no output.", "Name a folder with -o, or ask with --explain.")
    _show(extended(model, output, to=to, overwrite=overwrite, **call), as_json, sentence)


@click.group(cls=Extensions, subcommand_metavar="[MODEL | WORD] ...", short_help="Stretch a model: longer texts.")
def extend(**_: Any) -> None:
    """Stretch a model with little or no training.

    The first word says what to stretch; a model in its place means positions: longer texts. MODEL is a name from
    'vecloom models', a folder, or a Hub id that was downloaded before.

    \b
    Examples:
      vecloom extend minilm --to 4096 --method grouped -o minilm-4k
      vecloom extend minilm --to 4096 --method interpolate --explain
      vecloom extend --explain
    """  # noqa: D301 - click wants the character \b, not a backslash


extend.params += [parameter for parameter in positions.params if isinstance(parameter, click.Option)]


def extended(model: str, output: str, **call: Any) -> ContextSummary:
    """Extend, with a bar that a terminal shows."""
    import sys

    from rich import progress as rich
    from rich.console import Console

    from vecloom.extend.context import extend_context

    with rich.Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as drawn:
        task = drawn.add_task("Extending", total=None)

        def progress(done: int, total: int) -> None:
            drawn.update(task, completed=done, total=total)

        return extend_context(model, output, progress=progress, **call)


def setting(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; a value that is JSON is read as such.

    Raises:
        UsageError: there is no = in it.
    """
    import json

    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text} is not NAME=VALUE.", "Write it as in --set group=5.")
    if name.strip() in _OWN:
        raise UsageError(f"--set {text} sets no option of a method.", "Write it as an option of its own; see --help.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def methods_table() -> list[dict[str, Any]]:
    """All methods, what they fit, what comes out and what can be set."""
    from vecloom.extend.table import METHODS

    return [
        {
            "method": name,
            "does": method.does,
            "fits": [kind for kind in method.positions if kind],
            "result": " or ".join(sorted({method.result(kind, method.options) for kind in method.positions})),
            "options": method.options,
            "source": method.source,
        }
        for name, method in METHODS.items()
    ]


def explained(plan: Plan) -> dict[str, Any]:
    """What would be done, checked as far as it can be without working."""
    return {
        "method": plan.method,
        "does": f"{plan.entry.does} ({plan.entry.source})",
        "model": plan.source.name,
        "positions": plan.source.positions,
        "from": plan.source.length,
        "to": plan.target,
        "result": plan.result,
        "options": ", ".join(f"{name} = {value}" for name, value in plan.options.items()) or "none",
    }


def sentence(summary: ContextSummary) -> str:
    """Say in a line or two what was done."""
    made = "any library runs it" if summary.result == "plain" else "it needs vecloom's module"
    lines = [
        f"{summary.model} reads {summary.target_length:,} tokens instead of {summary.source_length:,} by "
        f"{summary.method}, in {summary.output} ({made}; {summary.seconds:,.1f} s)."
    ]
    return "\n".join([*lines, *(f"  {name}: {value}" for name, value in summary.found.items())])


def as_rows(table: list[dict[str, Any]]) -> str:
    """The methods in columns."""
    rows = [
        (
            row["method"],
            row["does"],
            " ".join(row["fits"]),
            row["result"],
            " ".join(f"{key}={value}" for key, value in row["options"].items()),
        )
        for row in table
    ]
    return show.columns(rows, ("method", "what it does", "fits", "result", "options (--set)"))


def _show(value: Any, as_json: bool, written: Any) -> None:
    if as_json:
        show.as_json(value.as_dict() if hasattr(value, "as_dict") else value)
    else:
        show.echo(written(value))
