"""``vecloom extend tokenizer``: another tokenizer for a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from vecloom.extend.vocabulary.transfer import Plan, TransferSummary


@click.command(short_help="Give a model another tokenizer.")
@click.argument("model", required=False, metavar="MODEL")
@click.option("--tokenizer", metavar="T", help="A tokenizer.json, a folder with one, or the name of a model.")
@click.option("-o", "--output", metavar="OUT", help="Folder to write: a sentence-transformers model.")
@click.option("--method", default="mean", show_default=True, help="How to make new rows; --explain lists them.")
@click.option(
    "--corpus", multiple=True, metavar="FILE", help="Texts of the language or domain, for methods that learn."
)
@click.option("--words", metavar="FILE", help="Word vectors for wechsel, in word2vec's text format.")
@click.option("--donor", metavar="MODEL", help="The model that the tokenizer comes from, for focus and omp.")
@click.option("--hypernetwork", metavar="H", help="What 'vecloom extend hypernetwork' trained for MODEL, for zett.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the method, as in atoms=32.")
@click.option("--recipe", metavar="FILE.yaml", help="Write a recipe for 'vecloom train' that tunes OUT on the corpus.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is random.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
@click.option("--explain", is_flag=True, help="Say what would be done, or what the methods do, and stop.")
@options.reading_options
@options.json_option
@options.debug_option
def tokenizer(
    model: str | None,
    tokenizer: str | None,
    output: str | None,
    method: str,
    corpus: tuple[str, ...],
    words: str | None,
    donor: str | None,
    hypernetwork: str | None,
    settings: tuple[str, ...],
    recipe: str | None,
    seed: int,
    overwrite: bool,
    explain: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Give a model another tokenizer, with embeddings made out of those it has.

    What both vocabularies have is copied, the rest composed; no training. The model keeps its special tokens and what it
    puts around a text. --recipe writes what 'vecloom train' needs to tune the result.

    \b
    Examples:
      vecloom extend tokenizer minilm --tokenizer domain.json -o minilm-domain
      vecloom extend tokenizer minilm --tokenizer domain.json --method focus --corpus docs/ -o minilm-domain
      vecloom extend tokenizer minilm --tokenizer ./other-model --method omp --donor ./other-model -o minilm-other
      vecloom extend tokenizer minilm --tokenizer domain.json --method zett --hypernetwork minilm-h -o minilm-domain
      vecloom extend tokenizer minilm --tokenizer domain.json --corpus docs/ --recipe tune.yaml -o minilm-domain
      vecloom extend tokenizer --explain
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.cli.extend import setting

    if explain and not model:
        _show(methods_table(), as_json, as_rows)
        return
    if not model or not tokenizer:
        missing = "model" if not model else "tokenizer"
        raise UsageError(
            f"There is no {missing}.", "Write it as in: vecloom extend tokenizer minilm --tokenizer T -o OUT"
        )
    chosen = dict(map(setting, settings)) | ({"hypernetwork": hypernetwork} if hypernetwork else {})
    if explain:
        from vecloom.extend.vocabulary.transfer import plan_transfer

        _show(explained(plan_transfer(model, tokenizer, method=method, options=chosen)), as_json, show.pairs)
        return
    if not output:
        raise UsageError("There is no output.", "Name a folder with -o, or ask with --explain.")
    if recipe:
        check_recipe(recipe, corpus, overwrite)
    from vecloom.extend.vocabulary.auxiliary import read_vectors
    from vecloom.extend.vocabulary.transfer import transfer_tokenizer

    texts = corpus_texts(corpus, reading) if corpus else []
    done = transfer_tokenizer(
        model,
        tokenizer,
        output,
        method=method,
        texts=texts,
        words=read_vectors(words) if words else None,
        donor=donor,
        options=chosen,
        seed=seed,
        overwrite=overwrite,
    )
    if recipe:
        write_recipe(recipe, model, output, texts, seed)
    _show(done, as_json, lambda summary: sentence(summary, recipe))


def corpus_texts(corpus: tuple[str, ...], reading: dict[str, Any]) -> list[str]:
    """The texts of files, folders and globs.

    Raises:
        UsageError: one of them is not there.
        DataError: a record cannot be read.
    """
    from vecloom.data.fields import FieldMap
    from vecloom.data.reader import read

    fields = FieldMap.parse(list(reading["fields"]))
    found = read(corpus, fields=fields, skip_bad=reading["skip_bad"], lines=reading["lines"])
    return [f"{document.title} {document.text}".strip() for document in found]


def check_recipe(recipe: str, corpus: tuple[str, ...], overwrite: bool) -> None:
    """Have a corpus to tune on, and a place for the recipe.

    Raises:
        UsageError: there is no corpus, the name is no recipe's, or something is there.
    """
    if not corpus:
        raise UsageError("--recipe needs texts to tune on.", "Give them with --corpus.")
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{recipe} is no name for a recipe.", "Let it end in .yaml.")
    there = next((file for file in (path, path.with_suffix(".jsonl")) if file.exists()), None)
    if there and not overwrite:
        raise UsageError(f"{there} exists.", "Choose another name, or add --overwrite.")


def write_recipe(recipe: str, model: str, output: str, texts: list[str], seed: int) -> None:
    """Score pairs of the corpus by the old model, and write them with a recipe."""
    import vecloom as vl
    from vecloom.extend.vocabulary.tuning import scored_pairs, sentences, write_tuning

    pairs = list(scored_pairs(vl.load(model), sentences(texts, seed=seed), seed))
    write_tuning(Path(recipe), output, f"{output}-tuned", pairs, seed)


def methods_table() -> list[dict[str, Any]]:
    """All methods, what they need and what can be set."""
    from vecloom.extend.vocabulary.methods import METHODS

    return [
        {
            "method": name,
            "does": method.does,
            "needs": method.needs,
            "options": dict(method.options),
            "source": method.source,
        }
        for name, method in METHODS.items()
    ]


def explained(plan: Plan) -> dict[str, Any]:
    """What would be done, checked as far as it can be without working."""
    from vecloom.extend.vocabulary.methods import METHODS

    method = METHODS[plan.method]
    counts = plan.alignment.as_dict()
    return {
        "method": plan.method,
        "does": f"{method.does} ({method.source})",
        "needs": method.needs or "nothing beside model and tokenizer",
        "model": f"{plan.opened.name}: {len(plan.opened.tokenizer.get_vocab()):,} tokens, {plan.alignment.source.scheme}",
        "tokenizer": f"{plan.target.name}: {counts['tokens']:,} tokens, {plan.alignment.target.scheme}",
        "shared": f"{counts['shared']:,}",
        "special": f"{counts['special']:,}",
        "new": f"{counts['new']:,}, {counts['new_with_pieces']:,} of them made of pieces that the model knows",
        "options": ", ".join(f"{name} = {value}" for name, value in plan.options.items()) or "none",
    }


def sentence(summary: TransferSummary, recipe: str | None) -> str:
    """Say in a few lines what was done."""
    lines = [
        f"{summary.model} with the tokenizer of {summary.tokenizer} in {summary.output}, by {summary.method}: "
        f"{summary.tokens_after:,} tokens ({summary.shared:,} shared, {summary.new:,} new) instead of "
        f"{summary.tokens_before:,}, {summary.seconds:,.1f} s."
    ]
    if summary.per_text:
        before, after = summary.per_text
        lines.append(
            f"A text of the corpus has {after:,.1f} tokens instead of {before:,.1f} ({after / before - 1:+.1%})."
        )
    if recipe:
        lines.append(f"To tune it: vecloom train {recipe}")
    return "\n".join(lines)


def as_rows(table: list[dict[str, Any]]) -> str:
    """The methods in columns."""
    rows = [
        (
            row["method"],
            row["does"],
            row["needs"] or "-",
            " ".join(f"{key}={value}" for key, value in row["options"].items()),
        )
        for row in table
    ]
    return show.columns(rows, ("method", "what it does", "needs", "options (--set)"))


def _show(value: Any, as_json: bool, written: Any) -> None:
    if as_json:
        show.as_json(value.as_dict() if hasattr(value, "as_dict") else value)
    else:
        show.echo(written(value))
