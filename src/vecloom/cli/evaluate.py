"""``vecloom eval``: how good models are on tasks, and whether a difference is real."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.errors import MissingExtraError, UsageError
from vecloom.wording import counted

if TYPE_CHECKING:
    from vecloom.evaluate.evaluation import Evaluation
    from vecloom.evaluate.job import Watcher

UNITS = {"s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType[float]):
    """Seconds from "90s", "10m" or "1.5h"."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number and its unit."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", str(value).strip())
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is no time; write 90s, 10m or 1.5h.", param, ctx)
        return float(found[1]) * UNITS[found[2]]


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers from "64,128,256"."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read numbers with commas between."""
        if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", str(value).strip()):
            self.fail(f"{value!r} are no numbers; write 64,128,256.", param, ctx)
        return tuple(int(number) for number in str(value).split(","))


@click.command("eval", short_help="Score models on tasks.")
@click.argument("tasks", nargs=-1, required=True, metavar="TASK...")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="A name from 'vecloom models', a folder or a Hub id; MODEL@128 for its first 128 dimensions. minilm by default.",
)
@click.option("--dims", type=Numbers(), metavar="D,D...", help="Score each model also at these dimensions.")
@click.option(
    "-o",
    "--output",
    default="eval-results",
    show_default=True,
    metavar="DIR",
    help="Where results are kept, in mteb's format; what is there already is not computed again.",
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FILE",
    help="Write a report too: .html (one file, with plots), .md, .csv or .json.",
)
@click.option("--beside", metavar="DIR", help="Show results of other models from this folder of mteb's files.")
@click.option("--no-baselines", is_flag=True, help="Leave out the baselines of counted words.")
@click.option(
    "--budget", type=Duration(), metavar="TIME", help="Run what fits into 90s, 10m or 1h, the most telling first."
)
@click.option(
    "--select",
    type=click.FloatRange(-1, 1),
    metavar="RHO",
    help="Evaluate nothing: TASK is a folder of results, of which tasks are dropped while they follow from the others "
    "with a rank correlation of at least RHO.",
)
@click.option("--instruct", metavar="TEXT", help='Before queries, as in "Instruct: {instruction}\\nQuery: ".')
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of intervals and tests.")
@click.option("--samples", type=click.IntRange(min=100), default=1000, show_default=True, help="Bootstrap resamples.")
@click.option("--cache", metavar="DIR", help="Where vectors are kept; the user's cache by default.")
@click.option("--again", is_flag=True, help="Compute results that are there already, too.")
@click.option(
    "--precision", type=click.Choice(["f32", "bf16"]), help="Of the network; what the backend does best by default."
)
@options.speed_options
@options.json_option
@options.debug_option
def evaluate(
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    reports: tuple[str, ...],
    beside: str | None,
    select: float | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Score models on tasks, with mteb's own definitions, intervals and paired tests.

    TASK is a data set or a folder of data sets (see 'vecloom tasks --help' for the forms), a kind and a path as in
    clustering:news.jsonl, or the name of a task or benchmark of mteb. Baselines of counted words run beside the models,
    and the report says where they win.

    \b
    Examples:
      vecloom eval -m minilm my-domain/ --report report.html
      vecloom eval -m minilm -m minilm@128 -m ./my-model sts/ retrieval/ --budget 10m
      vecloom eval -m minilm STS12 "MTEB(eng, v2)"
      vecloom eval --select 0.95 results/

    Scores are x 100 with 95 % bootstrap intervals over queries, pairs or documents. A difference is called significant
    where a paired randomisation test gives p < 0.05 after Holm's correction over all comparisons of the run.
    """  # noqa: D301 - click wants the character \b, not a backslash
    check_extra()
    if select is not None:
        selected(tasks, select, as_json)
        return
    from vecloom.evaluate.report import checked_endings, write_report

    checked_endings(reports)
    found = evaluated(models or ("minilm",), tasks, **given)
    if beside:
        from vecloom.evaluate.benchmark.published import beside as with_published

        found = with_published(found, beside)
    for report in reports:
        write_report(found, report)
    if as_json:
        show.as_json(found.as_dict())
    else:
        show.echo(table(found, reports))
    if not found.scores:
        raise SystemExit(1)


def evaluated(
    models: tuple[str, ...],
    tasks: tuple[str, ...],
    *,
    dims: tuple[int, ...] | None,
    output: str,
    no_baselines: bool,
    budget: float | None,
    instruct: str | None,
    seed: int,
    samples: int,
    cache: str | None,
    again: bool,
    precision: str | None,
    backend: str,
    threads: int | None,
) -> Evaluation:
    """Open the models, run the tasks."""
    from vecloom.evaluate.candidates import open_models
    from vecloom.evaluate.job import Settings, run
    from vecloom.evaluate.tasks.find import resolve
    from vecloom.files import cache_dir

    sources = resolve(tasks)
    opened = open_models(
        models,
        dims=dims or (),
        baselines=not no_baselines,
        cache=Path(cache) if cache else cache_dir("embeddings"),
        instruct=instruct.replace("\\n", "\n") if instruct else None,
        backend=backend,
        precision=precision,
        threads=threads,
    )
    settings = Settings(seed=seed, samples=samples, budget=budget, again=again)
    with watching() as watcher:
        return run(opened, sources, Path(output), settings=settings, watcher=watcher)


def selected(folders: tuple[str, ...], rho: float, as_json: bool) -> None:
    """Drop the tasks of a folder of results that follow from the others, and say what that keeps."""
    from vecloom.evaluate.benchmark.result_files import read_results
    from vecloom.evaluate.benchmark.select import rank_agreement_of, select_tasks

    if len(folders) != 1:
        raise UsageError("--select takes one folder of results.", "Write vecloom eval --select 0.95 results/.")
    scores = read_results(folders[0], skip_bad=True).complete()
    result = select_tasks(scores, min_spearman=rho)
    agreed = rank_agreement_of(scores, result.kept)
    answer = {
        "kept": list(result.kept),
        "removed": list(result.removed),
        "models": len(scores.models),
        "spearman": agreed.mean.spearman,
        "spearman_borda": agreed.borda.spearman,
        "random_subsets": agreed.random_mean,
    }
    if as_json:
        show.as_json(answer)
        return
    show.echo(f"Kept {agreed.kept} of {agreed.tasks} tasks: {', '.join(result.kept)}.")
    if result.removed:
        show.echo(f"Dropped, the best predicted first: {', '.join(result.removed)}.")
    show.echo(
        f"The order of {len(scores.models)} models by their mean: Spearman {_figure(agreed.mean.spearman)} between all tasks "
        f"and these; {_figure(agreed.random_mean)} for random choices of as many."
    )


def table(found: Evaluation, reports: tuple[str, ...]) -> str:
    """The result for people."""
    import shutil

    from vecloom.evaluate.report import terminal_table

    lines = [terminal_table(found, shutil.get_terminal_size((120, 40)).columns)]
    lines += [f"Report: {report}" for report in reports]
    return "\n".join(lines)


def check_extra() -> None:
    """Say which extra is missing before anything else is done.

    Raises:
        MissingExtraError: mteb is not installed.
    """
    import importlib.util

    if importlib.util.find_spec("mteb") is None:
        raise MissingExtraError("Evaluation needs mteb.", "eval")


@contextmanager
def watching() -> Iterator[Watcher]:
    """A bar over results on a terminal, nothing elsewhere."""
    from vecloom.evaluate.job import Silent

    if not sys.stderr.isatty():
        yield Silent()
        return
    from rich import progress as rich
    from rich.console import Console

    columns = [
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[texts]}"),
        rich.TimeRemainingColumn(),
    ]
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        yield ResultBar(drawn)


class ResultBar:
    """Draws what a run tells: results done, the one at work, texts encoded for it."""

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn
        self._task = drawn.add_task("Evaluating", total=None, texts="")
        self._texts = 0

    def total(self, count: int) -> None:
        """So many results there will be."""
        self._drawn.update(self._task, total=count)

    def begin(self, task: str, model: str) -> None:
        """A result is being computed."""
        self._texts = 0
        self._drawn.update(self._task, description=f"{task}, {model}", texts="")

    def advance(self, texts: int) -> None:
        """So many more texts were encoded."""
        self._texts += texts
        self._drawn.update(self._task, texts=f"{counted(self._texts, 'text')}")

    def end(self, task: str, model: str) -> None:
        """A result is there, or failed."""
        self._drawn.advance(self._task)


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
