"""Recipes: one YAML file says all that decides a training run.

Source: the keys are those of every trainer of sentence encoders; each default names where it comes from, and ``explain``
prints it beside the value. The file format is ours: unknown keys are errors, a scalar may stand for a mapping's first key
(``loss: mnr`` is ``loss: {name: mnr}``), and paths are relative to the working directory, as on the command line.

When to use it: always; a run in Python takes the same ``Recipe``. Not for sweeps: make one recipe per run, with overrides.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from vecloom.errors import UsageError
from vecloom.train.recipe_file import GIVEN, Place, Tree, complain, read
from vecloom.train.recipe_network import DecoderChoice, LoraChoice
from vecloom.train.recipe_section import Section, setting

Shape: TypeAlias = Literal["sentences", "pairs", "triplets", "scored", "labels", "labelled-pairs"]
Pooling: TypeAlias = Literal["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
SHIPPED = Path(__file__).with_name("recipes")


class Row(NamedTuple):
    """One line of ``explain``: a key with dots, its value, and where that came from."""

    key: str
    value: Any
    origin: str


class LossChoice(Section):
    """Which objective, and its options beside the name."""

    name: str = Field(description="a name from vecloom.train.losses.LOSSES")
    options: dict[str, Any] = setting({}, "the loss's own options", "the loss")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and "options" not in value:
            return {"name": value.get("name"), "options": {key: value[key] for key in value if key != "name"}}
        return value


class TeacherChoice(Section):
    """A cross-encoder whose scores of a data set's pairs are learned."""

    model: str = Field(description="a directory of a sentence-transformers CrossEncoder, or a Hub id")
    batch_size: int = setting(64, "pairs that it scores at once", ge=1)
    standardise: bool = setting(False, "divide its logits by their standard deviation, where it is too sure of itself")


class DataSource(Section):
    """One data set: where it lies, what its columns are, how often it is drawn."""

    path: str | None = setting(None, "a .jsonl, .csv, .tsv or .parquet file, packed with gzip or not")
    hub: str | None = setting(None, "a data set of the Hugging Face Hub, instead of a path")
    subset: str | None = setting(None, "the configuration of a Hub data set")
    split: str = setting("train", "the split of a Hub data set")
    name: str | None = setting(None, "what to call it; the file's name without its ending")
    shape: Shape | None = setting(None, "what a row is; found from the columns' names")
    columns: dict[str, str] = setting({}, "vecloom's column: the file's column, as in anchor: question")
    prompts: dict[str, str] = setting({}, "column: text to put before each of its texts")
    instruction: str | None = setting(
        None, "the task in words, put before texts as Instruct: TASK, Query: TEXT", "NV-Embed"
    )
    instructed: Literal["queries", "all"] | None = setting(
        None, "which texts it stands before; anchors of pairs, and all texts of one kind", "NV-Embed"
    )
    weight: float = setting(1.0, "how often it is drawn, beside its size", gt=0)
    scale: tuple[float, float] = setting((0.0, 1.0), "lowest and highest score of scored pairs")
    classes: int | None = setting(None, "how many labels there are, 0 to classes - 1; counted from the data", ge=2)
    limit: int | None = setting(None, "use only the first rows", ge=1)
    negatives: int | None = setting(None, "use only the first negatives of each row; all that every row has", ge=1)
    triplets: Literal["nli", "scores", "classes", "sts"] | None = setting(
        None,
        "make triplets: of a premise with what it entails and contradicts, of scored pairs that share a sentence, of classes, "
        "or of scored pairs with negatives by BM25",
    )
    translated: bool = setting(
        False,
        "rows are machine-translated: compose their letters, leave out pairs whose texts became one against their label",
    )
    loss: LossChoice | None = setting(None, "another loss for this data set; the recipe's loss")
    teacher: TeacherChoice | None = setting(
        None, "a cross-encoder that scores the pairs, for the loss dse; kept on disk"
    )

    @model_validator(mode="after")
    def _one_place(self) -> DataSource:
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either path or hub")
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale has to rise, and {list(self.scale)} does not")
        return self

    @property
    def title(self) -> str:
        """Its name, or what its place suggests."""
        return self.name or (Path(self.path).name.partition(".")[0] if self.path else str(self.hub).rsplit("/", 1)[-1])


