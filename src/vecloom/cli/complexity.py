"""``vecloom complexity``: how hard sets of texts are, before one asks whether a model is bad at them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import click

from vecloom.cli import options, show
from vecloom.cli.evaluate import check_extra

MEASURES = ("entropy_sample", "entropy_text", "fog", "mdd")
HEADER = ("set", "texts", "words/sentence", "syllables/word", *MEASURES)


@click.command(short_help="How hard texts are: entropy, readability, syntax.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--texts", type=click.IntRange(min=1), default=500, show_default=True, help="Texts to draw of each set.")
@click.option(
    "--sample", type=click.IntRange(min=1), default=5000, show_default=True, help="Words behind entropy_sample."
)
@click.option("--parser", metavar="PIPELINE", help="An installed spaCy pipeline, for mdd, as in en_core_web_sm.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "-o", "--output", metavar="FILE", help="Write dataset,measure columns as CSV, for domain-gap --complexity."
)
@options.reading_options
@options.json_option
@options.debug_option
def complexity(
    inputs: tuple[str, ...],
    texts: int,
    sample: int,
    parser: str | None,
    seed: int,
    output: str | None,
    fields: tuple[str, ...],
    skip_bad: bool,
    lines: bool,
    as_json: bool,
) -> None:
    """Measure how hard sets of texts are.

    Each INPUT is one set: a data set as 'vecloom tasks --help' describes it, or files as 'vecloom index' reads them.
    Compare sets by entropy_sample (bits over a fixed number of words; entropy_text grows with a text's length), fog
    (Gunning's index, about the years of school a reader needs) and mdd (mean dependency distance, needs a parser).

    \b
    Examples:
      vecloom complexity cranfield/ banking77/
      vecloom complexity contracts/ news.jsonl --field text=body --json
    """  # noqa: D301 - click wants the character \b, not a backslash
    from dataclasses import asdict

    from vecloom.data import FieldMap
    from vecloom.evaluate.domain.complexity import complexity_profile
    from vecloom.evaluate.domain.dependency import spacy_parser
    from vecloom.files import write_text

    mapping = FieldMap.parse(list(fields))
    parse = spacy_parser(parser) if parser else None
    found = {}
    for given in inputs:
        drawn = some(list(texts_of(given, mapping, skip_bad, lines)), texts, seed)
        found[Path(given).name] = complexity_profile(drawn, parser=parse, sample_tokens=sample, seed=seed)
    if output:
        rows = [[name, *(getattr(profile, measure) for measure in MEASURES)] for name, profile in found.items()]
        write_text(output, as_csv(("dataset", *MEASURES), rows))
    if as_json:
        show.as_json({name: asdict(profile) for name, profile in found.items()})
        return
    rows = [
        [name, f"{p.texts:,}", figure(p.words_per_sentence), figure(p.syllables_per_word)]
        + [figure(getattr(p, measure)) for measure in MEASURES]
        for name, p in found.items()
    ]
    reasons = dict.fromkeys(f"{what}: {why}" for profile in found.values() for what, why in profile.missing.items())
    show.echo("\n".join([show.columns(rows, HEADER), *reasons]))


def texts_of(given: str, mapping: object, skip_bad: bool, lines: bool) -> Iterator[str]:
    """The texts of a data set, or of files."""
    from vecloom.evaluate.tasks.local import is_task

    path = Path(given)
    if path.is_dir() and is_task(path):
        check_extra()
        from vecloom.evaluate.baselines import SEARCHED, corpus_texts, task_texts
        from vecloom.evaluate.tasks.local import open_task
        from vecloom.evaluate.tasks.mteb_tasks import as_mteb

        task = as_mteb(open_task(path))
        yield from corpus_texts(task) if task.metadata.type in SEARCHED else task_texts(task)
        return
    from vecloom.data import read

    for document in read([given], fields=mapping, skip_bad=skip_bad, lines=lines):  # type: ignore[arg-type]
        yield document.text


def some(texts: list[str], most: int, seed: int) -> list[str]:
    """So many different texts, drawn with a seed, in their order."""
    import numpy as np

    different = list(dict.fromkeys(texts))
    if len(different) <= most:
        return different
    chosen = np.random.default_rng(seed).choice(len(different), most, replace=False)
    return [different[place] for place in sorted(chosen.tolist())]


def as_csv(header: tuple[str, ...], rows: list[list[object]]) -> str:
    """Rows as CSV; None is an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def figure(value: float | None) -> str:
    """Two digits, "-" where there is nothing."""
    return "-" if value is None else f"{value:.2f}"
