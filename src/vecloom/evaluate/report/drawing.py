"""Figures as SVG that fits into a page: neutral and model colours follow the page's light or dark scheme, text stays text.

Figures are drawn with fixed stand-in colours. ``inline_svg`` writes them as ``currentColor`` and variables of report.css, so
that one drawing is readable on white and on black; ``standalone_svg`` keeps them, for a file of its own. Nothing refers to
anything outside: no fonts, no name spaces with addresses, no raster images.

pyplot is not used: it keeps figures in a global list and needs a display on some systems.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from vecloom.errors import MissingExtraError
from vecloom.evaluate.report.tables import League

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#35393f"  # becomes currentColor
FAINT = "#c9cdd2"  # grid lines
PAPER = "#fefefe"  # behind labels
# Apart from each other also for red-green colour-blind eyes in the first six, and at least 3:1 against white; the dark
# scheme's twins are in report.css.
MODEL_COLOURS = (
    "#0067b1",
    "#c8500b",
    "#00845f",
    "#a8498d",
    "#8a6d00",
    "#0d8299",
    "#6a51c7",
    "#b3243a",
    "#5d7a1f",
    "#7a5230",
)
BASELINE_COLOURS = ("#5f6670", "#818892")
BETTER_FILL, WORSE_FILL, ALIKE_FILL = "#2a6fab", "#b85a14", "#dfe2e5"
MARKERS = "o^sDvPX<>p"
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
FONTS = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
LONGEST_NAME = 22
WIDTH = 7.2  # inches
MOST_MODELS = len(MODEL_COLOURS)  # drawn in one figure; more cannot be told apart

_VARIABLES = {
    **{colour: f"--m{number}" for number, colour in enumerate(MODEL_COLOURS)},
    **{colour: f"--b{number}" for number, colour in enumerate(BASELINE_COLOURS)},
    BETTER_FILL: "--better",
    WORSE_FILL: "--worse",
    ALIKE_FILL: "--alike",
    FAINT: "--faint",
    PAPER: "--paper",
}
_CLUTTER = (
    re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL),
    re.compile(r"<defs>\s*<style.*?</style>\s*</defs>\s*", re.DOTALL),
    re.compile(r' transform="rotate\(-?0 [^"]*\)"'),
    re.compile(r"font-family:[^;\"]*;?\s*"),
)
_NUMBERS = re.compile(r' (?:d|x|y|points|transform)="[^"]*"')
_BLANKS = re.compile(r"\s+")
_TAIL = re.compile(r"(\.\d)\d+")  # less than a tenth of a point is not seen
_CURVE = re.compile("[CQ]")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("Figures need matplotlib.", extra="eval") from error
    return Figure(figsize=(width, height))


def place_axes(figure: Figure, box: tuple[float, float, float, float], **how: Any) -> Any:
    """Axes at (left, bottom, width, height) in inches: what a layout engine finds out slowly is known here."""
    width, height = figure.get_size_inches()
    left, bottom, wide, high = box
    axes = figure.add_axes((left / width, bottom / height, wide / width, high / height), **how)
    axes.patch.set_visible(False)
    axes.tick_params(colors=INK, labelsize=8, length=3, width=0.6)
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.8)
    return axes


def canvas(figure: Figure) -> Any:
    """Bare axes over the whole figure with inches from its lower left corner as coordinates, for many small panels."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height), autoscale_on=False)
    axes.set_axis_off()
    return axes


