from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.evaluate.evaluations import evaluation, many, only_models, only_tasks

from vecloom.errors import MissingExtraError
from vecloom.evaluate.compare import ALL_TASKS
from vecloom.evaluate.longembed_scores import length_position_table
from vecloom.evaluate.report import html_report
from vecloom.evaluate.report.breakdowns import Distribution, length_table
from vecloom.evaluate.report.drawing import (
    ALIKE_FILL,
    BETTER_FILL,
    MOST_MODELS,
    WORSE_FILL,
    inline_svg,
    model_styles,
    new_figure,
    place_axes,
    short,
    standalone_svg,
)
from vecloom.evaluate.report.panels import distribution_figure, significance_figure, significance_panels
from vecloom.evaluate.report.plots import dimension_figure, length_figure, position_figure, speed_figure, type_figure
from vecloom.evaluate.report.tables import dimension_rows, league, significance


def points(axes) -> dict[str, list[tuple[float, float]]]:
    """Lines by colour: their points."""
    found = {}
    for line in axes.get_lines():
        x, y = (np.asarray(values, float) for values in line.get_data())
        found[line.get_color()] = [(round(a, 4), round(b, 4)) for a, b in zip(x, y, strict=True)]
    return found


def all_text(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


# What is drawn.


def test_the_radar_has_a_corner_for_each_type_and_comes_back_to_the_first() -> None:
    found = league(evaluation())
    figure = type_figure(found)
    assert figure is not None
    line = points(figure.axes[0])[model_styles(found)["large"]["color"]]
    # Retrieval 60, STS (80 + 90) / 2, Classification 70, and Retrieval again
    assert [radius for _, radius in line] == [60, 85, 70, 60]
    assert [angle for angle, _ in line[:3]] == pytest.approx([0, 2 * np.pi / 3, 4 * np.pi / 3], abs=1e-4)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["Retrieval", "STS", "Classification"]
    # the lowest score, 45, is inside the axis
    assert figure.axes[0].get_ylim()[0] <= 45


def test_two_types_are_points_on_lines() -> None:
    found = league(only_tasks(evaluation(), "search", "pairs"))
    figure = type_figure(found)
    assert figure is not None
    assert points(figure.axes[0])[model_styles(found)["words"]["color"]] == [(65, 0), (50, 1)]


def test_speed_is_on_a_log_axis_and_models_without_one_are_left_out() -> None:
    faster = tuple(
        replace(model, texts_per_second=1000.0) if model.label == "large@64" else model for model in evaluation().models
    )
    found = league(replace(evaluation(), models=faster))
    figure = speed_figure(found)
    assert figure is not None
    axes, styles = figure.axes[0], model_styles(found)
    assert axes.get_xscale() == "log"
    drawn = points(axes)
    assert drawn[styles["large"]["color"]] == [(100, 75)]
    assert drawn[styles["large@64"]["color"]] == [(1000, 73)]
    assert styles["words"]["color"] not in drawn
    # none beats the other in both, so a line joins them
    assert [(1000, 73), (100, 75)] in drawn.values()


def test_a_model_that_another_beats_in_both_is_not_on_the_line() -> None:
    figure = speed_figure(league(many(4, 2)))
    assert figure is not None
    # the best model is the fastest, too: nothing to join
    assert all(len(line) == 1 for line in points(figure.axes[0]).values())


def test_the_dimension_curve_goes_through_the_means() -> None:
    found = league(evaluation())
    figure = dimension_figure(found, dimension_rows(found))
    assert figure is not None
    assert list(points(figure.axes[0]).values()) == [[(64, 73), (384, 75)]]


def test_histograms_are_shares_of_their_own_side() -> None:
    # 1 of 4 and 3 of 4 against 9 of 12 and 3 of 12: both sides reach the same height
    figure = distribution_figure({"m": Distribution((0.0, 0.5, 1.0), (1, 3), (9, 3))})
    assert figure is not None
    bottom, tops = 0.6, [patch.get_xy()[:, 1].max() for patch in figure.axes[0].patches]
    assert tops[0] == pytest.approx(tops[1])
    heights = figure.axes[0].patches[0].get_xy()[1:5, 1] - bottom
    assert heights / heights.max() == pytest.approx([1 / 3, 1 / 3, 1, 1])
    # upper bin 3/4 against lower 3/4, ties half: 9/16 + 6/32 = 0.75
    assert "m: AUC 0.75" in all_text(figure)


def test_length_lines_go_through_the_scores() -> None:
    found = league(evaluation())
    table = length_table(evaluation(), "search", found.labels)
    assert table is not None
    figure = length_figure(found, table)
    assert figure is not None
    assert points(figure.axes[0])[model_styles(found)["large"]["color"]] == [(0, 70), (1, 50)]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["2 to 5\n(n = 25)", "6 to 19\n(n = 25)"]


def test_the_matrix_colours_only_what_is_significant_and_writes_differences() -> None:
    figure = significance_figure(significance(evaluation(), ALL_TASKS, ["large", "large@64", "words"]))
    assert figure is not None
    # large against large@64 is not significant: one pair of two cells; the other two pairs are
    drawn = {_hex(patch): len(patch.get_path().to_polygons()) for patch in figure.axes[0].patches}
    assert drawn == {ALIKE_FILL: 2, BETTER_FILL: 2, WORSE_FILL: 2}
    assert all_text(figure) == ["+2.0", "+23.8", "-2.0", "+21.8", "-23.8", "-21.8"]


def _hex(patch) -> str:
    from matplotlib.colors import to_hex

    return to_hex(patch.get_facecolor())


def test_panels_number_models_as_in_the_league_also_where_one_is_missing() -> None:
    matrices = [significance(evaluation(), task, ["large", "words"]) for task in ("search", "pairs")]
    figure = significance_panels(matrices, ["large", "large@64", "words"])
    assert figure is not None
    assert all_text(figure) == ["search", "1", "3", "pairs", "1", "3"]


def test_the_heat_map_writes_the_share_found_first_and_leaves_empty_cells_empty() -> None:
    table = length_position_table(
        {"test_256": {"a": 1.0, "b": 0.0}, "test_512": {"c": 0.5}},
        {"test_256": {"a": 0.1, "b": 0.9}, "test_512": {"c": 0.1}},
        bins=2,
    )
    figure = position_figure({"m": table})
    assert figure is not None
    assert all_text(figure) == ["100", "0", "50"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["256", "512"]


def test_there_is_no_figure_of_nothing() -> None:
    nothing = league(replace(evaluation(), scores=(), tasks=(), comparisons=()))
    assert type_figure(nothing) is None
    assert speed_figure(nothing) is None
    assert dimension_figure(nothing, []) is None
    assert distribution_figure({}) is None
    assert position_figure({}) is None
    assert significance_panels([], []) is None
    assert significance_figure(significance(evaluation(), "no such task", ["large"])) is None


def test_no_more_models_are_drawn_than_can_be_told_apart_and_each_looks_different() -> None:
    found = league(many(MOST_MODELS + 5, 3))
    figure = type_figure(found)
    assert figure is not None
    assert len(figure.axes[0].get_lines()) == MOST_MODELS
    looks = {(style["color"], str(style["linestyle"])) for style in model_styles(found).values()}
    assert len(looks) == len(found.rows)


# As SVG.


def test_an_inline_figure_is_well_formed_and_has_a_title_and_no_addresses() -> None:
    found = league(evaluation())
    figure = type_figure(found)
    assert figure is not None
    svg = inline_svg(figure, "fig-x", 'types & "so" <on>')
    tree = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="x" ', 1))
    assert tree[0].tag == "title"
    assert tree[0].text == 'types & "so" <on>'
    assert "http" not in svg
    assert "<image" not in svg
    ids = re.findall(r' id="([^"]+)"', svg)
    assert all(name.startswith("fig-x-") for name in ids)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= set(ids)


def test_shortened_coordinates_are_those_of_the_figure() -> None:
    figure = new_figure(3, 2)
    axes = place_axes(figure, (0.5, 0.5, 2, 1), xlim=(0, 10), ylim=(0, 10))
    axes.plot([1, 4, 9], [2, 8, 3], color="#0067b1")
    line = re.search(r'<path d="([^"]+)"[^>]*stroke: var\(--m0\)', inline_svg(figure, "f", "t"))
    assert line
    # in points: x = 36 + 14.4 x, y = 144 - 36 - 7.2 y
    assert line[1].split() == ["M", "50.4", "93.6", "93.6", "50.4", "165.6", "86.4"]


def test_every_colour_that_the_page_may_change_is_set_for_light_and_dark() -> None:
    html = html_report(evaluation())
    css = html[: html.index("</style>")]
    light, dark = css.split("@media screen and (prefers-color-scheme: dark)")
    for name in set(re.findall(r"var\((--[a-z0-9]+)", html)) - {"--wide"}:
        assert f"{name}:" in light, name
        assert f"{name}:" in dark.split("* { box-sizing")[0], name


def _contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2."""

    def luminance(colour: str) -> float:
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_colours_stand_out_from_the_page_in_both_schemes(scheme: int) -> None:
    html = html_report(only_models(evaluation(), "large"))
    block = re.findall(r":root \{(.*?)\}", html, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", block))
    # WCAG: 4.5 for text, 3 for parts of figures
    for name in ("text", "soft", "link", "best"):
        assert _contrast(colours[name], colours["page"]) >= 4.5, name
    for name in [*(f"m{n}" for n in range(10)), "b0", "b1", "better", "worse"]:
        assert _contrast(colours[name], colours["page"]) >= 3, name
    for name in ("good", "bad"):
        assert _contrast(colours["text"], colours[name]) >= 4.5, name
    assert _contrast(colours["soft"], colours["even"]) >= 4.5
    for name in ("better", "worse"):
        assert _contrast(colours["paper"], colours[name]) >= 4.5, name


def test_a_file_of_its_own_keeps_its_colours_and_is_the_same_each_time() -> None:
    figures = [dimension_figure(league(evaluation()), dimension_rows(league(evaluation()))) for _ in range(2)]
    first, second = (standalone_svg(figure) for figure in figures if figure is not None)
    assert first == second
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert "var(" not in first
    assert "#0067b1" in first


@pytest.mark.parametrize(
    ("name", "shown"),
    [("$a$", r"\$a\$"), ("_x", "​_x"), ("a_b", "a_b"), ("x" * 30, "x" * 11 + "…" + "x" * 10)],
)
def test_names_are_neither_formulas_nor_hidden_and_not_too_long(name: str, shown: str) -> None:
    assert short(name) == shown


def test_names_with_dollars_are_drawn_as_they_are() -> None:
    models = tuple(replace(model, label=f"{model.label}$x^$") for model in evaluation().models)
    scores = tuple(replace(score, model=f"{score.model}$x^$") for score in evaluation().scores)
    figure = type_figure(league(replace(evaluation(), models=models, scores=scores, comparisons=())))
    assert figure is not None
    assert "large$x^$" in inline_svg(figure, "f", "t")


def test_pyplot_is_never_loaded() -> None:
    code = (
        "import sys; from tests.evaluate.evaluations import evaluation; from vecloom.evaluate.report import html_report;"
        "html_report(evaluation()); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"vecloom\[eval\]"):
        html_report(evaluation())


def test_without_jinja2_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"vecloom\[eval\]"):
        html_report(evaluation())
