"""``vecloom embed``: texts in, one file of vectors out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.cli.progress import bar

if TYPE_CHECKING:
    from vecloom.data import ReadReport
    from vecloom.embed import EmbedSummary

DTYPES = ("float32", "float16", "int8", "binary")


@click.command(short_help="Turn texts into one file of vectors.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="OUT", help="File to write: .parquet, .npy or .jsonl.")
@options.model_option
@click.option(
    "--kind",
    type=click.Choice(["document", "query"]),
    default="document",
    show_default=True,
    help="Which of the model's prompts to use.",
)
@click.option("--prompt", help="Text to put before each text, instead of the model's own.")
@click.option("--dim", type=click.IntRange(min=1), help="Keep only the first DIM dimensions (for Matryoshka models).")
@click.option(
    "--dtype", type=click.Choice(DTYPES), default="float32", show_default=True, help="How to store the numbers."
)
@options.reading_options
@options.selection_options
@click.option("--with-text", is_flag=True, help="Write the texts beside their vectors.")
@click.option("--with-fields", is_flag=True, help="Write the records' other fields beside their vectors, as JSON.")
@click.option("--restart", is_flag=True, help="Throw away what an interrupted run has finished.")
@options.speed_options
@options.json_option
@options.debug_option
def embed(
    inputs: tuple[str, ...],
    output: str,
    model: str,
    fields: tuple[str, ...],
    skip_bad: bool,
    lines: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    backend: str,
    threads: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Turn texts into one file of vectors, in the order of the input.

    INPUT is any number of files, folders, globs, or - for standard input. Memory stays the same however long the input
    is. When it is interrupted, even by a power cut, the same command goes on from the last finished part, and the file
    comes out as if nothing had happened; until then the parts lie in the folder .OUT.parts beside it.

    \b
    Examples:
      vecloom embed texts.jsonl -o texts.parquet
      vecloom embed reviews.csv --field text=review -o reviews.npy --dtype int8
      cat questions.txt | vecloom embed - --lines --kind query -o questions.jsonl

    The names of the rows are in the columns id, source and position; for .npy in OUT.rows.jsonl. An int8 code is worth
    offset + scale * code; these constants, one per dimension, are in OUT.json, or in the parquet file's metadata under
    "vecloom". binary keeps the sign of each dimension, eight a byte.
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom import embed as job
    from vecloom import load
    from vecloom.data import FieldMap, ReadReport
    from vecloom.data.selection import Selection
    from vecloom.data.sources import check_inputs

    job.check_output(output)
    check_inputs(inputs)
    mapping = FieldMap.parse(list(fields))
    encoder = load(model, backend=backend, threads=threads)
    report, selection = ReadReport(), Selection(include, exclude)
    with bar("Embedding", inputs, report, selection) as drawn:
        summary = job.run(
            inputs,
            encoder,
            output,
            fields=mapping,
            skip_bad=skip_bad,
            lines=lines,
            report=report,
            selection=selection,
            progress=drawn.advance,
            total=drawn.total,
            **settings,
        )
    show.columns_read(report)
    if as_json:
        show.as_json({**summary.as_dict(), "read": report.as_dict()})
    else:
        show.echo(sentence(summary, report))


def sentence(summary: EmbedSummary, report: ReadReport) -> str:
    """Say in a line or two what was done."""
    done = f"{show.count(summary.rows, 'vector')} of {summary.dim} dimensions ({summary.dtype}) in {summary.output}"
    took = f"{summary.seconds:,.1f} s, {summary.rate:,.0f} texts/s"
    kept = summary.rows - summary.encoded
    notes = [
        f"{kept:,} came from an interrupted run" if kept else "",
        f"{show.count(summary.truncated, 'text')} cut to the model's length" if summary.truncated else "",
        report.summary(),
    ]
    return "\n".join([f"{done}: {took}.", *(f"  {note}" for note in notes if note)])
