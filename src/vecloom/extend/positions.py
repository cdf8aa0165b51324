"""The position-table methods as changes of a model directory: stock networks run the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vecloom.errors import ModelError
from vecloom.extend import position_table
from vecloom.extend.output import replace_tensors, set_limit
from vecloom.extend.source import Source, table_name
from vecloom.runtime.tensors import read_weights

Found = dict[str, Any]


def grouped(source: Source, made: Path, target: int) -> Found:
    """Write the table of grouped positions."""
    return _with_table(source, made, target, position_table.grouped)


def recurrent(source: Source, made: Path, target: int) -> Found:
    """Write the table of recurrent positions."""
    return _with_table(source, made, target, position_table.recurrent)


def interpolate(source: Source, made: Path, target: int) -> Found:
    """Write the interpolated table."""
    return _with_table(source, made, target, position_table.interpolated)


def _with_table(source: Source, made: Path, target: int, stretch: Callable[..., Any]) -> Found:
    name, table = read_table(source)
    write_table(source, made, name, stretch(table, target))
    return {"factor": position_table.scaling_factor(source.length, target)}


def read_table(source: Source) -> tuple[str, Any]:
    """Name of the position table, and the rows that a text of the model's length uses: (L_o, width).

    Raises:
        ModelError: there is no table, or it has fewer rows.
    """
    weights = read_weights(source.spec)
    name = table_name(list(weights))
    rows = weights[name][source.first : source.first + source.length]
    if len(rows) < source.length:
        raise ModelError(f"{name} has {len(rows)} rows for {source.length} tokens.", "Copy the model again.")
    return name, rows


def write_table(source: Source, made: Path, name: str, table: Any) -> None:
    """Put a table of (target, width) into a copied directory, behind the rows that texts do not use; move all limits."""
    import numpy as np
    import torch

    unused = read_weights(source.spec)[name][: source.first]
    whole = torch.from_numpy(np.concatenate([unused, table.astype(unused.dtype)]))
    folder = made / source.spec.weights_path.relative_to(source.path)
    replace_tensors(folder, {name: whole}, dropped="position_ids")
    set_limit(source.spec, made, len(table), positions=len(whole))
