"""``vecloom mine``: pairs become training data with hard negatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.cli.train import check_extra

if TYPE_CHECKING:
    from vecloom.train.mine import MineSummary

FORMATS = ("n-tuple", "triplet", "labelled-pair", "labelled-list")


@click.command(short_help="Find hard negatives for pairs.")
@click.argument("pairs", metavar="PAIRS")
@click.option("-o", "--output", required=True, metavar="OUT.jsonl", help="File to write, in JSON lines.")
@options.model_option
@click.option("--column", "columns", multiple=True, metavar="NAME=COLUMN", help="Where anchor and positive are.")
@click.option("--corpus", metavar="FILE", help="Texts that negatives come from, beside all positives: a column text.")
@click.option("--negatives", type=click.IntRange(min=1), default=3, show_default=True, help="How many for each anchor.")
@click.option("--rank-min", type=click.IntRange(min=0), default=0, show_default=True, help="Nearest ones passed over.")
@click.option("--rank-max", type=click.IntRange(min=1), help="Nearest ones looked at; as many as are needed.")
@click.option(
    "--threshold",
    type=click.Choice(["percpos", "marginpos", "none"]),
    default="percpos",
    show_default=True,
    help="percpos: at most 95 % of the positive's score; marginpos: 0.05 below it.",
)
@click.option("--relative-margin", type=float, help="Instead: at most this share below the positive's score.")
@click.option("--absolute-margin", type=float, help="Instead: so much below the positive's score.")
@click.option("--max-score", type=float, help="Highest score of a negative.")
@click.option("--min-score", type=float, help="Lowest score of a negative.")
@click.option("--sampling", type=click.Choice(["top", "random"]), default="top", show_default=True)
@click.option("--cross-encoder", metavar="MODEL", help="Let this model score candidates and positives again.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="n-tuple", show_default=True)
@click.option("--scores", is_flag=True, help="Write the similarities, too.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of random sampling.")
@options.speed_options
@options.json_option
@options.debug_option
def mine(
    pairs: str,
    output: str,
    model: str,
    columns: tuple[str, ...],
    corpus: str | None,
    threshold: str,
    cross_encoder: str | None,
    form: str,
    backend: str,
    threads: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Find hard negatives for pairs: texts near an anchor that are, as far as scores tell, no matches.

    PAIRS is a .jsonl, .csv, .tsv or .parquet file with the columns anchor and positive. The result is a file that 'vecloom
    train' reads.

    \b
    Examples:
      vecloom mine pairs.jsonl -o hard.jsonl
      vecloom mine faq.csv -o hard.jsonl --column anchor=question --column positive=answer --negatives 5
      vecloom mine pairs.jsonl -o hard.jsonl --corpus passages.jsonl --rank-min 10 --cross-encoder ./reranker
    """  # noqa: D301 - click wants the character \b, not a backslash
    check_extra()
    from vecloom import load
    from vecloom.train.mine import THRESHOLDS, from_mapping
    from vecloom.train.mine import mine as find

    own = any(given[name] is not None for name in ("relative_margin", "absolute_margin"))
    preset = THRESHOLDS.get(threshold, {}) if not own else {}
    settings = from_mapping({"format": form, **given, **preset})
    found = find(
        read_pairs(pairs, columns),
        load(model, backend=backend, threads=threads),
        output,
        corpus=read_texts(corpus) if corpus else None,
        settings=settings,
        cross_encoder=open_cross_encoder(cross_encoder) if cross_encoder else None,
    )
    if as_json:
        from dataclasses import asdict

        show.as_json(asdict(found))
    else:
        show.echo(sentences(found, output))


def read_pairs(path: str, columns: tuple[str, ...]) -> list[tuple[str, str]]:
    """Anchors and positives of a file.

    Raises:
        UsageError: a column option is no NAME=COLUMN.
        DataError: as for training data.
    """
    from vecloom.errors import UsageError
    from vecloom.train.data import read_table
    from vecloom.train.recipe import DataSource

    wrong = next((column for column in columns if "=" not in column), None)
    if wrong is not None:
        raise UsageError(f"--column {wrong} is no NAME=COLUMN.", "Write it as in --column anchor=question.")
    mapping = {name: column for name, _, column in (column.partition("=") for column in columns)}
    rows = read_table(DataSource(path=path, shape="pairs", columns=mapping)).rows
    return list(zip(rows["anchor"], rows["positive"], strict=True))


def read_texts(path: str) -> list[str]:
    """The texts of a file."""
    from vecloom.train.data import read_table
    from vecloom.train.recipe import DataSource

    return list(read_table(DataSource(path=path, shape="sentences")).rows["sentence"])


def open_cross_encoder(name: str) -> Any:
    """A reranker by directory or Hub id."""
    from sentence_transformers import CrossEncoder

    from vecloom.encoders.resolve import resolve

    return CrossEncoder(str(resolve(name)))


def sentences(found: MineSummary, output: str) -> str:
    """Say in a few lines what was found."""
    done = f"{show.count(found.rows, 'row')} with {show.count(found.negatives, 'negative')} in {output}."
    notes = [
        f"{show.count(found.pairs, 'pair')}, {show.count(found.corpus, 'text')} searched"
        + (" approximately" if found.approximate else ""),
        f"{show.count(found.missing, 'pair')} had fewer negatives than wanted" if found.missing else "",
        *(f"{name} dropped {show.count(count, 'candidate')}" for name, count in found.skipped.items() if count),
        *(f"{name}: mean score {values['mean']:.3f}" for name, values in found.scores.items() if values),
    ]
    return "\n".join([done, *(f"  {note}" for note in notes if note)])
