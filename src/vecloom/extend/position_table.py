"""A longer position table out of a shorter one: grouped, recurrent and interpolated positions.

Source: Zhu et al., EMNLP 2024, arXiv 2404.12096, section 4.2. With L_o rows, a target of L_t and s = ceil(L_t / L_o), position p
becomes

    grouped       floor(p / s)
    recurrent     p mod L_o
    interpolated  p / s, between two rows their weighted mean

The paper changes position ids; a table whose row p is what the id would have found is the same model, and any library runs it.
Arrays are (rows, width), of any float type; positions count from 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[Any]


def scaling_factor(source: int, target: int) -> int:
    """``s = ceil(target / source)``."""
    return math.ceil(target / source)


def grouped_ids(target: int, source: int) -> npt.NDArray[np.int64]:
    """Row of the old table for each new position: (target,) int64."""
    return np.arange(target) // scaling_factor(source, target)


def recurrent_ids(target: int, source: int) -> npt.NDArray[np.int64]:
    """Row of the old table for each new position: (target,) int64."""
    return np.arange(target) % source


def grouped(table: Table, target: int) -> Table:
    """``s`` neighbours share a row: (target, width)."""
    return table[grouped_ids(target, len(table))]


def recurrent(table: Table, target: int) -> Table:
    """The table again and again: (target, width); the first rows are the old ones."""
    return table[recurrent_ids(target, len(table))]


def interpolated(table: Table, target: int) -> Table:
    """Row ``i * s`` is old row ``i``, rows between are on the line to the next: (target, width).

    What follows the last anchor has no right neighbour, which the paper leaves open; it repeats the last row.
    """
    factor = scaling_factor(len(table), target)
    positions = np.arange(target)
    left = positions // factor
    right = np.minimum(left + 1, len(table) - 1)
    share = ((positions % factor) / factor)[:, None]
    low, high = table[left].astype(np.float64), table[right].astype(np.float64)
    mixed = (1 - share) * low + share * high
    return np.where(share == 0, low, mixed).astype(table.dtype)
