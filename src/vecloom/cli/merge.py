"""``vecloom merge``: one model out of several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.errors import UsageError
from vecloom.wording import counted

if TYPE_CHECKING:
    from vecloom.merge import MergeSummary, Recipe
    from vecloom.merge.diagnose import Diagnosis

DTYPES = ("float32", "float16", "bfloat16")


@click.command(short_help="Make one model out of several, with little or no training.")
@click.argument("models", nargs=-1, metavar="MODEL...|RECIPE.yaml")
@click.option("-o", "--output", metavar="OUT", help="Folder to write: a sentence-transformers model.")
@click.option("--method", default="linear", show_default=True, help="How to merge; --explain lists them.")
@click.option("--base", metavar="MODEL", help="The model that all were trained from.")
@click.option("--weight", "weights", type=float, multiple=True, metavar="W", help="One for each model, in their order.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the method, as in density=0.3."
)
@click.option(
    "--probe", "probes", multiple=True, metavar="FILE", help="Pairs of one task as JSON lines; once for each task."
)
@click.option("--dtype", type=click.Choice(DTYPES), help="How to store the numbers; as the first model by default.")
@click.option("--device", default="cpu", show_default=True, help="Where to compute, as torch names it.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
@click.option("--explain", is_flag=True, help="Say what would be done, or what a method does, and stop.")
@click.option("--diagnose", is_flag=True, help="Compare the models instead: angles, signs, and the loss between them.")
@click.option(
    "--plot", metavar="FILE", help="With --diagnose and --probe: draw the loss along the line and over the plane."
)
@options.json_option
@options.debug_option
def merge(
    models: tuple[str, ...],
    output: str | None,
    probes: tuple[str, ...],
    device: str,
    overwrite: bool,
    explain: bool,
    diagnose: bool,
    plot: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Make one model out of several.

    MODEL is a name from 'vecloom models', a folder, or a Hub id that was downloaded before. A RECIPE.yaml is mergekit's, or
    the same with what vecloom adds. Models have to come from one base: architecture, tensors, tokenizer, pooling and prompts
    are compared first. Methods on task vectors need --base; greedy_soup and self_positioning need --probe, fisher and
    regmean one --probe for each model.

    \b
    Examples:
      vecloom merge sts-model retrieval-model -o merged
      vecloom merge sts-model retrieval-model --base minilm --method ties --set density=0.3 -o merged
      vecloom merge sts-model retrieval-model --base minilm --method self_positioning
          --probe sts.jsonl --probe retrieval.jsonl -o merged
      vecloom merge sts-model retrieval-model --base minilm --diagnose
      vecloom merge recipe.yaml -o merged
    """  # noqa: D301 - click wants the character \b, not a backslash
    if explain and not models:
        _show(methods_table(), as_json, as_rows)
        return
    recipe = read_recipe(models, probes=probes, **given)
    if explain:
        _show(explained(recipe), as_json, as_lines)
    elif diagnose:
        _show(diagnosed(recipe, device, plot), as_json, as_report)
    else:
        if not output:
            raise UsageError("There is no output.", "Name a folder with -o, or ask with --explain or --diagnose.")
        _show(merged(recipe, output, device, overwrite), as_json, sentence)


def read_recipe(
    models: tuple[str, ...],
    *,
    method: str,
    base: str | None,
    weights: tuple[float, ...],
    settings: tuple[str, ...],
    probes: tuple[str, ...],
    dtype: str | None,
) -> Recipe:
    """The recipe of a file, or of the command line.

    Raises:
        UsageError: no models, or a setting that is not NAME=VALUE.
    """
    from vecloom.merge import Recipe, load_recipe
    from vecloom.merge.table import canonical, check_call

    if len(models) == 1 and models[0].endswith((".yaml", ".yml")):
        return load_recipe(models[0])
    if not models:
        raise UsageError("There are no models.", "Name models to merge, or a recipe.")
    if weights and len(weights) != len(models):
        raise UsageError(
            f"There must be a weight for each model, not {counted(len(weights), 'weight')} for {counted(len(models), 'model')}.",
            "Give --weight once for each.",
        )
    check_call(method, len(models), base=base is not None)
    return Recipe(
        canonical(method),
        models,
        base,
        own=tuple({"weight": weight} for weight in weights),
        parameters=dict(map(setting, settings)),
        probe=probes,
        dtype=dtype,
    )


