"""``vecloom extend temperature``: sharper attention for long texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecloom.extend.temperature import TemperatureSummary
    from vecloom.extend.temperature_collapse import Collapse

MOST_TEXTS = 2000


@click.command(short_help="Sharpen attention, so that long texts stop looking alike.")
@click.argument("model", metavar="MODEL")
@click.argument("corpus", nargs=-1, metavar="[CORPUS...]")
@click.option("-o", "--output", metavar="OUT", help="Folder to write: a model like MODEL.")
@click.option(
    "--tau", "taus", type=float, multiple=True, metavar="T",
    help="Take this temperature instead of searching: above 0, at most 1. Once, or once for each layer.",
)  # fmt: skip
@click.option("--per-layer", is_flag=True, help="Search one for each layer.")
@click.option("--label", metavar="FIELD", help="Texts have a label in this field: near texts should share it.")
@click.option(
    "--length", "lengths", type=click.IntRange(min=4), multiple=True, metavar="TOKENS", help="A length to look at."
)
@click.option("--diagnose", is_flag=True, help="Show how alike texts look by their length, and write no model.")
@click.option("--plot", metavar="FILE", help="With --diagnose: draw it, as .png, .svg or .pdf.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the interval's draws.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
@click.option("--explain", is_flag=True, help="Say what would be done, and stop.")
@options.reading_options
@options.json_option
@options.debug_option
def temperature(
    model: str,
    corpus: tuple[str, ...],
    output: str | None,
    taus: tuple[float, ...],
    per_layer: bool,
    label: str | None,
    lengths: tuple[int, ...],
    diagnose: bool,
    plot: str | None,
    seed: int,
    overwrite: bool,
    explain: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Divide attention scores by a temperature below 1 (TempScale), folded into the weights.

    The result is an ordinary model of the same size and speed. The temperature is found on CORPUS: for several lengths the
    first tokens of a text have to find its next ones; half of the texts choose, the other half says what the choice is
    worth. With --label near texts have to share their label instead. --tau takes a value as it is.

    \b
    Examples:
      vecloom extend temperature minilm docs/ -o minilm-sharp
      vecloom extend temperature minilm reviews.jsonl --label stars --per-layer -o minilm-sharp
      vecloom extend temperature minilm --tau 0.8 -o minilm-sharp
      vecloom extend temperature minilm docs/ --diagnose --plot collapse.png
    """  # noqa: D301 - click wants the character \b, not a backslash
    if plot and not diagnose:
        raise UsageError("--plot needs --diagnose.", "Add it.")
    if explain:
        _show(explained(model, taus, per_layer, lengths, bool(corpus)), as_json, show.pairs)
        return
    if diagnose:
        _show(diagnosed(model, texts_of(corpus, reading), taus, lengths, plot), as_json, as_report)
        return
    if not output:
        raise UsageError("There is no output.", "Name a folder with -o, or ask with --explain or --diagnose.")
    from pathlib import Path

    from vecloom.extend.temperature import set_temperature
    from vecloom.files import check_output

    check_output(Path(output), overwrite=overwrite)
    found: dict[str, Any] = {}
    if not taus:
        if not corpus:
            raise UsageError(
                "There are neither texts nor a temperature.", "Name texts to search on, or give --tau 0.8."
            )
        taus, found = searched(model, corpus, reading, label, lengths, per_layer, seed)
    _show(set_temperature(model, output, taus, overwrite=overwrite, found=found), as_json, sentence)


def texts_of(corpus: tuple[str, ...], reading: dict[str, Any]) -> list[str]:
    """The texts of a corpus, 2,000 at most.

    Raises:
        UsageError: there is none.
    """
    return [text for text, _ in _documents(corpus, reading, None)]


def searched(
    model: str,
    corpus: tuple[str, ...],
    reading: dict[str, Any],
    label: str | None,
    lengths: tuple[int, ...],
    per_layer: bool,
    seed: int,
) -> tuple[tuple[float, ...], dict[str, Any]]:
    """Temperatures found on a corpus, and what was found out on the way."""
    from vecloom.extend.temperature import open_attention
    from vecloom.extend.temperature_network import ProbedNetwork
    from vecloom.extend.temperature_search import LENGTHS, probe_of_labels, probe_of_parts, search, trials

    spec = open_attention(model)
    rows = list(_documents(corpus, reading, label))
    texts = [text for text, _ in rows]
    network = ProbedNetwork(spec)
    wanted = lengths or LENGTHS
    if label:
        probe = probe_of_labels(network, texts, [told for _, told in rows], wanted)
    else:
        probe = probe_of_parts(network, texts, wanted)
    with _bar(trials(network.layers, per_layer=per_layer)) as advance:
        choice = search(network, probe, per_layer=per_layer, seed=seed, progress=advance)
    return choice.taus, choice.as_dict()


def diagnosed(
    model: str, texts: list[str], taus: tuple[float, ...], lengths: tuple[int, ...], plot: str | None
) -> Collapse:
    """Measure length collapse, as the model is and at other temperatures, and draw it where asked."""
    from vecloom.extend.temperature import open_attention
    from vecloom.extend.temperature_collapse import LENGTHS, collapse
    from vecloom.extend.temperature_network import ProbedNetwork

    spec = open_attention(model)
    wanted = lengths or tuple(length for length in LENGTHS if length <= spec.max_length)
    found = collapse(
        ProbedNetwork(spec), texts, lengths=sorted(set(wanted)), taus=[1.0, *(tau for tau in taus if tau != 1)]
    )
    if plot:
        from vecloom.extend.temperature_plot import draw

        draw(found, plot)
    return found


