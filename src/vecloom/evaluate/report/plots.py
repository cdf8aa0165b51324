"""The figures of a report: task types, speed, dimensions, lengths, length x position; ``panels`` has the others.

Each function takes rows of ``tables`` or ``breakdowns`` and returns a ``matplotlib.figure.Figure``, or None where there is
nothing to draw; ``drawing`` turns it into SVG. Scores are shown x 100. At most ``MOST_MODELS`` models are drawn, best first; a
model has the same colour, marker and dash in all of them.

When to use them: in a report, or in a notebook, which shows a Figure as it is. When not: to decide whether a difference
is real; the tables say that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.evaluate.longembed_scores import LengthPositionTable
from vecloom.evaluate.report.breakdowns import LengthTable
from vecloom.evaluate.report.drawing import (
    FAINT,
    INK,
    MOST_MODELS,
    PAPER,
    WIDTH,
    legend_below,
    legend_height,
    model_styles,
    new_figure,
    place_axes,
    plain_axes,
    short,
)
from vecloom.evaluate.report.tables import DimensionRow, League, LeagueRow, family_of
from vecloom.evaluate.report.wording import kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def type_figure(found: League) -> Figure | None:
    """Mean score by task type: a radar from three types on, rows of points below."""
    rows = [row for row in found.rows if row.mean is not None][:MOST_MODELS]
    if not rows or not found.types:
        return None
    return _radar(found, rows) if len(found.types) > 2 else _points_by_type(found, rows)


def speed_figure(found: League) -> Figure | None:
    """Mean score against texts a second; a line joins the models that no other beats in both."""
    rows = [row for row in found.rows if row.mean is not None and row.model.texts_per_second][:MOST_MODELS]
    if not rows:
        return None
    figure = new_figure(WIDTH, 4.2)
    axes = place_axes(figure, (0.7, 0.6, WIDTH - 1.0, 3.4))
    plain_axes(axes, grid="both")
    speeds = [row.model.texts_per_second or 1.0 for row in rows]
    means = [100 * (row.mean or 0.0) for row in rows]
    axes.set_xscale("log")
    low, high = min(speeds), max(speeds)
    axes.set_xlim(low / 1.6, high * 1.6)
    _room(axes, means)
    _front(axes, speeds, means)
    styles = model_styles(found)
    for row, speed, mean in zip(rows, speeds, means, strict=True):
        style = {**styles[row.model.label], "linestyle": "none"}
        axes.plot([speed], [mean], markersize=7, clip_on=False, **style)
    _name_points(figure, axes, speeds, means, [row.model.label for row in rows])
    _plain_log(axes, speeds)
    _labels(axes, "texts encoded a second (log scale)", _mean_name(found))
    return figure


def dimension_figure(found: League, dimensions: Sequence[DimensionRow]) -> Figure | None:
    """Mean score against dimensions, one line a model that was cut to several (a Matryoshka curve)."""
    families = list(dict.fromkeys(row.family for row in dimensions))[:MOST_MODELS]
    if not families:
        return None
    lowest = legend_height(families, WIDTH)
    figure = new_figure(WIDTH, 3.6 + lowest)
    axes = place_axes(figure, (0.7, 0.55 + lowest, WIDTH - 1.0, 2.85))
    plain_axes(axes, grid="y")
    axes.set_xscale("log", base=2)
    family_styles: dict[str, dict[str, Any]] = {}
    for label, style in model_styles(found).items():
        family_styles.setdefault(family_of(label), {**style, "linestyle": "-"})
    for family in families:
        points = sorted((row.dim, 100 * row.mean) for row in dimensions if row.family == family)
        axes.plot(*zip(*points, strict=True), **family_styles[family], markersize=5, linewidth=1.6, clip_on=False)
    ticks = _apart(sorted({row.dim for row in dimensions}))
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    _labels(axes, "dimensions (log scale)", _mean_name(found))
    legend_below(figure, {family: family_styles[family] for family in families})
    return figure


def length_figure(found: League, table: LengthTable) -> Figure | None:
    """Scores by length, one line a model."""
    labels = [label for label in found.labels if label in table.scores][:MOST_MODELS]
    if not labels or len(table.bins) < 2:
        return None
    styles = {label: style for label, style in model_styles(found).items() if label in labels}
    lowest = legend_height(labels, WIDTH)
    figure = new_figure(WIDTH, 2.5 + lowest)
    axes = place_axes(figure, (0.6, 0.6 + lowest, WIDTH - 0.8, 1.75))
    plain_axes(axes, grid="y")
    for label in labels:
        heights = [math.nan if score is None else 100 * score for score in table.scores[label]]
        axes.plot(range(len(heights)), heights, **styles[label], markersize=5, linewidth=1.5, clip_on=False)
    names = table.names
    if table.units[0] is not None:
        names = [f"{name}\n(n = {units:,})" for name, units in zip(names, table.units, strict=True)]
    axes.set_xticks(range(len(names)), names)
    _labels(axes, table.unit, "score x 100")
    legend_below(figure, styles)
    return figure


def position_figure(tables: Mapping[str, LengthPositionTable]) -> Figure | None:
    """Accuracy by length of the text and by where in it the sentence stands, a panel a model (LongEmbed)."""
    shown = dict(list(tables.items())[:MOST_MODELS])
    if not shown:
        return None
    columns = 1 if len(shown) == 1 else 2
    rows = -(-len(shown) // columns)
    deep = max(len(table.lengths) for table in shown.values()) * 0.24
    figure = new_figure(WIDTH if columns == 2 else WIDTH * 0.65, rows * (deep + 0.85))
    wide = figure.get_size_inches()[0] / columns
    for place, (label, table) in enumerate(shown.items()):
        row, column = divmod(place, columns)
        box = (column * wide + 0.65, (rows - 1 - row) * (deep + 0.85) + 0.5, wide - 0.8, len(table.lengths) * 0.24)
        axes = place_axes(figure, box)
        _draw_positions(axes, table)
        axes.set_title(short(label), fontsize=9, color=INK, loc="left")
    return figure


def _radar(found: League, rows: Sequence[LeagueRow]) -> Figure:
    lowest = legend_height([row.model.label for row in rows], WIDTH)
    figure = new_figure(WIDTH, 4.4 + lowest)
    axes = place_axes(figure, (WIDTH / 2 - 1.75, 0.45 + lowest, 3.5, 3.5), projection="polar")
    angles = np.arange(len(found.types)) / len(found.types) * 2 * np.pi
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    styles = model_styles(found)
    for row in rows:
        radii = [100 * (row.by_type[own] or 0.0) for own in found.types]
        style = styles[row.model.label]
        axes.plot([*angles, angles[0]], [*radii, radii[0]], **style, markersize=4, linewidth=1.4)
    values = [100 * (row.by_type[own] or 0.0) for row in rows for own in found.types]
    low = 10 * math.floor(min(values) / 10 - 0.5)
    low, high = max(0, low) if min(values) >= 0 else low, min(100, 10 * math.ceil(max(values) / 10))
    axes.set_ylim(low, high)
    axes.set_yticks(range(low, high + 1, 10 if high - low <= 50 else 20))
    axes.set_xticks(angles, [kind(own).replace(" ", "\n") for own in found.types])
    for angle, text in zip(angles, axes.get_xticklabels(), strict=True):
        text.set_horizontalalignment("center" if abs(np.sin(angle)) < 0.1 else "left" if np.sin(angle) > 0 else "right")
    axes.tick_params(axis="x", pad=4, labelsize=9)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_rlabel_position(180 / len(found.types))
    axes.grid(color=FAINT, linewidth=0.7)
    legend_below(figure, {row.model.label: styles[row.model.label] for row in rows})
    return figure


def _points_by_type(found: League, rows: Sequence[LeagueRow]) -> Figure:
    lowest = legend_height([row.model.label for row in rows], WIDTH)
    height = 0.5 * len(found.types) + 0.2
    figure = new_figure(WIDTH, height + 0.7 + lowest)
    axes = place_axes(figure, (1.5, 0.5 + lowest, WIDTH - 1.8, height))
    plain_axes(axes, grid="x")
    styles = model_styles(found)
    for row in rows:
        values = [100 * (row.by_type[own] or 0.0) for own in found.types]
        style = {**styles[row.model.label], "linestyle": "none"}
        axes.plot(values, range(len(values)), **style, markersize=7, clip_on=False)
    axes.set_yticks(range(len(found.types)), [kind(own).replace(" ", "\n") for own in found.types])
    axes.set_ylim(len(found.types) - 0.5, -0.5)
    _labels(axes, "mean score x 100", "")
    legend_below(figure, {row.model.label: {**styles[row.model.label], "linestyle": "none"} for row in rows})
    return figure


def _draw_positions(axes: Any, table: LengthPositionTable) -> None:
    from matplotlib import colormaps

    colours = colormaps["cividis"]
    accuracy = np.ma.masked_invalid(table.accuracy)
    rows = np.arange(len(table.lengths) + 1)
    axes.pcolormesh(table.edges, rows, accuracy, cmap=colours, vmin=0, vmax=1, edgecolors=PAPER, linewidth=0.8)
    centres = (table.edges[:-1] + table.edges[1:]) / 2
    for row, values in enumerate(table.accuracy):
        for place, value in zip(centres, values, strict=True):
            if np.isfinite(value):
                ink = "#111111" if value > 0.55 else "#fafafa"
                axes.text(place, row + 0.5, f"{100 * value:.0f}", ha="center", va="center", fontsize=6, color=ink)
    axes.set_yticks(rows[:-1] + 0.5, [f"{length:,}" for length in table.lengths])
    axes.set_ylim(len(table.lengths), 0)
    axes.set_xticks([0, 0.5, 1], ["start", "middle", "end"])
    axes.spines[:].set_visible(False)
    _labels(axes, "place of the sentence", "tokens")


def _front(axes: Any, speeds: Sequence[float], means: Sequence[float]) -> None:
    """A line through the models that no other beats in both speed and score."""
    front: list[tuple[float, float]] = []
    for speed, mean in sorted(zip(speeds, means, strict=True), reverse=True):
        if not front or mean > front[-1][1]:
            front.append((speed, mean))
    if len(front) > 1:
        axes.plot(*zip(*front, strict=True), color=FAINT, linewidth=1.6, zorder=1)


def _name_points(figure: Figure, axes: Any, x: Sequence[float], y: Sequence[float], names: Sequence[str]) -> None:
    """Names beside points, on the side with room, moved down where they would lie on another's name."""
    width = figure.get_size_inches()[0] * 72
    taken: list[tuple[float, float, float]] = []
    for place in sorted(range(len(names)), key=lambda place: -y[place]):
        text = short(names[place])
        across, up = axes.transData.transform((x[place], y[place])) * 72 / figure.dpi
        wide = 4.6 * len(text) + 8
        leftwards = across + wide > width
        left = across - wide if leftwards else across
        level = up
        while any(abs(level - other) < 10 and left < end and begin < left + wide for begin, end, other in taken):
            level -= 10
        taken.append((left, left + wide, level))
        axes.annotate(
            text,
            (x[place], y[place]),
            xytext=(-8 if leftwards else 8, level - up),
            textcoords="offset points",
            ha="right" if leftwards else "left",
            va="center",
            fontsize=8,
            color=INK,
        )


def _room(axes: Any, values: Sequence[float]) -> None:
    spread = max(max(values) - min(values), 1.0)
    axes.set_ylim(min(values) - 0.15 * spread, max(values) + 0.12 * spread)


def _plain_log(axes: Any, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    narrow = max(values) / min(values) < 20
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _apart(values: Sequence[int]) -> list[int]:
    """Those of rising values that are far enough from each other on a log axis to be written."""
    kept: list[int] = []
    for value in reversed(values):
        if not kept or kept[-1] / value > 1.12:
            kept.append(value)
    return kept[::-1]


def _mean_name(found: League) -> str:
    return f"mean over {len(found.common)} tasks x 100" if len(found.common) > 1 else "score x 100"


def _labels(axes: Any, across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=9, color=INK)
    axes.set_ylabel(up, fontsize=9, color=INK)


__all__ = [
    "dimension_figure",
    "length_figure",
    "position_figure",
    "speed_figure",
    "type_figure",
]