class Mixing(Section):
    """How several data sets share the batches of an epoch."""

    strategy: Literal["proportional", "temperature", "round-robin"] = setting(
        "proportional",
        "shares by size, by size to the power 1/temperature, or equal and in turn",
        "sentence-transformers",
    )
    temperature: float = setting(
        2.0, "1 is proportional, large is equal", "exponent 0.5: between XLM (0.7) and XLM-R (0.3)", gt=0
    )
    batches: Literal["one-task", "mixed"] = setting(
        "one-task",
        "whether a batch comes from one data set, so that negatives are of one kind",
        "PEG, arXiv 2311.11691",
    )


class EvalTask(Section):
    """Data to measure on: scored pairs, a folder in BEIR's layout, or a folder with train and test labels."""

    path: str = Field(description="a file of scored pairs, or a folder")
    name: str | None = setting(None, "what to call it; the path's last part")
    columns: dict[str, str] = setting({}, "vecloom's column: the file's column")
    split: str = setting("test", "which qrels of a BEIR folder", "BEIR")
    prompts: dict[str, str] = setting({}, "query, document or text: what to put before; the model's own")
    limit: int | None = setting(None, "use only the first rows or queries", ge=1)

    @property
    def title(self) -> str:
        """Its name, or the last part of its path; a file called test or dev takes its folder's name."""
        path = Path(self.path)
        stem = path.name.partition(".")[0]
        plain = stem in {"test", "dev", "validation", "train"} and path.parent.name
        return self.name or (path.parent.name if plain else stem)


class Evaluation(Section):
    """What is measured while the model trains."""

    tasks: tuple[EvalTask, ...] = setting((), "what to measure on")
    every: int | None = setting(None, "steps between measurements; a tenth of the run", ge=1)
    metric: str = setting("mean", "which score decides: mean of all tasks, or task_metric")
    patience: int | None = setting(None, "stop after so many measurements without a better one; never", ge=1)


class Checkpoints(Section):
    """What is kept to go on from."""

    every: int | None = setting(None, "steps between checkpoints; a tenth of the run, 100 at least", ge=1)
    keep: int = setting(2, "how many of the last ones stay", ge=1)


class Logging(Section):
    """What is written down on the way."""

    every: int = setting(10, "steps between values of the loss", ge=1)
    to: Literal["auto"] | tuple[Literal["tensorboard", "wandb"], ...] = setting(
        "auto", "auto is TensorBoard where it is installed"
    )


class Watch(Section):
    """When a run is stopped because it went wrong; nan always stops it."""

    collapse: float = setting(0.95, "mean pairwise cosine of the probe above which texts look alike", gt=0, le=1)
    probe: int = setting(64, "texts of the training data in the probe", ge=2)
    every: int = setting(100, "steps between looks at the probe, beside every checkpoint", ge=1)


