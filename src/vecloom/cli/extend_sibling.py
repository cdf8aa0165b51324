"""``vecloom extend sibling``: a base model's new tokenizer for a model that was tuned from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vecloom.cli import options, show
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from vecloom.extend.zett.sibling import SiblingSummary


@click.command(short_help="Hand a base's new tokenizer on to a model tuned from it.")
@click.argument("finetuned", metavar="FINETUNED")
@click.option("--base", required=True, metavar="MODEL", help="The model that FINETUNED was tuned from.")
@click.option(
    "--transferred", required=True, metavar="MODEL", help="The base with another tokenizer, tuned since or not."
)
@click.option("-o", "--output", metavar="OUT", help="Folder to write: a sentence-transformers model.")
@click.option("--weight", type=float, default=0.5, show_default=True, help="Of what the base's other weights moved by.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
@click.option("--explain", is_flag=True, help="Say what would be done, and stop.")
@options.json_option
@options.debug_option
def sibling(
    finetuned: str,
    base: str,
    transferred: str,
    output: str | None,
    weight: float,
    overwrite: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """Hand a base model's new tokenizer on to a model that was tuned from it, without training.

    OUT has the token vectors of the transferred base. Its other weights are FINETUNED's, plus --weight times what the base's
    moved by when it was tuned after its transfer (ZeTT, section 4.3).

    \b
    Examples:
      vecloom extend sibling my-model --base minilm --transferred minilm-domain -o my-model-domain
      vecloom extend sibling my-model --base minilm --transferred minilm-domain-tuned --weight 0.3 -o my-model-domain
    """  # noqa: D301 - click wants the character \b, not a backslash
    if explain:
        rule = f"token rows of {transferred}; every other tensor: {finetuned} + {weight:g} ({transferred} - {base})"
        told = {"finetuned": finetuned, "base": base, "transferred": transferred, "weight": weight, "result": rule}
        if as_json:
            show.as_json(told)
        else:
            show.echo(show.pairs(told))
        return
    if not output:
        raise UsageError("There is no output.", "Name a folder with -o, or ask with --explain.")
    from vecloom.extend.zett.sibling import apply_to_finetuned

    done = apply_to_finetuned(finetuned, base, transferred, output, weight=weight, overwrite=overwrite)
    if as_json:
        show.as_json(done.as_dict())
    else:
        show.echo(sentence(done))


def sentence(done: SiblingSummary) -> str:
    """Say what was done."""
    return (
        f"{done.output}: {done.finetuned} with the {show.count(done.tokens, 'token')} of {done.transferred}; "
        f"{show.count(done.moved, 'other tensor')} moved by {done.weight:g} of the base's way, {done.seconds:,.1f} s."
    )
