"""Pictures of a diagnosis: loss along the line and over the plane between models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vecloom.errors import MissingExtraError, UsageError, from_os_error
from vecloom.files import atomic_path
from vecloom.merge.diagnose import Diagnosis


def draw(found: Diagnosis, path: str | Path) -> None:
    """Write a PNG, SVG or PDF: the line, and beside it the plane where there is one.

    Raises:
        UsageError: no probe sets were given, so that there is no loss.
        MissingExtraError: matplotlib is not installed.
    """
    if not found.line:
        raise UsageError("There is no loss to plot.", "Give --probe FILE for each task.")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("Plots need matplotlib.", extra="merge") from None
    figure = Figure(figsize=(11 if found.plane else 6, 4.2), layout="constrained")
    axes = figure.subplots(1, 2 if found.plane else 1, squeeze=False)[0]
    _draw_line(axes[0], found)
    if found.plane:
        _draw_plane(figure, axes[1], found)
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=120)
    except OSError as error:
        raise from_os_error(error, "writing the plot", path) from error
    except ValueError as error:
        raise UsageError(f"{path} cannot be drawn: {error}.", "Give a name that ends in .png, .svg or .pdf.") from error


def _draw_line(axes: Any, found: Diagnosis) -> None:
    for name, losses in found.line.items():
        axes.plot(found.places, losses, marker="o", markersize=3, label=name)
    axes.set_xlabel(f"from {Path(found.models[0]).name} (0) to {Path(found.models[-1]).name} (1)")
    axes.set_ylabel("contrastive loss")
    axes.legend(frameon=False)


def _draw_plane(figure: Any, axes: Any, found: Diagnosis) -> None:
    drawn = axes.contourf(found.grid, found.grid, found.plane, levels=20, cmap="viridis")
    figure.colorbar(drawn, ax=axes, label="mean loss of the tasks")
    names = [Path(found.base or "").name, *(Path(name).name for name in found.models[:2])]
    for name, (x, y) in zip(names, ((0, 0), (1, 0), (0, 1)), strict=True):
        axes.plot(x, y, "o", color="white", markersize=4)
        axes.annotate(name, (x, y), color="white", xytext=(4, 4), textcoords="offset points")
    axes.set_xlabel(f"share of {names[1]}")
    axes.set_ylabel(f"share of {names[2]}")