class Recipe(Section):
    """All that decides a run. Make it with ``load_recipe``, or in Python by its keys."""

    model: str = Field(description="minilm, a directory, or a Hub id")
    pooling: Pooling | None = setting(None, "how a text's token vectors become one; the model's own")
    output: str = Field(description="the sentence-transformers directory to write; OUTPUT.run keeps the run beside it")
    decoder: DecoderChoice | None = setting(None, "make an encoder of a decoder first; the model is one already")
    lora: LoraChoice | None = setting(None, "train matrices beside frozen weights; all weights are trained")
    data: tuple[DataSource, ...] = Field(description="the data sets", min_length=1)
    mixing: Mixing = setting(Mixing(), "how data sets share the batches")
    loss: LossChoice = Field(description="the objective")
    batch_size: int = setting(32, "rows that the loss sees at once, over all processes", ge=2)
    mini_batch_size: int | None = setting(None, "rows encoded at once, for losses with a gradient cache", ge=1)
    gradient_accumulation: int = setting(1, "batches per step of the optimiser", ge=1)
    epochs: float = setting(1.0, "passes over the data", "SimCSE, appendix A", gt=0)
    steps: int | None = setting(None, "steps of the optimiser, instead of epochs", ge=1)
    learning_rate: float = setting(2e-5, "its peak", "Sentence-BERT, section 3.1", gt=0)
    schedule: Literal["linear", "cosine", "constant"] = setting("linear", "after the warm-up", "Sentence-BERT")
    warmup: float = setting(0.1, "share of the steps, or their number from 1 on", "Sentence-BERT, section 3.1", ge=0)
    weight_decay: float = setting(0.01, "AdamW's, not on biases and norms", "AdamW's usual value", ge=0)
    max_grad_norm: float = setting(1.0, "gradients are scaled down to this norm", "BERT", ge=0)
    seed: int = setting(42, "of sampling, dropout and initial weights", "transformers", ge=0)
    precision: Literal["auto", "bf16", "fp32"] = setting("auto", "bf16 where the hardware computes it")
    device: str = setting("auto", "auto is the GPU where there is one")
    max_length: int | None = setting(None, "tokens after which a text is cut; the model's", ge=2)
    length_grouping: int | None = setting(
        None, "batches in a window within which rows of like length come together; no grouping", ge=2
    )
    padding: Literal["split", "longest"] = setting(
        "split", "split encodes a batch in pieces of like length, with the same loss; longest pads all to the longest"
    )
    duplicates: Literal["avoid", "allow"] = setting(
        "avoid", "whether a text may stand in a batch twice: with in-batch negatives it is a false one"
    )
    evaluation: Evaluation = setting(Evaluation(), "what is measured on the way")
    checkpoints: Checkpoints = setting(Checkpoints(), "what is kept to go on from")
    logging: Logging = setting(Logging(), "what is written down")
    watch: Watch = setting(Watch(), "when a run is stopped")

    _places: dict[Place, str] = PrivateAttr(default_factory=dict)
    _file: str = PrivateAttr(default="")
    _shipped: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        titles = [source.title for source in self.data]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(f"two data sets are called {twice[0]!r}; give one another name")
        several = any(source.loss for source in self.data)
        if several and self.mixing.batches == "mixed":
            raise ValueError("a loss per data set needs mixing.batches: one-task")
        return self

    def loss_of(self, source: DataSource) -> LossChoice:
        """The loss that a data set trains with."""
        return source.loss or self.loss

    @property
    def file(self) -> str:
        """The file that it was read from, or ""."""
        return self._file


SECTIONS: dict[Place, type[Section]] = {
    (): Recipe,
    ("data", "*"): DataSource,
    ("data", "*", "loss"): LossChoice,
    ("data", "*", "teacher"): TeacherChoice,
    ("decoder",): DecoderChoice,
    ("lora",): LoraChoice,
    ("mixing",): Mixing,
    ("loss",): LossChoice,
    ("evaluation",): Evaluation,
    ("evaluation", "tasks", "*"): EvalTask,
    ("checkpoints",): Checkpoints,
    ("logging",): Logging,
    ("watch",): Watch,
}
_KEYS = {place: tuple(section.model_fields) for place, section in SECTIONS.items()}


