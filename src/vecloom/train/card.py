"""The card of a trained model: data, recipe, seeds, scores and hardware, from what the run itself knew.

The YAML head is the Hub's; the rest is ours. Every figure in it came out of this run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from vecloom.files import file_digest
from vecloom.train.machine import hardware

if TYPE_CHECKING:
    from vecloom.train.data import Table
    from vecloom.train.recipe import DataSource, Recipe


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        dim: dimensions of the vectors.
        max_length: tokens after which a text is cut.
        precision: what the network was computed in.
        processes: how many shared each batch.
        steps: of the optimiser.
        seconds: in steps, without measuring and saving.
        pairs_per_second: rows through the model.
        loss: its first and its last logged mean, where there was one.
        before: scores of the model before the first step.
        after: scores of the model that was saved.
        best_step: the step that it comes from.
        stopped: why before the end, or "".
        tokens_per_second: through the model, padding not counted; 0 where unknown.
        operations_per_second: of the model's arithmetic; 0 where unknown.
        utilisation: these as a share of what the GPU's data sheet names, where it is known.
        cutting: how much of the training texts the model reads, in words.
        own_modules: whether the model has modules of vecloom, which has to be installed to load it.
    """

    dim: int
    max_length: int
    precision: str
    processes: int
    steps: int
    seconds: float
    pairs_per_second: float
    loss: tuple[float, float] | None
    before: Mapping[str, float]
    after: Mapping[str, float]
    best_step: int
    stopped: str
    tokens_per_second: float = 0.0
    operations_per_second: float = 0.0
    utilisation: float | None = None
    cutting: str = ""
    own_modules: bool = False


def write_card(name: str, recipe: Recipe, tables: Sequence[Table], outcome: Outcome) -> str:
    """The text of README.md."""
    parts = [
        _head(recipe),
        f"# {name}\n\n{_what(outcome)}\n\n{_use(name, own=outcome.own_modules)}",
        f"## Training data\n\n{_data(recipe, tables)}",
        f"## Scores\n\n{_scores(outcome)}",
        f"## Training\n\n{_training(recipe, outcome)}",
        f"## Recipe\n\nAll effective values, for `vecloom train`:\n\n```yaml\n{recipe_yaml(recipe)}```",
    ]
    return "\n\n".join(parts) + "\n"


def recipe_yaml(recipe: Recipe) -> str:
    """A recipe with all its values, that ``load_recipe`` reads."""
    values = recipe.model_dump(mode="json")
    for holder in [values, *values["data"]]:
        if holder["loss"]:
            holder["loss"] = {"name": holder["loss"]["name"], **holder["loss"]["options"]}
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    return text


def digest_of(source: DataSource) -> str:
    """SHA-256 of a local file, or the Hub's name of a data set."""
    return file_digest(str(source.path)) if source.path else f"hub:{source.hub}/{source.subset or ''}/{source.split}"


def _head(recipe: Recipe) -> str:
    hubs = [source.hub for source in recipe.data if source.hub]
    head: dict[str, Any] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": [
            "sentence-transformers",
            "sentence-similarity",
            "feature-extraction",
            "vecloom",
            f"loss:{recipe.loss.name}",
        ],
        "base_model": recipe.model,
    }
    if hubs:
        head["datasets"] = hubs
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---"


def _what(outcome: Outcome) -> str:
    cut = f"; texts of more than {outcome.max_length:,} tokens are cut" if outcome.max_length else ""
    return f"Texts become vectors of {outcome.dim} dimensions{cut}."


def _use(name: str, *, own: bool) -> str:
    trusted = ", trust_remote_code=True" if own else ""
    needed = "It has modules of vecloom: `pip install 'vecloom[torch]'`.\n\n" if own else ""
    return (
        f"{needed}```python\nfrom sentence_transformers import SentenceTransformer\n\n"
        f'model = SentenceTransformer("{name}"{trusted})\nvectors = model.encode(["a text", "another"])\n```'
    )


def _data(recipe: Recipe, tables: Sequence[Table]) -> str:
    lines = [
        "| data set | from | shape | rows | different texts | prompts | SHA-256 |",
        "| --- | --- | --- | ---: | ---: | --- | --- |",
    ]
    for source, table in zip(recipe.data, tables, strict=True):
        prompts = ", ".join(f"{column}: {prompt!r}" for column, prompt in table.prompts.items()) or "none"
        digest = digest_of(source)[:16] if source.path else "see the Hub"
        lines.append(
            f"| {table.name} | {source.path or source.hub} | {table.shape} | {len(table):,} | {table.checked.distinct:,} "
            f"| {prompts} | {digest} |"
        )
    notes = [f"\n{table.name}: {note}." for table in tables for note in table.checked.notes()]
    return "\n".join(lines) + "".join(notes)


def _scores(outcome: Outcome) -> str:
    if not outcome.after:
        return "None were measured."
    lines = ["| score | before | after |", "| --- | ---: | ---: |"]
    for name, value in outcome.after.items():
        before = outcome.before.get(name)
        lines.append(f"| {name} | {'' if before is None else f'{before:.4f}'} | {value:.4f} |")
    return "\n".join(lines) + f"\n\nIn fp32, of the model saved here, which is that of step {outcome.best_step:,}."


def _training(recipe: Recipe, outcome: Outcome) -> str:
    ends = f", {outcome.stopped}" if outcome.stopped else ""
    rows = recipe.batch_size * recipe.gradient_accumulation
    lines = [
        f"- loss `{recipe.loss.name}`, {outcome.steps:,} steps of {rows:,} rows{ends}",
        f"- the loss went from {outcome.loss[0]:.4f} to {outcome.loss[1]:.4f}" if outcome.loss else "",
        f"- seed {recipe.seed} for sampling, dropout and new weights",
        f"- {outcome.precision}, {hardware()}" + (f", {outcome.processes} processes" if outcome.processes > 1 else ""),
        f"- {outcome.seconds:,.0f} s in steps, {outcome.pairs_per_second:,.0f} rows/s{_arithmetic(outcome)}",
        f"- {outcome.cutting}" if outcome.cutting else "",
        f"- {_versions()}",
    ]
    return "\n".join(line for line in lines if line)


def _arithmetic(outcome: Outcome) -> str:
    said = f", {outcome.tokens_per_second:,.0f} tokens/s" if outcome.tokens_per_second else ""
    if outcome.operations_per_second:
        said += f", {outcome.operations_per_second / 1e12:,.3g} TFLOP/s"
    return said + (f" ({outcome.utilisation:.1%} of the data sheet's)" if outcome.utilisation else "")


def _versions() -> str:
    from importlib.metadata import version

    names = ("vecloom", "torch", "transformers", "sentence-transformers")
    return ", ".join(f"{name} {version(name)}" for name in names)
