"""Values of a field as colours of a map: at most a handful, in their order where they have one.

Numbers and dates keep their order and go into groups of about equal size; other values get a colour each, the most frequent
first, and what is rarer shares one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vecloom.serve.page.question import shown
from vecloom.serve.page.visible import visible

GROUPS = 8  # steps of a scale that one can tell apart
MOST = 16  # colours without order
NONE = 255
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ].*)?)?)?")


@dataclass(frozen=True, slots=True)
class Coloured:
    """What a map shows of a field.

    Attributes:
        names: of the colours.
        codes: (n,) uint8, the colour of each row; 255 where it has none.
        ordered: the colours are a scale.
    """

    names: Sequence[str]
    codes: npt.NDArray[np.uint8]
    ordered: bool


def coloured(values: Sequence[Any]) -> Coloured:
    """The colours of rows; a row with several values gets that of the most frequent one."""
    counts = Counter(one for value in values for one in members(value))
    if counts and all(_is_number(one) for one in counts):
        return _scale(values, sorted(counts), _number)
    if counts and all(isinstance(one, str) and _DATE.fullmatch(one) for one in counts):
        length = next(cut for cut in (4, 7, 10) if cut == 10 or len({one[:cut] for one in counts}) >= GROUPS / 2)
        dates = [str(one[0])[:length] if (one := members(value)) else None for value in values]
        return _scale(dates, sorted({one[:length] for one in counts}), str)
    names = sorted(counts, key=lambda one: (-counts[one], shown(one)))[:MOST]
    code = {one: at for at, one in enumerate(names)}
    codes = [min((code.get(one, NONE) for one in members(value)), default=NONE) for value in values]
    return Coloured([visible(shown(one)) for one in names], np.array(codes, np.uint8), False)


def members(value: Any) -> list[Any]:
    """The values of a cell that say something: none, one, or those of a list."""
    every = value if isinstance(value, list | tuple) else [value]
    return [one for one in every if one is not None and one == one and visible(shown(one))]


def _scale(values: Sequence[Any], distinct: Sequence[Any], label: Any) -> Coloured:
    """Each distinct value a step, or about as many rows in each of ``GROUPS`` steps."""
    place = {value: at for at, value in enumerate(distinct)}
    rows = [place[one[0]] if (one := members(value)) else -1 for value in values]
    steps = np.arange(len(distinct))
    if len(distinct) > GROUPS:
        counts = np.bincount([row for row in rows if row >= 0], minlength=len(distinct))
        before = np.cumsum(counts) - counts
        steps = np.unique(np.floor(GROUPS * before / counts.sum()), return_inverse=True)[1]
    codes = [NONE if row < 0 else int(steps[row]) for row in rows]
    names = []
    for step in range(int(steps[-1]) + 1):
        inside = [label(distinct[int(at)]) for at in np.flatnonzero(steps == step)]
        names.append(inside[0] if inside[0] == inside[-1] else f"{inside[0]} – {inside[-1]}")
    return Coloured(names, np.array(codes, np.uint8), True)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else f"{value:.6g}"
