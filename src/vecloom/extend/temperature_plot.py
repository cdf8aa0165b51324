"""Pictures of a length collapse: cosine by length, and the filter rate of each layer by length."""

from __future__ import annotations

from pathlib import Path

from vecloom.errors import MissingExtraError, UsageError, from_os_error
from vecloom.extend.temperature_collapse import Collapse
from vecloom.files import atomic_path


def draw(found: Collapse, path: str | Path) -> None:
    """Write a PNG, SVG or PDF.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: the name ends in none of these.
        OutputError: the file cannot be written.
    """
    try:
        from matplotlib import colormaps
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("Plots need matplotlib.", extra="eval") from None
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for tau, cosines in found.cosines.items():
        left.plot(found.lengths, cosines, marker="o", markersize=3, label=f"temperature {tau}")
    left.set_ylabel("mean cosine of two different texts")
    styles = ("-", "--", ":", "-.")
    for style, (tau, rates) in zip(styles, found.rates.items(), strict=False):
        for layer, values in enumerate(rates):
            colour = colormaps["viridis"](layer / max(1, len(rates) - 1))
            name = f"layer {layer + 1}" if style == "-" else None
            right.plot(found.lengths, values, style, color=colour, label=name)
        right.plot([], [], style, color="grey", label=f"temperature {tau}")
    right.set_ylabel("filter rate of the attention (small: strong low-pass)")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(found.lengths, [str(length) for length in found.lengths])
        axes.set_xlabel("tokens")
        axes.legend(frameon=False, fontsize=8)
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=120)
    except OSError as error:
        raise from_os_error(error, "writing the plot", path) from error
    except ValueError as error:
        raise UsageError(f"{path} cannot be drawn: {error}.", "Give a name that ends in .png, .svg or .pdf.") from error
