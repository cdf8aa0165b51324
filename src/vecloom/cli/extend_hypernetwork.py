"""``vecloom extend hypernetwork``: train what then gives a model any tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, progress, show
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from vecloom.extend.zett.settings import Settings
    from vecloom.extend.zett.training import HypernetworkSummary, Progress, Step


@click.command(short_help="Train a network that predicts the vectors of any tokenizer's tokens.")
@click.argument("model", metavar="MODEL")
@click.argument("corpus", nargs=-1, metavar="CORPUS...")
@click.option("-o", "--output", metavar="H", help="Folder to write; the run lives in H.run until it is whole.")
@click.option("--steps", type=click.IntRange(min=2), help="Steps in both stages; 2,000 by default. The paper: 200,000.")
@click.option("--seed", type=click.IntRange(min=0), help="Of weights, order and sampled tokenizers; 0 by default.")
@click.option(
    "--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting, as in batch_size=64; --explain lists them."
)
@options.reading_options
@click.option("--device", default="cpu", show_default=True, help="Where to compute, as torch names it.")
@click.option("--no-resume", is_flag=True, help="Begin anew instead of going on where the same training stopped.")
@click.option("--overwrite", is_flag=True, help="Replace H.")
@click.option("--explain", is_flag=True, help="Train nothing: say what would be trained, and every setting.")
@options.json_option
@options.debug_option
def hypernetwork(
    model: str,
    corpus: tuple[str, ...],
    output: str | None,
    steps: int | None,
    seed: int | None,
    given: tuple[str, ...],
    fields: tuple[str, ...],
    lines: bool,
    skip_bad: bool,
    device: str,
    no_resume: bool,
    overwrite: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """Train a network that predicts the vectors of any tokenizer's tokens (ZeTT).

    MODEL is a sentence encoder: a name from 'vecloom models', a folder, or a Hub id that was downloaded before. CORPUS are
    files and folders with texts like those that it is to read. It is trained once for a model; 'vecloom extend tokenizer'
    then gives the model, or one that was tuned from it, any tokenizer at once. When it is interrupted, the same command
    goes on from the last checkpoint as if nothing had happened.

    \b
    Examples:
      vecloom extend hypernetwork minilm texts/ -o minilm-h
      vecloom extend hypernetwork minilm abstracts.jsonl -o minilm-h --steps 500 --set batch_size=64
      vecloom extend hypernetwork minilm texts/ --explain
      vecloom extend tokenizer minilm --tokenizer tokenizer.json --method zett --hypernetwork minilm-h -o new-model
    """  # noqa: D301 - click wants the character \b, not a backslash
    settings = read_settings(given, steps, seed)
    if explain:
        _show(explained(model, settings), as_json, show.pairs)
        return
    if not corpus:
        raise UsageError("There is no corpus.", "Name files or folders with texts.")
    if not output:
        raise UsageError("There is no output.", "Name a folder with -o, or ask with --explain.")
    from vecloom.data import FieldMap
    from vecloom.extend.zett.training import train_hypernetwork

    texts = read_corpus(model, corpus, settings, fields=FieldMap.parse(fields), lines=lines, skip_bad=skip_bad)
    try:
        with watching() as told:
            summary = train_hypernetwork(
                model, texts, output, settings, device=device, resume=not no_resume, overwrite=overwrite, progress=told
            )
    except KeyboardInterrupt:
        show.echo("\nCheckpoints are kept: the same command goes on from the last one.", err=True)
        raise
    _show(summary, as_json, sentence)


def read_settings(given: Sequence[str], steps: int | None, seed: int | None) -> Settings:
    """Settings of the command line.

    Raises:
        UsageError: a name or a value is none of a setting's.
    """
    from vecloom.cli.extend import setting
    from vecloom.extend.zett.settings import read_settings

    named = {"steps": steps, "seed": seed}
    return read_settings(
        dict(map(setting, given)) | {name: value for name, value in named.items() if value is not None}
    )


def read_corpus(model: str, corpus: Sequence[str], settings: Settings, **reading: Any) -> list[str]:
    """The passages to train on."""
    from vecloom.extend.vocabulary.transfer import open_model
    from vecloom.extend.zett.corpus import read_texts

    opened = open_model(model)
    return read_texts(corpus, opened.tokenizer, min(settings.max_length, opened.spec.max_length), **reading)


def explained(model: str, settings: Settings) -> dict[str, Any]:
    """What would be trained, and every setting."""
    from vecloom.extend.vocabulary.transfer import open_model
    from vecloom.extend.zett.storage import layout
    from vecloom.extend.zett.training import default_shape

    tables = open_model(model).tables()
    places, bias = layout(tables)
    widths = tuple(stop - start for start, stop in places[: len(places) - bias])
    shape = default_shape(len(tables.rows), widths, bias, settings)
    facts = {
        "model": model,
        "predicts": f"{shape.columns} numbers for a token, from up to {shape.length} of {shape.vocabulary:,} old ones",
        "stage 1": f"{show.count(settings.first_steps, 'step')}: the model's own rows",
        "stage 2": f"{show.count(settings.steps - settings.first_steps, 'step')}: its own vectors, under sampled tokenizers",
    }
    chosen = {"hidden": shape.hidden, "inner": shape.inner, "warmup_steps": settings.warm_steps}
    return facts | settings.as_dict() | chosen | {"identity_steps": settings.first_steps}


def sentence(summary: HypernetworkSummary) -> str:
    """Say in a line or two what was done."""
    went_on = f", {summary.resumed_from:,} of them before" if summary.resumed_from else ""
    return (
        f"{summary.output}: a hypernetwork of {summary.parameters:,} numbers for {summary.model}, "
        f"{show.count(summary.steps, 'step')}{went_on} on {show.count(summary.texts, 'passage')}, {summary.seconds:,.1f} s.\n"
        f"  mean cosine to the model's own vectors at the end, under sampled tokenizers: {1 - summary.main:.3f}"
    )


@contextmanager
def watching() -> Iterator[Progress]:
    """A bar over steps on a terminal, a line from time to time elsewhere."""
    with progress.steps("Training", time_left=True) as told:
        yield lambda step: told(step.step, step.steps, line(step))


def line(step: Step) -> str:
    """What stands beside the bar."""
    if step.stage == 1:
        return f"own rows: loss {step.loss:.4f}"
    return f"cosine {1 - step.main:.3f}, auxiliary {step.auxiliary:.4f}"


def _show(value: Any, as_json: bool, written: Any) -> None:
    if as_json:
        show.as_json(value.as_dict() if hasattr(value, "as_dict") else value)
    else:
        show.echo(written(value))