def load_recipe(path: str | PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: a YAML file, or the name of one that is shipped ("pairs", see ``shipped``).
        overrides: ``key=value`` with dots and YAML values, as in ``data.0.weight=2``; they win over the file.

    Raises:
        UsageError: there is no such file, it is no YAML, a key is unknown or a value cannot be; the sentence names
            the line and the close key.
    """
    found = _find(path)
    tree = read(found, overrides)
    try:
        recipe = Recipe.model_validate(tree.value)
    except ValidationError as error:
        raise complain(tree, error.errors(), _KEYS) from None
    recipe._places.update(tree.origins)
    recipe._file = tree.file
    recipe._shipped = found.parent == SHIPPED
    for place, choice in _losses(recipe):
        checked_options(choice, tree, place)
    return recipe


def explain(recipe: Recipe) -> list[Row]:
    """Every effective value: its key, itself, and the line, the override or the default's source that it came from."""
    return list(_explained(recipe, recipe, ()))


def check_named(recipe: Recipe) -> None:
    """Check that the user named the data: the file names in a shipped recipe only show what belongs there.

    Raises:
        UsageError: a path is still the shipped recipe's own.
    """
    if not recipe._shipped:
        return
    own = [
        ".".join(map(str, place))
        for place, origin in recipe._places.items()
        if place[-1] == "path" and origin.startswith(f"{recipe.file}:")
    ]
    if own:
        asked = " ".join(f"--set {key}=FILE" for key in sorted(own))
        raise UsageError(f"The recipe {recipe.file.removesuffix('.yaml')!r} needs your data.", f"Name it with: {asked}")


def shipped() -> list[str]:
    """Names of the recipes that come with vecloom."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def checked_options(choice: LossChoice, tree: Tree | None = None, place: Place = ("loss",)) -> Any:
    """The options of a loss with its defaults: an instance of the entry's ``options`` model.

    Raises:
        UsageError: there is no such loss, or it has no such option, or the value cannot be.
    """
    from vecloom.train.losses import LOSSES

    tree = tree or Tree({}, {}, "the recipe")
    if choice.name not in LOSSES:
        raise UsageError(f"{tree.at((*place, 'name'))}: {_no_loss(choice.name, list(LOSSES))}", _offer(list(LOSSES)))
    model = LOSSES[choice.name].options
    try:
        return model.model_validate(choice.options)
    except ValidationError as error:
        found = [{**item, "loc": (*place, *item["loc"])} for item in error.errors()]
        raise complain(tree, found, {place: tuple(model.model_fields)}) from None


def _no_loss(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"there is no loss {name!r}." + (f" Did you mean {close[0]}?" if close else "")


def _offer(known: list[str]) -> str:
    return f"There are {', '.join(sorted(known))}."


def _find(path: str | PathLike[str]) -> Path:
    found = Path(path)
    if not found.is_file() and found.name == str(path) and (SHIPPED / f"{path}.yaml").is_file():
        return SHIPPED / f"{path}.yaml"
    if not found.is_file():
        raise UsageError(f"There is no recipe {path}.", f"Give a YAML file, or a shipped one: {', '.join(shipped())}.")
    return found


def _losses(recipe: Recipe) -> Iterator[tuple[Place, LossChoice]]:
    yield ("loss",), recipe.loss
    for index, source in enumerate(recipe.data):
        if source.loss:
            yield ("data", index, "loss"), source.loss


def _explained(recipe: Recipe, section: BaseModel, place: Place) -> Iterator[Row]:
    for name, field in type(section).model_fields.items():
        value, here = getattr(section, name), (*place, name)
        if isinstance(section, LossChoice) and name == "options":
            yield from _explained(recipe, checked_options(section, place=place), place)
        elif isinstance(value, BaseModel):
            yield from _explained(recipe, value, here)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for index, item in enumerate(value):
                yield from _explained(recipe, item, (*here, index))
        else:
            yield Row(
                ".".join(map(str, here)), _resolved(recipe, here, value), _origin(recipe, section, name, here, field)
            )


def _origin(recipe: Recipe, section: BaseModel, name: str, here: Place, field: Any) -> str:
    if here in recipe._places:
        return recipe._places[here]
    if name in section.model_fields_set:
        return GIVEN
    extra = field.json_schema_extra
    source = extra.get("source") if isinstance(extra, dict) else comments_of(type(section)).get(name)
    return f"default ({source or 'our choice'})"


@cache
def comments_of(section: type[BaseModel]) -> dict[str, str]:
    """The comment beside each field in the source of a class and its bases: where a loss's options say who recommends them."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__[:-1]):
        if issubclass(base, BaseModel) and base is not BaseModel:
            lines = re.findall(r"^    (\w+): .*?  # (.+)$", inspect.getsource(base), re.MULTILINE)
            found |= dict(lines)
    return found


def _resolved(recipe: Recipe, here: Place, value: Any) -> Any:
    """What an automatic value comes to on this machine."""
    from vecloom.train.machine import device_of, precision_of

    if here == ("precision",) and value == "auto":
        return f"auto: {precision_of(recipe.precision, recipe.device)}"
    if here == ("device",) and value == "auto":
        return f"auto: {device_of(recipe.device)}"
    return value
