"""The methods that change position numbers: tables of longer rows, or a module where one table cannot do it.

Source: Zhu et al., EMNLP 2024, arXiv 2404.12096, section 4.2. The scaling factor is fixed, s = ceil(L_t / L_o), so that a text's
vector does not depend on the other texts of its batch (the published code takes it from the padded width of the batch).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vecloom.errors import ModelError
from vecloom.extend import position_table
from vecloom.extend.choices import one_of, switch
from vecloom.extend.module_files import put_transformer
from vecloom.extend.output import replace_tensors, set_limit
from vecloom.extend.source import Source, table_name
from vecloom.runtime.tensors import read_weights
from vecloom.wording import counted

Found = dict[str, Any]


def grouped(source: Source, made: Path, target: int, *, by: str = "target", attention_scaling: bool = False) -> Found:
    """Neighbouring positions share a number: short texts change too.

    Args:
        source: a model with a position table, or a rotary one.
        made: the copy.
        target: tokens.
        by: "target" for groups of s; "text" for groups of ceil(n / L_o) in a text of n tokens, which leaves short ones alone.
        attention_scaling: queries grow with the logarithm of the length.
    """
    one_of("by", by, ("target", "text"))
    factor = position_table.scaling_factor(source.length, target)
    if source.positions == "absolute" and by == "target":
        name, table = read_table(source)
        write_table(source, made, name, position_table.grouped(table, target), target)
        add_scaling(source, made, target, attention_scaling)
        return {"factor": factor}
    rule = "grouped" if by == "target" else "grouped_by_text"
    put_transformer(
        source, made, "ExtendedTransformer", target, positions=rule, factor=factor, first=source.first,
        attention_scaling=switch("attention_scaling", attention_scaling),
    )  # fmt: skip
    return {"factor": factor if by == "target" else "ceil(n / L_o)"}


def recurrent(source: Source, made: Path, target: int, *, attention_scaling: bool = False) -> Found:
    """Positions begin anew: short texts stay as they are.

    Args:
        source: a model with a position table.
        made: the copy.
        target: tokens.
        attention_scaling: queries grow with the logarithm of the length.
    """
    name, table = read_table(source)
    write_table(source, made, name, position_table.recurrent(table, target), target)
    add_scaling(source, made, target, attention_scaling)
    return {}


def interpolate(
    source: Source, made: Path, target: int, *, short: str = "same", attention_scaling: bool = False
) -> Found:
    """New rows between the old ones.

    Args:
        source: a model with a position table.
        made: the copy.
        target: tokens.
        short: "same" gives texts of at most L_o tokens the positions p * s, whose rows are the old ones, by a module; "squeezed"
            lets every text have p, which changes short texts, and is a plain model.
        attention_scaling: queries grow with the logarithm of the length.
    """
    one_of("short", short, ("same", "squeezed"))
    name, table = read_table(source)
    return put_interpolated(source, made, target, name, stretched(table, target), short, attention_scaling)


def stretched(table: Any, target: int) -> Any:
    """The interpolated table with all anchors: (L_o * s, width), which may be a little more than the target."""
    return position_table.interpolated(table, len(table) * position_table.scaling_factor(len(table), target))


def put_interpolated(
    source: Source, made: Path, target: int, name: str, table: Any, short: str, attention_scaling: bool
) -> Found:
    """Write a stretched table, and the module that spreads short texts over it."""
    factor = len(table) // source.length
    write_table(source, made, name, table, target)
    if short == "squeezed":
        add_scaling(source, made, target, attention_scaling)
        return {"factor": factor}
    put_transformer(
        source, made, "ExtendedTransformer", target, positions="stretched", factor=factor, first=source.first,
        attention_scaling=switch("attention_scaling", attention_scaling),
    )  # fmt: skip
    return {"factor": factor}


def add_scaling(source: Source, made: Path, target: int, attention_scaling: bool) -> None:
    """Put in the module that scales queries, where it is wanted."""
    if switch("attention_scaling", attention_scaling):
        put_transformer(source, made, "ExtendedTransformer", target, attention_scaling=True)


def read_table(source: Source) -> tuple[str, Any]:
    """Name of the position table, and the rows that a text of the model's length uses: (L_o, width).

    Raises:
        ModelError: there is no table, or it has fewer rows.
    """
    weights = read_weights(source.spec)
    name = table_name(list(weights))
    rows = weights[name][source.first : source.first + source.length]
    if len(rows) < source.length:
        raise ModelError(f"{name} has {counted(len(rows), 'row')} for {source.length} tokens.", "Copy the model again.")
    return name, rows


def write_table(source: Source, made: Path, name: str, table: Any, target: int) -> None:
    """Put a table into a copied directory, behind the rows that texts do not use; move all limits.

    Args:
        source: the model.
        made: the copy.
        name: of the table among the tensors.
        table: (target or more, width).
        target: tokens.
    """
    import torch

    unused = read_weights(source.spec)[name][: source.first]
    whole = torch.from_numpy(np.concatenate([unused, table.astype(unused.dtype)]))
    folder = made / source.spec.weights_path.relative_to(source.path)
    replace_tensors(folder, {name: whole}, dropped="position_ids")
    set_limit(source.spec, made, target, positions=len(whole))