def setting(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; the value as YAML reads it.

    Raises:
        UsageError: there is no = in it.
    """
    import yaml

    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text} is not NAME=VALUE.", "Write it as in --set density=0.3.")
    return name.strip(), yaml.safe_load(value)


def methods_table() -> list[dict[str, Any]]:
    """All methods, what they need and what can be set."""
    from vecloom.merge import METHODS

    return [
        {
            "method": name,
            "does": method.does,
            "base": method.base,
            "data": method.data,
            "options": {key: value for key, value in method.options.items() if key != "weights"},
            "source": method.source,
        }
        for name, method in METHODS.items()
    ]


def explained(recipe: Recipe) -> dict[str, Any]:
    """What a merge would do, checked as far as it can be without working."""
    from vecloom.merge.job import open_inputs
    from vecloom.merge.recipe import bind
    from vecloom.merge.table import method_of
    from vecloom.merge.values import layer_count

    method = method_of(recipe.method)
    inputs = open_inputs(recipe)
    layers = layer_count(inputs.models[0].tensors)
    chosen = {name: value for name, value in method.options.items() if name != "weights"} | bind(recipe, layers)
    return {
        "method": recipe.method,
        "does": f"{method.does} ({method.source})",
        "models": list(recipe.models),
        "base": recipe.base,
        "tensors": len(inputs.models[0].tensors.floating_names),
        "layers": layers,
        "needs": method.data or "nothing beside the models",
        "probe": list(recipe.probe),
        "options": {name: _told(value) for name, value in chosen.items()},
        "dtype": recipe.dtype or "as the first model",
    }


def diagnosed(recipe: Recipe, device: str, plot: str | None) -> Diagnosis:
    """Compare models, and draw where asked."""
    from vecloom.merge.diagnose import diagnose
    from vecloom.merge.job import open_inputs
    from vecloom.merge.plots import draw

    tasks = {Path(path).stem: path for path in recipe.probe}
    found = diagnose(open_inputs(recipe, device), tasks, grid=7 if plot else 0, device=device)
    if plot:
        draw(found, plot)
    return found


def merged(recipe: Recipe, output: str, device: str, overwrite: bool) -> MergeSummary:
    """Merge, with a bar that a terminal shows."""
    import sys

    from rich import progress as rich
    from rich.console import Console

    from vecloom.merge.job import run

    with rich.Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as drawn:
        task = drawn.add_task("Merging", total=None)

        def progress(done: int, total: int) -> None:
            drawn.update(task, completed=done, total=total)

        return run(recipe, output, device=device, overwrite=overwrite, progress=progress)


def sentence(summary: MergeSummary) -> str:
    """Say in a line or two what was done."""
    lines = [
        f"{show.count(len(summary.models), 'model')} merged by {summary.method} into {summary.output}: "
        f"{show.count(summary.tensors, 'tensor')}, {summary.parameters:,} numbers, {summary.seconds:,.1f} s."
    ]
    return "\n".join([*lines, *(f"  {name}: {_told(value)}" for name, value in summary.found.items())])


def as_rows(table: list[dict[str, Any]]) -> str:
    """The methods in columns."""
    rows = [
        (
            row["method"],
            row["does"],
            row["base"],
            row["data"] or "-",
            " ".join(f"{key}={_told(value)}" for key, value in row["options"].items()),
        )
        for row in table
    ]
    return show.columns(rows, ("method", "what it does", "base", "needs", "options (--set)"))


def as_lines(told: dict[str, Any]) -> str:
    """What would be done, a fact a line."""
    options_told = ", ".join(f"{name} = {value}" for name, value in told["options"].items())
    return show.pairs(
        told | {"models": ", ".join(told["models"]), "options": options_told, "probe": ", ".join(told["probe"])}
    )


def as_report(found: Diagnosis) -> str:
    """A diagnosis as tables."""
    names = [Path(name).name for name in found.models]
    what = "Task vectors" if found.base else "Weights (no base was given)"
    parts = [f"{what}: length, and cosine with each other", _matrix(names, found.cosines, found.lengths)]
    if found.sign_conflict:
        rows = [(where, f"{100 * share:.1f} %") for where, share in found.sign_conflict.items()]
        parts += ["", "Entries that some models raise and others lower", show.columns(rows)]
    if found.tasks:
        at = "base" if found.base else "first model"
        parts += ["", f"Cosine of the tasks' gradients at the {at}", _matrix(found.tasks, found.gradients)]
        losses_told = [(name, *(f"{loss:.3f}" for loss in losses)) for name, losses in found.line.items()]
        header = ("loss", *(f"{place:.2f}" for place in found.places))
        parts += ["", f"Loss from {names[0]} (0) to {names[-1]} (1)", show.columns(losses_told, header)]
    return "\n".join(parts)


def _matrix(names: Any, values: list[list[float]], lengths: list[float] | None = None) -> str:
    rows: list[tuple[str, ...]] = []
    for place, (name, row) in enumerate(zip(names, values, strict=True)):
        first = [f"{lengths[place]:.3f}"] if lengths else []
        rows.append((name, *first, *(f"{value:.3f}" for value in row)))
    return show.columns(rows, ("", *(["length"] if lengths else []), *names))


def _told(value: Any) -> str:
    """A value as people write it; one that differs from tensor to tensor is named so."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_told, value))}]"
    if callable(value):
        return "by tensor"
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 0.99 else str(value)


def _show(value: Any, as_json: bool, written: Any) -> None:
    if as_json:
        show.as_json(value.as_dict() if hasattr(value, "as_dict") else value)
    else:
        show.echo(written(value))
