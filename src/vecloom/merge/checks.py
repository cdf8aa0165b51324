"""Checks before work: are these models of one kind, so that a mean of their weights means anything?

Weights can only be merged where position i means the same in all models: one architecture, the same tensors, the same token
behind each row of the embeddings. The pipeline behind (pooling, normalisation, prompts) has to agree among the models; the base
lends its weights only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vecloom.errors import ModelError
from vecloom.merge.directory import ModelDirectory
from vecloom.runtime.directory import read_tokenizer

_FREE = {
    "_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache", "vocab_size",
    "gradient_checkpointing", "initializer_range", "id2label", "label2id", "problem_type", "finetuning_task",
}  # fmt: skip
"""Keys of config.json that do not decide what the network computes (vocabularies are compared by themselves)."""

_TEXTS = (
    "The quick brown Fox, it's 3.14 percent!",
    "Straße Ångström naïve café ＡＢＣ",
    "東京 привет नमस्ते 😀",
    "def f(x):\n\treturn x_1 -- a/b@c.de",
)
"""Tokenizers that cut these alike, with one vocabulary, are taken for the same."""


def check_models(models: Sequence[ModelDirectory], base: ModelDirectory | None) -> None:
    """Have models that can be merged.

    Raises:
        ModelError: they differ; the sentence names the tensor, token or setting.
    """
    first = models[0]
    for other in [*models[1:], *([base] if base else [])]:
        check_architecture(first, other)
        check_tokenizers(first, other)
        check_tensors(first, other)
    for other in models[1:]:
        check_pipeline(first, other)


def check_architecture(first: ModelDirectory, other: ModelDirectory) -> None:
    """Have one kind and one configuration."""
    if first.kind != other.kind:
        raise ModelError(f"{first.name} is a {first.kind} and {other.name} a {other.kind} model.", _ONE_KIND)
    for key in sorted(set(first.config) & set(other.config) - _FREE, key=lambda key: (key != "model_type", key)):
        left, right = first.config[key], other.config[key]
        if left != right and "dropout" not in key:
            raise ModelError(f"{key} is {left!r} in {first.name} and {right!r} in {other.name}.", _ONE_KIND)


def check_tensors(first: ModelDirectory, other: ModelDirectory) -> None:
    """Have the same floating tensors in the same shapes."""
    left, right = first.tensors, other.tensors
    missing = [(name, first, other) for name in left.floating_names if name not in right]
    missing += [(name, other, first) for name in right.floating_names if name not in left]
    if missing:
        name, has, lacks = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ModelError(f"The tensor {name}{more} is in {has.name} and not in {lacks.name}.", _ONE_KIND)
    for name in left.floating_names:
        shapes = left.entries[name].shape, right.entries[name].shape
        if shapes[0] != shapes[1]:
            what = f"The tensor {name} is {_shape(shapes[0])} in {first.name} and {_shape(shapes[1])} in {other.name}."
            raise ModelError(what, _ONE_KIND)


def check_tokenizers(first: ModelDirectory, other: ModelDirectory) -> None:
    """Have the same id for each token, and texts cut alike."""
    left, right = _tokenizer(first), _tokenizer(other)
    if left is None and right is None:
        return
    if left is None or right is None:
        lacking = first if left is None else other
        raise ModelError(f"{lacking.name} has no tokenizer.json, so tokenizers cannot be compared.", "Save it there.")
    difference = _first_difference(left.get_vocab(), right.get_vocab(), first.name, other.name)
    if difference:
        raise ModelError(f"The tokenizers differ: {difference}.", _ONE_VOCABULARY)
    for text in _TEXTS:
        if left.encode(text).ids != right.encode(text).ids:
            what = f"The tokenizers of {first.name} and {other.name} cut {text!r} differently."
            raise ModelError(what, "Use one tokenizer.json for both.")


def check_pipeline(first: ModelDirectory, other: ModelDirectory) -> None:
    """Have the same modules, pooling and prompts."""
    if first.modules != other.modules:
        left, right = ", ".join(first.modules), ", ".join(other.modules)
        raise ModelError(f"{first.name} is made of {left}; {other.name} of {right}.", _ONE_PIPELINE)
    if first.spec is None or other.spec is None:
        return
    for what in ("pooling", "include_prompt", "lower_case", "extra_modules"):
        values = getattr(first.spec, what), getattr(other.spec, what)
        if values[0] != values[1]:
            told = what.replace("_", " ")
            raise ModelError(
                f"The {told} is {values[0]!r} in {first.name} and {values[1]!r} in {other.name}.", _ONE_PIPELINE
            )
    ours, theirs = _prompts(first), _prompts(other)
    for name in sorted(ours | theirs):
        if ours.get(name) != theirs.get(name):
            what = (
                f"The prompt {name!r} is {ours.get(name)!r} in {first.name} and {theirs.get(name)!r} in {other.name}."
            )
            raise ModelError(what, "Write the same prompts into both config_sentence_transformers.json files.")


_ONE_KIND = "Merge models that were trained from one base."
_ONE_VOCABULARY = (
    "Give one the other's with 'vecloom extend tokenizer MODEL --tokenizer OTHER -o OUT', "
    "or merge models of one tokenizer."
)
_ONE_PIPELINE = "Merge models with the same pipeline, or copy one's modules.json and module folders to the other."


def _prompts(model: ModelDirectory) -> dict[str, str]:
    """Prompts by name; sentence-transformers writes empty ones, which mean none."""
    return {name: text for name, text in model.spec.prompts.items() if text} if model.spec else {}


def _tokenizer(model: ModelDirectory) -> Any:
    path = model.weights_path / "tokenizer.json"
    if not path.is_file():
        return None
    if model.spec is not None:
        return read_tokenizer(model.spec)
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(path))
    found.no_truncation()
    found.no_padding()
    return found


def _first_difference(left: dict[str, int], right: dict[str, int], first: str, other: str) -> str:
    differing = [token for token in left.keys() | right.keys() if left.get(token) != right.get(token)]
    if not differing:
        return ""
    token = min(differing, key=lambda token: (left.get(token, right.get(token, 0)), token))
    places = [f"{_place(ids.get(token))} in {name}" for ids, name in ((left, first), (right, other))]
    more = f" ({len(differing) - 1:,} more differ)" if len(differing) > 1 else ""
    return f"the token {token!r} is {' and '.join(places)}{more}"


def _place(number: int | None) -> str:
    return "missing" if number is None else f"number {number}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
