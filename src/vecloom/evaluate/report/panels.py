"""Figures of many small panels: similarities of each model, significance on each task.

Panels are drawn onto one canvas in inches instead of into axes of their own, which takes a tenth of the time: a report on
thirty tasks has hundreds. Otherwise as in ``plots``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.evaluate.compare import Comparison
from vecloom.evaluate.report.breakdowns import Distribution
from vecloom.evaluate.report.drawing import (
    ALIKE_FILL,
    BETTER_FILL,
    INK,
    MODEL_COLOURS,
    MOST_MODELS,
    PAPER,
    WIDTH,
    WORSE_FILL,
    canvas,
    legend_below,
    new_figure,
    place_axes,
    short,
)
from vecloom.evaluate.report.tables import SignificanceMatrix
from vecloom.evaluate.report.wording import signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def distribution_figure(distributions: Mapping[str, Distribution]) -> Figure | None:
    """Similarities of texts that belong together and of others, one panel a model, each side as shares of its own number."""
    shown = dict(list(distributions.items())[:MOST_MODELS])
    if not shown:
        return None
    columns = min(len(shown), 2 if len(shown) < 5 else 3)
    rows = -(-len(shown) // columns)
    figure = new_figure(WIDTH if columns > 1 else WIDTH * 0.6, rows * 1.3 + 0.35)
    axes = canvas(figure)
    wide = (figure.get_size_inches()[0] - 0.1) / columns
    for place, (label, found) in enumerate(shown.items()):
        row, column = divmod(place, columns)
        box = (0.15 + column * wide, 0.35 + (rows - 1 - row) * 1.3 + 0.25, wide - 0.2, 0.75)
        _draw_distribution(axes, box, label, found)
    legend_below(figure, {"belong together": {"color": MODEL_COLOURS[0]}, "do not": {"color": MODEL_COLOURS[1]}})
    return figure


def significance_figure(matrix: SignificanceMatrix) -> Figure | None:
    """Every model against every other on one task or over all: differences x 100, coloured where they are significant."""
    size = len(matrix.labels)
    if size < 2:
        return None
    names = 0.25 + 0.075 * max(len(short(label)) for label in matrix.labels)
    side = 0.42 * size
    figure = new_figure(names + side + 0.1, names + side + 0.1)
    axes = place_axes(figure, (names, names, side, side))
    axes.set(xlim=(0, size), ylim=(size, 0))
    axes.spines[:].set_visible(False)
    _draw_squares(axes, _squares(matrix, (0, 0), 1, down=1))
    for row, cells in enumerate(matrix.cells):
        for column, found in enumerate(cells):
            if found is not None:
                where, ink = (column + 0.5, row + 0.5), PAPER if found.significant else INK
                axes.text(*where, signed(found.difference), ha="center", va="center", fontsize=7, color=ink)
    shown = [short(label) for label in matrix.labels]
    axes.set_yticks(np.arange(size) + 0.5, shown)
    axes.set_xticks(np.arange(size) + 0.5, shown, rotation=90)
    axes.tick_params(length=0)
    return figure


def significance_panels(matrices: Sequence[SignificanceMatrix], labels: Sequence[str]) -> Figure | None:
    """The same for many tasks at a glance: a small panel each, models numbered from 1 as in ``labels``."""
    shown = [matrix for matrix in matrices if len(matrix.labels) > 1]
    if not shown:
        return None
    numbers = {label: str(place) for place, label in enumerate(labels, start=1)}
    count = max(len(matrix.labels) for matrix in shown)
    cell = 0.13 if count > 5 else 0.2
    columns = max(1, int(WIDTH / max(count * cell + 0.4, 1.4)))
    wide, high = WIDTH / columns, count * cell + 0.4
    rows = -(-len(shown) // columns)
    figure = new_figure(WIDTH, rows * high + 0.05)
    axes = canvas(figure)
    squares = []
    for place, matrix in enumerate(shown):
        row, column = divmod(place, columns)
        left, top = column * wide + 0.25, (rows - row) * high - 0.2
        squares += _squares(matrix, (left, top), cell)
        axes.text(left, top + 0.05, short(matrix.task, int(wide * 72 / 4.6)), fontsize=7.5, color=INK)
        for line, label in enumerate(matrix.labels):
            at = (left - 0.05, top - (line + 0.5) * cell)
            axes.text(*at, numbers[label], fontsize=6, color=INK, ha="right", va="center")
    _draw_squares(axes, squares)
    return figure


def _draw_distribution(axes: Any, box: tuple[float, float, float, float], label: str, found: Distribution) -> None:
    """A panel at (left, bottom, width, height) of a canvas: far quicker than axes for each."""
    left, bottom, wide, high = box
    low, last = found.edges[0], found.edges[-1]
    corners = left + (np.repeat(found.edges, 2) - low) / (last - low) * wide
    shares = [np.array(counts) / sum(counts) for counts in (found.positive, found.negative)]
    top = max(float(side.max()) for side in shares)
    for side, colour in zip(shares, MODEL_COLOURS, strict=False):
        heights = bottom + np.concatenate([[0], np.repeat(side, 2), [0]]) / top * high
        axes.fill(corners, heights, facecolor=(colour, 0.22), edgecolor=colour, linewidth=1.0)
    axes.plot([left, left + wide], [bottom, bottom], color=INK, linewidth=0.6)
    axes.text(left, bottom + high + 0.08, f"{short(label)}: AUC {found.auc:.2f}", fontsize=8.5, color=INK)
    for share, align in ((0.0, "left"), (0.5, "center"), (1.0, "right")):
        tick = low + share * (last - low)
        text = f"{tick:.0f}" if abs(last) >= 10 else f"{tick:.2f}".rstrip("0").rstrip(".")
        axes.text(left + share * wide, bottom - 0.05, text, fontsize=7, color=INK, ha=align, va="top")


def _squares(
    matrix: SignificanceMatrix, corner: tuple[float, float], cell: float, down: int = -1
) -> list[tuple[str, float, float, float]]:
    """Colour, left, top and side of each cell that was tested; rows go ``down`` from the corner."""
    left, top = corner
    return [
        (_fill(found), left + column * cell, top + down * row * cell, down * cell)
        for row, cells in enumerate(matrix.cells)
        for column, found in enumerate(cells)
        if found is not None
    ]


def _fill(found: Comparison) -> str:
    if not found.significant:
        return ALIKE_FILL
    return BETTER_FILL if found.difference > 0 else WORSE_FILL


def _draw_squares(axes: Any, squares: Sequence[tuple[str, float, float, float]]) -> None:
    """All squares of a colour as one path."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    for colour in (ALIKE_FILL, BETTER_FILL, WORSE_FILL):
        corners = [(x, y, x + abs(side), y + side) for own, x, y, side in squares if own == colour]
        if corners:
            paths = [Path([(x, y), (x, v), (u, v), (u, y), (x, y)], closed=True) for x, y, u, v in corners]
            compound = Path.make_compound_path(*paths)
            axes.add_patch(PathPatch(compound, facecolor=colour, edgecolor=PAPER, linewidth=0.8))