def plain_axes(axes: Any, *, grid: str = "") -> None:
    """Only the left and lower edge, with a faint grid along ``grid`` ("x", "y" or "both")."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(axis=grid, color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)


def model_styles(found: League) -> dict[str, dict[str, Any]]:
    """Colour, marker and dash of each model: its own in every figure; baselines grey."""
    styles = {}
    counts = [0, 0]
    for row in found.rows:
        kind = int(row.model.baseline)
        number, colours = counts[kind], (MODEL_COLOURS, BASELINE_COLOURS)[kind]
        counts[kind] += 1
        dash = DASHES[2] if kind else DASHES[(number // len(colours)) % 2]
        marker = "Xd"[number % 2] if kind else MARKERS[number % len(MARKERS)]
        styles[row.model.label] = {"color": colours[number % len(colours)], "marker": marker, "linestyle": dash}
    return styles


def legend_below(figure: Figure, styles: dict[str, dict[str, Any]]) -> None:
    """A legend of lines at the lower edge, in as many columns as fit; nothing for a single line.

    Args:
        figure: leaves ``legend_height`` inches free there.
        styles: of ``Line2D``, by name.
    """
    from matplotlib.lines import Line2D

    if len(styles) < 2:
        return
    width, height = figure.get_size_inches()
    figure.legend(
        [Line2D([], [], **style) for style in styles.values()],
        [short(name) for name in styles],
        loc="upper center",
        bbox_to_anchor=(0.5, (legend_height(list(styles), width) - 0.06) / height),
        ncols=_legend_columns(list(styles), width),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        handlelength=2.4,
        columnspacing=1.4,
        borderaxespad=0,
    )


def legend_height(names: Sequence[str], width: float) -> float:
    """Inches that ``legend_below`` needs on a figure of ``width`` inches."""
    return 0.0 if len(names) < 2 else 0.12 + 0.19 * -(-len(names) // _legend_columns(names, width))


def _legend_columns(names: Sequence[str], width: float) -> int:
    return min(len(names), max(1, int(width / (0.6 + 0.075 * max(len(short(name)) for name in names)))))


def short(name: str, most: int = LONGEST_NAME) -> str:
    """A name as a figure shows it: the middle left out where it is long, since ends tell models apart.

    >>> short("sentence-transformers-large", 13)
    'senten…-large'
    """
    half = (most - 1) // 2
    cut = name if len(name) <= most else f"{name[: most - 1 - half]}…{name[-half:]}"
    # matplotlib takes dollars for formulas and hides legend entries that begin with an underscore.
    return cut.replace("$", r"\$").replace("_", "\u200b_", 1 if cut.startswith("_") else 0)


def standalone_svg(figure: Figure) -> str:
    """The figure as the text of an SVG file."""
    import matplotlib

    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "vecloom", "font.family": "DejaVu Sans"}
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the reader's fonts draw the text
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return buffer.getvalue().replace("'DejaVu Sans'", FONTS)


def inline_svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an element of an HTML page.

    Args:
        figure: what was drawn with the colours of this module.
        name: of letters, digits and hyphens; begins the element's ids, so it must be another for each figure of a page.
        title: what the figure shows, for readers who do not see it.
    """
    svg = standalone_svg(figure)
    width, height = (float(value) for value in re.findall(r'(?:width|height)="([\d.]+)pt"', svg)[:2])
    svg = svg[svg.index(">", svg.index("<svg")) + 1 :]
    for clutter in _CLUTTER:
        svg = clutter.sub("", svg)
    svg = _NUMBERS.sub(lambda found: _shorter(found[0]), svg)
    svg = re.sub(r"font:\s*([\d.]+)px[^;\"]*", r"font-size: \1px", svg)
    svg = _own_ids(svg, name).replace(INK, "currentColor")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    head = f'<svg class="figure" role="img" aria-labelledby="{name}-title" viewBox="0 0 {width:g} {height:g}"'
    head += f' style="--wide: {width * 4 / 3:.0f}px; max-width: var(--wide)"><title id="{name}-title">{escape(title)}</title>\n'
    return head + re.sub(r"\n\s+", "\n", svg).strip()


def _shorter(attribute: str) -> str:
    """Coordinates to a tenth of a point; lines follow a move or a line without saying so."""
    shorter = _TAIL.sub(r"\1", _BLANKS.sub(" ", attribute))
    return shorter if _CURVE.search(shorter) else shorter.replace(" L ", " ")


def _own_ids(svg: str, name: str) -> str:
    """Ids that are referred to begin with ``name``; the others go."""
    wanted = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in wanted else "", svg)
    return re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