def explained(
    model: str, taus: tuple[float, ...], per_layer: bool, lengths: tuple[int, ...], corpus: bool
) -> dict[str, Any]:
    """What would be done, checked as far as it can be without working."""
    from vecloom.extend.temperature import (
        checked_taus,
        factors,
        layer_count,
        open_attention,
        present_taus,
        query_tensors,
    )
    from vecloom.extend.temperature_search import GRID, LENGTHS, trials
    from vecloom.extend.weights import tensor_names, weight_files

    spec = open_attention(model)
    layers = layer_count(spec.config)
    queries = query_tensors(spec.config, tensor_names(weight_files(spec.weights_path)))
    wanted = checked_taus(taus, layers) if taus else None
    if wanted:
        factors(queries, present_taus(spec.config), wanted)
    grid = ", ".join(f"{value:g}" for value in GRID)
    how = f"{trials(layers, per_layer=per_layer)} trials of {grid}" if corpus or not wanted else "as given"
    return {
        "does": "softmax(scores / temperature) in every layer (TempScale, arXiv:2410.24200)",
        "model": model,
        "family": str(spec.config["model_type"]),
        "layers": layers,
        "tensors": len(queries),
        "now": ", ".join(f"{tau:g}" for tau in sorted(set(present_taus(spec.config)))),
        "temperature": ", ".join(f"{tau:g}" for tau in wanted) if wanted else "found on CORPUS",
        "search": "one for each layer; " + how if per_layer else how,
        "lengths": ", ".join(map(str, lengths or LENGTHS)),
        "result": "plain: the same size and speed, on every backend",
    }


def sentence(summary: TemperatureSummary) -> str:
    """Say in a few lines what was done."""
    told = _taus(summary.taus)
    lines = [
        f"{summary.model} at temperature {told} in {summary.output}: {show.count(summary.tensors, 'tensor')} scaled, "
        f"{summary.seconds:,.1f} s."
    ]
    if not summary.found:
        return lines[0]
    found = summary.found
    if set(summary.taus) == {1.0}:
        lines[0] = f"No temperature below 1 was better: {summary.output} is {summary.model} as it was."
    rows = [
        (str(length), f"{found['before'][length]:.3f}", f"{found['after'][length]:.3f}") for length in found["before"]
    ]
    low, high = found["interval"]
    lines += ["", f"On the half of the texts that did not choose: {found['measure']}"]
    lines += [show.columns(rows, ("tokens", "before", "after"))]
    lines += [f"Gain {found['gain']:+.3f} (95 % interval {low:+.3f} to {high:+.3f})."]
    if low <= 0 and set(summary.taus) != {1.0}:
        lines += ["The interval holds 0: this corpus does not show that it helps."]
    return "\n".join(lines)


def as_report(found: Collapse) -> str:
    """Length collapse as tables."""
    header = ("tokens", *map(str, found.lengths))
    cosines = [(f"temperature {tau}", *(f"{value:.3f}" for value in row)) for tau, row in found.cosines.items()]
    parts = [f"Mean cosine of two of {found.texts} texts, cut to so many tokens", show.columns(cosines, header)]
    for tau, rates in found.rates.items():
        rows = [(f"layer {place}", *(f"{value:.2f}" for value in row)) for place, row in enumerate(rates, 1)]
        parts += [
            "",
            f"Filter rate of attention at temperature {tau} (small: strong low-pass)",
            show.columns(rows, header),
        ]
    return "\n".join(parts)


def _documents(corpus: tuple[str, ...], reading: dict[str, Any], label: str | None) -> Iterator[tuple[str, str]]:
    from itertools import islice

    from vecloom.data.fields import FieldMap
    from vecloom.data.reader import read

    fields = FieldMap.parse(reading["fields"])
    for document in islice(
        read(corpus, fields=fields, skip_bad=reading["skip_bad"], lines=reading["lines"]), MOST_TEXTS
    ):
        if label and label not in document.fields:
            raise UsageError(
                f"{document.id} has no field {label!r}.", f"It has {', '.join(document.fields) or 'none'}."
            )
        yield document.text, str(document.fields[label]) if label else ""


def _taus(taus: tuple[float, ...]) -> str:
    return f"{taus[0]:g}" if len(set(taus)) == 1 else ", ".join(f"{tau:g}" for tau in taus) + " (by layer)"


def _bar(total: int) -> Any:
    """A bar that a terminal shows."""
    import contextlib
    import sys

    from rich import progress as rich
    from rich.console import Console

    @contextlib.contextmanager
    def shown() -> Any:
        with rich.Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as drawn:
            task = drawn.add_task("Searching", total=total)
            yield lambda count: drawn.update(task, advance=count)

    return shown()


def _show(value: Any, as_json: bool, written: Any) -> None:
    if as_json:
        show.as_json(value.as_dict() if hasattr(value, "as_dict") else value)
    else:
        show.echo(written(value))
