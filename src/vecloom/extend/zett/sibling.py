"""A base model's new tokenizer for a model that was tuned from the base.

Source: ZeTT (arXiv:2405.07883), section 4.3. With a base B, its transferred form B' and a sibling F that shares B's vocabulary,
the new sibling has the token rows of B' as they are, and every other tensor is

    F' = F + weight (B' - B)

Where B' was not tuned after its transfer, the difference is 0 and the weight does not matter. It works for whatever made B':
a hypernetwork or a heuristic.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.errors import ModelError, UsageError
from vecloom.extend.card import card_text
from vecloom.extend.output import changed_copy, replace_tensors
from vecloom.extend.vocabulary.fitting import Fitted, fit, read_target
from vecloom.extend.vocabulary.tokenizer_files import write_tokenizer
from vecloom.extend.vocabulary.transfer import Opened, open_model
from vecloom.extend.weights import weight_files
from vecloom.files import check_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

WEIGHT = 0.5  # the paper tries 0, .3, .5 and .7


@dataclass(frozen=True)
class SiblingSummary:
    """What was done.

    Attributes:
        finetuned: as it was given.
        base: as it was given.
        transferred: as it was given.
        output: the folder.
        weight: of the base's own movement.
        moved: tensors beside the tables in which the transferred base differs from the base.
        tokens: size of the new vocabulary.
        seconds: it took.
    """

    finetuned: str
    base: str
    transferred: str
    output: str
    weight: float
    moved: int
    tokens: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def shifted(finetuned: Tensor, base: Tensor, transferred: Tensor, weight: float) -> Tensor:
    """``F + weight (B' - B)``, in float32, of any shape."""
    found: Tensor = finetuned.float() + weight * (transferred.float() - base.float())
    return found


def apply_to_finetuned(
    finetuned: str,
    base: str,
    transferred: str,
    output: str | PathLike[str],
    *,
    weight: float = WEIGHT,
    overwrite: bool = False,
) -> SiblingSummary:
    """Write the sibling with the transferred base's tokenizer.

    Args:
        finetuned: a model that was tuned from ``base``: a name, a directory, or a Hub id.
        base: the model that both were made from.
        transferred: the base with another tokenizer, tuned since or not.
        output: the folder to write.
        weight: of what the base's other weights moved by.
        overwrite: replace ``output``.

    Raises:
        UsageError: ``weight`` is no number between 0 and 1, or ``output`` exists.
        ModelError: the models do not come from one base, or cannot be read.
        OutputError: ``output`` cannot be written.
    """
    began = time.perf_counter()
    if not 0 <= weight <= 1:
        raise UsageError(f"weight={weight} is not possible.", "Use 0 to 1.")
    target = Path(output)
    check_output(target, overwrite=overwrite)
    sibling, before, after = (open_model(name) for name in (finetuned, base, transferred))
    if sibling.tokenizer.get_vocab() != before.tokenizer.get_vocab():
        raise ModelError(
            f"{finetuned} and {base} have different vocabularies.", "Give the model that it was tuned from."
        )
    fitted = fit(sibling.tokenizer, sibling.roles, read_target(str(after.spec.weights_path)))
    rows, tables = _rows(after, fitted, transferred), sibling.tables()
    if rows.shape[1] != tables.rows.shape[1]:
        raise ModelError(f"{transferred} has rows of {rows.shape[1]} numbers, not {tables.rows.shape[1]}.", _ONE_BASE)
    parts = [_others(opened, tables.columns) for opened in (sibling, before, after)]
    _check_alike(parts, (finetuned, base, transferred))
    moved = [name for name in parts[1] if not bool((parts[1][name] == parts[2][name]).all())] if weight else []
    changed = {name: shifted(parts[0][name], parts[1][name], parts[2][name], weight) for name in moved}
    does = f"`{finetuned}` with the tokenizer and the token rows of `{transferred}`, and {weight:g} of what `{base}` moved by."
    record = {"finetuned": finetuned, "base": base, "transferred": transferred, "weight": weight, "moved": len(moved)}
    with changed_copy(sibling.spec.path, target) as made:
        folder = made / sibling.spec.weights_path.relative_to(sibling.spec.path)
        replace_tensors(folder, {**changed, **tables.split(rows)})
        write_tokenizer(folder, fitted, len(rows), sibling.tokenizer)
        card = card_text(target.name, finetuned, sibling.spec.path, does, record)
        (made / "README.md").write_text(card, encoding="utf-8")
    seconds = time.perf_counter() - began
    return SiblingSummary(finetuned, base, transferred, str(output), weight, len(moved), len(rows), seconds)


_ONE_BASE = "Give a base, a model that was tuned from it, and the base with another tokenizer."


def _rows(after: Opened, fitted: Fitted, name: str) -> np.ndarray[Any, Any]:
    """The transferred base's rows by the ids of the new sibling's tokenizer."""
    if (fitted.origin < 0).any():
        raise ModelError(
            f"{name} lacks a special token that the sibling needs.", "Transfer the base with vecloom first."
        )
    found: np.ndarray[Any, Any] = after.tables().rows[fitted.origin]
    return found


def _others(opened: Opened, tables: Mapping[str, slice]) -> dict[str, Tensor]:
    """A model's floating tensors without its tables."""
    from safetensors.torch import load_file

    every = {
        name: tensor for file in weight_files(opened.spec.weights_path) for name, tensor in load_file(file).items()
    }
    return {name: tensor for name, tensor in every.items() if name not in tables and tensor.is_floating_point()}


def _check_alike(parts: list[dict[str, Tensor]], names: tuple[str, ...]) -> None:
    """Have models of one shape.

    Raises:
        ModelError: a tensor is missing in one, or has another shape.
    """
    shapes = [{name: tuple(tensor.shape) for name, tensor in part.items()} for part in parts]
    for other, shape in zip(names[1:], shapes[1:], strict=True):
        odd = next((name for name in {**shapes[0], **shape} if shapes[0].get(name) != shape.get(name)), None)
        if odd is not None:
            raise ModelError(f"{names[0]} and {other} differ in the shape of {odd}.", _ONE_BASE)
