"""A trained hypernetwork on disk: ``config.json``, ``model.safetensors``, and the ``tokenizer.json`` of the model it belongs to.

The weights hold the model's own rows too, so that it can be applied without that model: to a sibling, whose rows have moved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.errors import ModelError, UsageError, first_line, from_os_error
from vecloom.files import atomic_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from vecloom.extend.vocabulary.tables import Tables
    from vecloom.extend.zett.network import Hypernetwork

KIND = "vecloom-hypernetwork"
_FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class Trained:
    """A hypernetwork and what it belongs to.

    Attributes:
        network: with its model's rows.
        tokenizer: of its model.
        places: for each part of its rows, tables and then the bias, the columns that the model's rows have it in.
        record: model, settings, losses: JSON values.
    """

    network: Hypernetwork
    tokenizer: Tokenizer
    places: tuple[tuple[int, int], ...]
    record: dict[str, Any]


def layout(tables: Tables) -> tuple[tuple[tuple[int, int], ...], bool]:
    """Where a model's rows have its tables, input embeddings first, and behind them its output bias; and whether it has one."""
    distinct = {(place.start, place.stop): name.endswith("bias") for name, place in tables.columns.items()}
    ordered = sorted(distinct, key=lambda place: (distinct[place], place))
    return tuple(ordered), any(distinct.values())


def save(trained: Trained, output: str | PathLike[str]) -> None:
    """Write a folder, whole or not at all.

    Raises:
        OutputError: the disk is full, read-only, ...
    """
    from safetensors.torch import save_file

    shape = trained.network.shape.as_dict()
    config = {"kind": KIND, "shape": shape, "places": [list(place) for place in trained.places], **trained.record}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.network.state_dict().items()}
    try:
        with atomic_folder(output) as made:
            save_file(tensors, made / "model.safetensors", {"format": "pt"})
            (made / "model.safetensors").chmod(0o644)  # the library makes files that only their owner can read
            (made / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
            trained.tokenizer.save(str(made / "tokenizer.json"))
    except OSError as error:
        raise from_os_error(error, "writing the hypernetwork", output) from error


def load(folder: str | PathLike[str]) -> Trained:
    """Read a folder that ``save`` wrote.

    Raises:
        UsageError: there is no such folder.
        ModelError: it holds no hypernetwork, or its files are broken.
    """
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    from vecloom.extend.zett.network import Hypernetwork, Shape

    path = Path(folder)
    if not path.is_dir():
        raise UsageError(
            f"There is no hypernetwork {path}.", "Train one: vecloom extend hypernetwork MODEL CORPUS -o H"
        )
    config = _config(path)
    try:
        told = config.pop("shape")
        shape = Shape(**{**told, "widths": tuple(told["widths"])})
        places = tuple((int(start), int(stop)) for start, stop in config.pop("places"))
        network = Hypernetwork(shape, torch.zeros(shape.vocabulary, shape.columns))
        network.load_state_dict(load_file(path / "model.safetensors"))
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    except Exception as error:  # torch, safetensors and tokenizers raise their own, and bare ones
        raise ModelError(
            f"The hypernetwork {path} cannot be read: {first_line(error)}.", "Copy it again, or train it anew."
        ) from error
    return Trained(network.eval(), tokenizer, places, config)


def _config(path: Path) -> dict[str, Any]:
    missing = [name for name in _FILES if not (path / name).is_file()]
    if missing:
        raise ModelError(
            f"{path} is no hypernetwork: it has no {missing[0]}.", "Give a folder that was trained as one."
        )
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path / 'config.json'} cannot be read: {error}.", "Copy the hypernetwork again.") from error
    if not isinstance(config, dict) or config.pop("kind", None) != KIND:
        raise ModelError(f"{path} is no hypernetwork.", "Give a folder that 'vecloom extend hypernetwork' wrote.")
    return config
