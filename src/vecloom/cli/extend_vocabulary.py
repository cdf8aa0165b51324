"""``vecloom extend vocabulary``: fewer tokens, more tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from vecloom.extend.vocabulary.resize import Resized, VocabularySummary

_SHOWN = 12


@click.command(short_help="Trim a model's vocabulary to a corpus, or add its words.")
@click.argument("model", metavar="MODEL")
@click.argument("corpus", nargs=-1, metavar="CORPUS...")
@click.option("-o", "--output", metavar="OUT", help="Folder to write: a sentence-transformers model.")
@click.option("--trim", is_flag=True, help="Remove the tokens that the corpus does not use.")
@click.option(
    "--add", type=click.IntRange(min=1), metavar="N", help="Make N of the corpus's words tokens of their own."
)
@click.option(
    "--least", type=click.IntRange(min=1), metavar="COUNT",
    help="How often a token has to occur to stay (1), or a word to come (5).",
)  # fmt: skip
@click.option(
    "--script", "scripts", multiple=True, metavar="NAME", help="With --trim: keep a whole script, as in latin."
)
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
@click.option("--explain", is_flag=True, help="Say what would be done, and stop.")
@options.reading_options
@options.json_option
@options.debug_option
def vocabulary(
    model: str,
    corpus: tuple[str, ...],
    output: str | None,
    trim: bool,
    add: int | None,
    least: int | None,
    scripts: tuple[str, ...],
    overwrite: bool,
    explain: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Fit a model's vocabulary to a corpus.

    --trim removes rows of tokens that it does not use: a smaller model, with exactly the same vectors for texts whose
    tokens stay. --add gives its frequent words, which are cut into pieces now, a token each: fewer tokens for a text,
    with exactly the same vectors for texts without these words. Both may be given.

    \b
    Examples:
      vecloom extend vocabulary minilm docs/ --trim -o minilm-small
      vecloom extend vocabulary minilm docs/ --add 1000 -o minilm-words
      vecloom extend vocabulary ./multilingual docs/ --trim --script latin --script greek -o small
    """  # noqa: D301 - click wants the character \b, not a backslash
    from pathlib import Path

    from vecloom.cli.extend_tokenizer import corpus_texts
    from vecloom.extend.vocabulary.resize import plan_resize, resize_vocabulary
    from vecloom.files import check_output

    if scripts and not trim:
        raise UsageError("--script needs --trim.", "Add it.")
    if not corpus and (add or not scripts):
        raise UsageError("There is no corpus.", "Name files or folders with texts of your own.")
    if output:
        check_output(Path(output), overwrite=overwrite)
    elif not explain:
        raise UsageError("There is no output.", "Name a folder with -o, or ask with --explain.")
    if not trim and not add:
        raise UsageError("There is nothing to do.", "Give --trim, --add 1000, or both.")
    texts = corpus_texts(corpus, reading) if corpus else []
    wanted: dict[str, Any] = {"trim": trim, "add": add or 0, "least": least, "scripts": scripts}
    if explain or not output:
        _show(explained(plan_resize(model, texts, **wanted)), as_json, show.pairs)
    else:
        _show(resize_vocabulary(model, texts, output, overwrite=overwrite, **wanted), as_json, sentence)


def explained(plan: Resized) -> dict[str, Any]:
    """What would be done."""
    words = [f"{word.text} ({word.count:,} times, {word.pieces} pieces)" for word in plan.words[:_SHOWN]]
    saved = {"saved": f"{show.count(plan.saved, 'token')} of the corpus, as both tokenizers cut it"} if words else {}
    return {
        "model": plan.opened.name,
        "tokens": f"{len(plan.opened.tokenizer.get_vocab()):,} now, {len(plan.tokenizer.get_vocab()):,} then",
        "removed": f"{plan.removed:,}",
        "added": f"{len(plan.words):,}",
        **saved,
        "first words": ", ".join(words) or "none",
    }


def sentence(summary: VocabularySummary) -> str:
    """Say in a few lines what was done."""
    lines = [
        f"{summary.model} with {summary.tokens_after:,} tokens instead of {summary.tokens_before:,} in {summary.output}: "
        f"{summary.removed:,} removed, {show.count(len(summary.added), 'word')} added, {summary.parameters:+,} numbers, "
        f"{summary.seconds:,.1f} s."
    ]
    if summary.added:
        more = ", ..." if len(summary.added) > _SHOWN else ""
        lines.append(f"Added: {', '.join(summary.added[:_SHOWN])}{more}")
        lines.append(f"They save {show.count(summary.saved, 'token')} in the corpus.")
    if summary.per_text:
        before, after = summary.per_text
        lines.append(
            f"A text of the corpus has {after:,.1f} tokens instead of {before:,.1f} ({after / before - 1:+.1%})."
        )
    return "\n".join(lines)


def _show(value: Any, as_json: bool, written: Any) -> None:
    if as_json:
        show.as_json(value.as_dict() if hasattr(value, "as_dict") else value)
    else:
        show.echo(written(value))
