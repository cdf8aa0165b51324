"""``vecloom domain-gap``: whether models are worse on a domain, and whether its texts are merely harder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vecloom.cli import options, show
from vecloom.cli.evaluate import check_extra
from vecloom.errors import UsageError
from vecloom.wording import counted

if TYPE_CHECKING:
    from vecloom.evaluate.domain.domain_gap import DomainGapReport
    from vecloom.evaluate.domain.domain_rows import ScoreRow


@click.command("domain-gap", short_help="Is a domain harder for models, or only its texts?")
@click.argument("scores", nargs=-1, required=True, metavar="SCORES...")
@click.option("--complexity", metavar="FILE", help="CSV of dataset and measures, as 'vecloom complexity -o' writes it.")
@click.option("--general", metavar="NAME", help='Which domain is the general one; "general" by default.')
@click.option("--plot", metavar="FILE", help="Draw score against complexity, as .svg or .png.")
@click.option("--measure", default="entropy_sample", show_default=True, help="Measure to draw.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@options.json_option
@options.debug_option
def domain_gap(
    scores: tuple[str, ...],
    complexity: str | None,
    general: str | None,
    plot: str | None,
    measure: str,
    seed: int,
    as_json: bool,
) -> None:
    """Compare models' scores on a general and a special domain, with the texts' complexity controlled.

    SCORES is one CSV file with the columns model, dataset, domain, task_type and score, or two folders of results in mteb's
    format: the general one, then the special one.

    \b
    Examples:
      vecloom domain-gap scores.csv --complexity complexity.csv --plot gap.svg
      vecloom domain-gap results-general/ results-finance/
    """  # noqa: D301 - click wants the character \b, not a backslash
    check_extra()
    from vecloom.evaluate.domain import domain_gap as gap
    from vecloom.evaluate.domain.domain_rows import read_complexity_csv

    rows = list(rows_of(scores))
    measures = read_complexity_csv(complexity) if complexity else None
    found = gap.domain_gap(rows, measures, general=general, seed=seed)
    if plot:
        if measures is None:
            raise UsageError("--plot needs the data sets' complexity.", "Give it with --complexity.")
        draw(rows, measures, measure, general, Path(plot))
    if as_json:
        show.as_json(found.as_dict())
    else:
        show.echo(readable(found))


def rows_of(scores: tuple[str, ...]) -> Iterator[ScoreRow]:
    """Rows of a CSV file, or of two folders of results."""
    from vecloom.evaluate.benchmark.result_files import read_results
    from vecloom.evaluate.domain.domain_rows import ScoreRow, read_scores_csv

    folders = [Path(given).is_dir() for given in scores]
    if folders == [False]:
        yield from read_scores_csv(scores[0])
        return
    if folders != [True, True]:
        raise UsageError("domain-gap takes one CSV file, or two folders of results.", "See vecloom domain-gap --help.")
    for folder, domain in zip(scores, ("general", "special"), strict=True):
        table = read_results(folder, skip_bad=True)
        for row, model in enumerate(table.models):
            for column, task in enumerate(table.tasks):
                if table.values[row, column] == table.values[row, column]:
                    yield ScoreRow(model, task, domain, table.types[column], float(table.values[row, column]))


def draw(
    rows: list[ScoreRow], measures: dict[str, dict[str, float]], measure: str, general: str | None, path: Path
) -> None:
    """Write the plot of score against complexity."""
    from vecloom.evaluate.domain.plots_domain import score_plot
    from vecloom.files import atomic_path

    if path.suffix not in (".svg", ".png"):
        raise UsageError(f"A plot cannot be written as {path.name}.", "Name it .svg or .png.")
    figure = score_plot(rows, measures, measure, general=general)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:])


def readable(found: DomainGapReport) -> str:
    """The report in lines."""
    lines = [
        f"{counted(len(found.models), 'model')}, {len(found.general_sets)} {found.general} and {len(found.special_sets)} "
        f"{found.special} data sets. Gaps are {found.special} less {found.general}, x 100."
    ]
    lines += [
        f"{t.task_type}: gap {100 * t.gap:+.1f}, p {t.p:.3f} by permutation of data sets." for t in found.permutation
    ]
    for fit in found.regressions:
        low, high = 100 * fit.domain.low, 100 * fit.domain.high
        lines.append(
            f"With {fit.measure} controlled: gap {100 * fit.domain.estimate:+.1f} ({low:+.1f} to {high:+.1f}), "
            f"p {fit.domain.p:.3f}; without control {100 * fit.raw_domain.estimate:+.1f}."
        )
    for ranks in found.ranks:
        rho = "undefined" if ranks.rho is None else f"{ranks.rho:.2f}"
        lines.append(f"{ranks.task_type}: Spearman of the models' order {rho} (n = {ranks.n}). {ranks.note}".rstrip())
    return "\n".join([*lines, *found.notes])
