"""``vecloom doctor``: what this machine offers, what computes the vectors, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vecloom.cli import options, show

if TYPE_CHECKING:
    from vecloom.runtime.choose import Choice
    from vecloom.runtime.doctor import Examination


@click.command(short_help="Say what this machine offers, and what is chosen.")
@options.model_option
@click.option("--every", is_flag=True, help="Try every backend that is installed, anew; takes half a minute.")
@options.json_option
@options.debug_option
def doctor(model: str, every: bool, as_json: bool) -> None:
    """Say what this machine offers, which backend runs the model, and why.

    \b
    Examples:
      vecloom doctor
      vecloom doctor -m path/to/model --every
      vecloom doctor --json
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.runtime.doctor import examine

    found, choice = examine(), chosen(model, every=every)
    if as_json:
        backend = {**asdict(choice), "reason": choice.reason} if choice else None
        show.as_json({**asdict(found), "model": model, "choice": backend})
        return
    show.echo(show.pairs(machine(found)))
    show.echo(f"\n{show.columns(packages(found), ('package', 'version', 'for'))}\n")
    show.echo(f"{model}: " + (f"{_name(choice.key)}, {choice.reason}" if choice else "needs no backend, it is a table"))
    if choice and len(choice.trials) > 1:
        show.echo("\n" + show.columns(trials(choice), ("backend", "texts/s", "min cosine", "")))
    for advice in found.advice:
        show.echo(f"\n{advice}")


def chosen(model: str, *, every: bool) -> Choice | None:
    """Which backend runs a transformer; None for other kinds of models, which need none."""
    from vecloom.encoders.layouts import kind_of
    from vecloom.encoders.resolve import resolve
    from vecloom.runtime.choose import choose
    from vecloom.runtime.directory import read_spec

    path = resolve(model)
    return choose(read_spec(path), every=every) if kind_of(path) == "transformer" else None


def machine(found: Examination) -> dict[str, str]:
    """The machine, for people."""
    return {
        "processor": found.processor,
        "features": ", ".join(found.features) or "none that matter here",
        "threads": str(found.threads),
        "NVIDIA GPU": "yes" if found.nvidia else "no",
        "system": f"{found.system}, Python {found.python}",
    }


def packages(found: Examination) -> list[list[str]]:
    """The libraries, for people; a missing one says how to get it."""
    return [
        [each.name, each.version or "missing", each.purpose + ("" if each.version else _install(each.extra))]
        for each in found.packages
    ]


def trials(choice: Choice) -> list[list[str]]:
    """What was tried, the fastest first."""
    ranked = sorted(choice.trials, key=lambda trial: -trial.texts_per_second)
    keys = [(trial.backend, trial.precision, trial.variant) for trial in ranked]
    return [
        [_name(key), f"{each.texts_per_second:,.0f}", f"{each.min_cosine:.5f}", each.note or _mark(key, choice)]
        for key, each in zip(keys, ranked, strict=True)
    ]


def _name(key: tuple[str, str, str]) -> str:
    return " ".join(filter(None, key))


def _mark(key: tuple[str, str, str], choice: Choice) -> str:
    return "chosen" if key == choice.key else ""


def _install(extra: str) -> str:
    return f"; pip install 'vecloom[{extra}]'" if extra else "; install vecloom again"
