"""``vecloom train``: a recipe becomes a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, progress, show
from vecloom.errors import MissingExtraError

if TYPE_CHECKING:
    from vecloom.train.recipe import Recipe
    from vecloom.train.summary import TrainSummary
    from vecloom.train.watch import Progress, TrainProgress

NEEDED = ("pydantic", "yaml")


@click.command(short_help="Fine-tune a model by a recipe.")
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="A value that wins over the recipe's, with dots: data.0.weight=2.",
)
@click.option("--explain", is_flag=True, help="Train nothing: print every value and where it came from.")
@click.option("--no-resume", is_flag=True, help="Begin anew instead of going on where the same run stopped.")
@options.json_option
@options.debug_option
def train(recipe: str, overrides: tuple[str, ...], explain: bool, no_resume: bool, as_json: bool) -> None:
    """Fine-tune a model by a recipe.

    RECIPE is a YAML file, or the name of one that comes with vecloom: pairs, guided, large-batches, sentences, scored,
    triplets, labels, entailment, matryoshka, matryoshka-2d, several, distilled, nli-triplets, sts-after-nli,
    nv-embed-stage1, nv-embed-stage2.

    \b
    Examples:
      vecloom train pairs --set data.0.path=faq.jsonl --set output=faq-model
      vecloom train recipe.yaml --explain
      torchrun --nproc-per-node 2 -m vecloom train recipe.yaml

    The run lives in OUTPUT.run: checkpoints, logs, the best model so far. When it is interrupted, even by a power cut, the
    same command goes on from the last checkpoint as if nothing had happened. The model appears in OUTPUT when it is whole.
    """  # noqa: D301 - click wants the character \b, not a backslash
    check_extra()
    from vecloom.train.job import run
    from vecloom.train.recipe import load_recipe

    read = load_recipe(recipe, overrides)
    if explain:
        explained(read, as_json)
        return
    with watching() as told:
        summary = run(read, resume=not no_resume, progress=told, warn=warned)
    if os.environ.get("RANK", "0") != "0":
        return
    if as_json:
        show.as_json(summary.as_dict())
    else:
        show.echo(sentences(summary))


def warned(sentence: str) -> None:
    """Say on stderr what changes the model for good."""
    show.echo(f"Warning: {sentence}", err=True)


def explained(recipe: Recipe, as_json: bool) -> None:
    """Print every effective value and its origin."""
    from vecloom.train.recipe import explain

    rows = explain(recipe)
    if as_json:
        show.as_json([row._asdict() for row in rows])
    else:
        show.echo(show.columns([(row.key, said(row.value), row.origin) for row in rows], ("key", "value", "from")))


def said(value: Any) -> str:
    """A value as YAML has it, on one line."""
    import yaml

    plain = list(value) if isinstance(value, tuple) else value
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def sentences(summary: TrainSummary) -> str:
    """Say in a few lines what was done."""
    if summary.resumed_from == summary.steps:
        done = f"{summary.output} was trained already: {show.count(summary.steps, 'step')}."
    else:
        loss = "" if summary.loss is None else f", loss {summary.loss:.4f}"
        speed = f"{summary.seconds:,.1f} s in steps, {summary.pairs_per_second:,.0f} pairs/s"
        speed += f", {summary.tokens_per_second:,.0f} tokens/s" if summary.tokens_per_second else ""
        speed += f", {summary.utilisation:.0%} of the GPU's arithmetic" if summary.utilisation else ""
        done = f"{summary.output}: {show.count(summary.steps, 'step')}{loss}; {speed}."
    notes = [
        f"went on from step {summary.resumed_from:,}" if 0 < summary.resumed_from < summary.steps else "",
        summary.stopped,
        *(f"{name} {_before(summary, name)}{value:.4f}" for name, value in summary.scores.items()),
        f"the best of them was at step {summary.best_step:,}" if summary.scores else "",
        *summary.notes,
    ]
    return "\n".join([done, *(f"  {note}" for note in notes if note)])


def _before(summary: TrainSummary, name: str) -> str:
    return f"{summary.before[name]:.4f} -> " if name in summary.before else ""


def check_extra() -> None:
    """Say which extra is missing before the recipe is read.

    Raises:
        MissingExtraError: pydantic or PyYAML is not installed.
    """
    import importlib.util

    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        raise MissingExtraError("Training needs pydantic and PyYAML.", "train")


@contextmanager
def watching() -> Iterator[Progress]:
    """A bar over steps on a terminal, a line from time to time elsewhere."""
    with progress.steps("Training") as told:
        yield lambda state: told(state.step, state.steps, line(state))


def line(state: TrainProgress) -> str:
    """What stands beside the bar: loss, learning rate, speed, time left, memory, the last score."""
    minutes, seconds = divmod(round(state.eta_seconds), 60)
    parts = [
        "" if state.loss is None else f"loss {state.loss:.4f}",
        f"lr {state.learning_rate:.1e}",
        f"{state.pairs_per_second:,.0f} pairs/s",
        f"{minutes}:{seconds:02d} left",
        show.size(state.memory_bytes),
        f"score {state.scores['mean']:.4f}" if "mean" in state.scores else "",
    ]
    return ", ".join(part for part in parts if part)
