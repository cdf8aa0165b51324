"""Figures of scores against complexity, by domain.

After the comparison in "Do We Need Domain-Specific Embedding Models?" (Tang and Yang, 2024, arXiv 2409.18511); the drawing is
ours. Functions return a ``matplotlib.figure.Figure`` and leave pyplot's global state alone, so they work without a
screen and from threads; save one with ``figure.savefig(path)``.
When to use them: beside ``domain_gap``'s tables. When not: as the evidence itself; a line through six points is a guide for
the eye.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.errors import DataError, MissingExtraError
from vecloom.evaluate.domain.domain_gap import SubgroupTable
from vecloom.evaluate.domain.domain_rows import Complexity, Floats, ScoreRow, score_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00")  # Okabe and Ito's blue and vermilion: apart for all kinds of colour vision
MARKERS = ("o", "^")
LABELS = {
    "entropy_text": "entropy per text (bits)",
    "entropy_sample": "entropy of a fixed sample (bits)",
    "fog": "Gunning Fog index",
    "mdd": "mean dependency distance (words)",
    "llm_error_rate": "chat model's error rate",
}
NAMED_POINTS = 30  # more names than this cover each other


def score_plot(
    rows: Iterable[ScoreRow], complexity: Complexity, measure: str, *, general: str | None = None, title: str = ""
) -> Figure:
    """Each data set's mean score over models against a measure of complexity, one panel a task type.

    Args:
        rows: one a model and data set, of two domains.
        complexity: data set -> measure -> value.
        measure: which one to draw.
        general: name of the general domain; "general" or "0" by default.
        title: above all panels.

    Raises:
        DataError: no data set has the measure, or the rows are not what they have to be.
        MissingExtraError: matplotlib is not installed.
    """
    grid = score_grid(rows, general=general)
    grid = grid.kept([measure in complexity.get(unit.dataset, {}) for unit in grid.units])
    if not grid.units:
        raise DataError(f"No data set of the scores has {measure}.", "Use the same data set names in both.")
    panels = grid.task_types
    figure = _figure(5.5 * len(panels), 4.2)
    for place, (axes, task_type) in enumerate(zip(_axes(figure, len(panels)), panels, strict=True)):
        part = grid.of_type(task_type)
        values = np.array([complexity[unit.dataset][measure] for unit in part.units], float)
        means = part.scores.mean(axis=0)
        for flag, name in ((False, grid.general), (True, grid.special)):
            _draw_domain(axes, values[part.flags == flag], means[part.flags == flag], int(flag), name)
        if len(part.units) <= NAMED_POINTS:
            _name_points(axes, values, means, [unit.dataset for unit in part.units])
        axes.margins(0.1)
        axes.set(title=task_type, xlabel=LABELS.get(measure, measure), ylabel="mean score" if place == 0 else "")
    figure.axes[0].legend(frameon=False)
    if title:
        figure.suptitle(title)
    return figure


def subgroup_plot(tables: Iterable[SubgroupTable], *, general: str = "general", special: str = "special") -> Figure:
    """Mean score of either domain at low, medium and high complexity, one panel a measure.

    Raises:
        DataError: there are no tables.
        MissingExtraError: matplotlib is not installed.
    """
    drawn = list(tables)
    if not drawn:
        raise DataError("There are no subgroup tables to draw.", "Give domain_gap the data sets' complexity.")
    figure = _figure(3.4 * len(drawn), 3.4)
    for place, (axes, table) in enumerate(zip(_axes(figure, len(drawn)), drawn, strict=True)):
        centres = np.arange(len(table.groups))
        sides = [[group.general_mean for group in table.groups], [group.special_mean for group in table.groups]]
        for side, (means, name) in enumerate(zip(sides, (general, special), strict=True)):
            heights = [0.0 if mean is None else mean for mean in means]
            axes.bar(centres + 0.4 * side - 0.2, heights, 0.38, color=COLOURS[side], label=name)
        names = [f"{group.level}\n({group.general_sets}, {group.special_sets})" for group in table.groups]
        axes.set_xticks(centres, names)
        axes.set(title=LABELS.get(table.measure, table.measure), ylabel="mean score" if place == 0 else "")
    figure.axes[0].legend(frameon=False)
    return figure


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("Figures need matplotlib.", extra="eval") from error
    return Figure(figsize=(width, height), layout="constrained")


def _axes(figure: Figure, panels: int) -> list[Any]:
    return list(figure.subplots(1, panels, squeeze=False)[0])


def _draw_domain(axes: Any, values: Floats, means: Floats, side: int, name: str) -> None:
    axes.scatter(values, means, color=COLOURS[side], marker=MARKERS[side], label=name, zorder=3)
    if len(values) > 2 and np.ptp(values) > 0:
        slope, start = np.polyfit(values, means, 1)
        ends = np.array([values.min(), values.max()])
        axes.plot(ends, start + slope * ends, color=COLOURS[side], linewidth=1, alpha=0.7)


def _name_points(axes: Any, values: Floats, means: Floats, names: list[str]) -> None:
    for value, mean, name in zip(values, means, names, strict=True):
        axes.annotate(name, (value, mean), xytext=(4, 4), textcoords="offset points", fontsize=7, color="0.35")
