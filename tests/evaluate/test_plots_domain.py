"""Figures of scores against complexity: what is drawn, and what cannot be."""

from __future__ import annotations

import pytest
from tests.evaluate.domains import drawn, rows_of

from vecloom.errors import DataError
from vecloom.evaluate.domain.domain_gap import domain_gap
from vecloom.evaluate.domain.plots_domain import score_plot, subgroup_plot


def test_score_plot_has_a_panel_a_task_type_and_all_data_sets(tmp_path):
    scores, domains = drawn()
    rows = rows_of(scores, domains, ["sts", "classification"] * 4)
    figure = score_plot(rows, {f"d{j}": {"fog": j} for j in range(8)}, "fog", title="Fog")
    assert [axes.get_title() for axes in figure.axes] == ["classification", "sts"]
    assert sum(len(points.get_offsets()) for axes in figure.axes for points in axes.collections) == 8
    assert figure.axes[0].get_xlabel() == "Gunning Fog index"
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_subgroup_plot_has_a_panel_a_measure():
    scores, domains = drawn()
    tables = domain_gap(
        rows_of(scores, domains), {f"d{j}": {"fog": j, "mdd": -j} for j in range(8)}, method="subgroup"
    ).subgroups
    figure = subgroup_plot(tables)
    assert len(figure.axes) == 2
    assert figure.axes[0].containers[0][0].get_height() == pytest.approx(tables[0].groups[0].general_mean)


def test_figures_of_nothing_are_refused():
    with pytest.raises(DataError, match="no subgroup tables"):
        subgroup_plot([])
    with pytest.raises(DataError, match="has fog"):
        score_plot(rows_of(*drawn()), {"else": {"fog": 1.0}}, "fog")
