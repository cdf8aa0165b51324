from __future__ import annotations

import doctest
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluate.evaluations import (
    NASTY,
    evaluation,
    only_models,
    only_tasks,
    part,
    with_parts,
    without,
)

from vecloom.evaluate.compare import ALL_TASKS
from vecloom.evaluate.details import Details
from vecloom.evaluate.evaluation import ModelInfo
from vecloom.evaluate.report import (
    csv_report,
    drawing,
    html_report,
    json_report,
    markdown,
    markdown_report,
    sentences,
    terminal_table,
    wording,
)
from vecloom.evaluate.report.breakdowns import (
    distribution,
    hardest_units,
    language_rows,
    length_table,
    position_tables,
)
from vecloom.evaluate.report.tables import (
    BEST,
    NONE,
    SAME,
    UNTESTED,
    WORSE,
    dimension_rows,
    family_of,
    league,
    significance,
)
from vecloom.wording import counted

# The league table.


def test_models_stand_best_first_with_mean_type_mean_and_borda_place() -> None:
    found = league(evaluation())
    assert found.labels == ["large", "large@64", "words"]
    # large: (60 + 80 + 90 + 70) / 4 = 75; types: (60 + (80 + 90) / 2 + 70) / 3 = 215 / 3
    assert [row.mean for row in found.rows] == pytest.approx([0.75, 0.73, 0.5125])
    # words: (65 + (50 + 40) / 2 + 50) / 3 = 160 / 3
    assert [row.type_mean for row in found.rows] == pytest.approx([2.15 / 3, 2.09 / 3, 1.60 / 3])
    assert found.types == ("Retrieval", "STS", "Classification")
    assert found.rows[0].by_type == pytest.approx({"Retrieval": 0.60, "STS": 0.85, "Classification": 0.70})
    # points of 3 - rank: large 1 + 2 + 2 + 2 = 7, large@64 0 + 1 + 1 + 1 = 3, words 2
    assert [row.borda for row in found.rows] == [1, 2, 3]
    assert [row.place for row in found.rows] == [1, 2, 3]


def test_a_mark_says_whether_a_score_is_significantly_below_the_best_of_its_task() -> None:
    rows = {row.model.label: row for row in league(evaluation()).rows}
    # search: words are best with 65; p of large against words is 0.30, of large@64 against words 0.01
    assert [rows[label].cells["search"].mark for label in ("large", "large@64", "words")] == [SAME, WORSE, BEST]
    # pairs: p of large against large@64 is 0.04
    assert rows["large@64"].cells["pairs"].mark == WORSE
    # titles: 0.60
    assert rows["large@64"].cells["titles"].mark == SAME
    # the means: 0.25 and 0.002
    assert [rows[label].mark for label in ("large", "large@64", "words")] == [BEST, SAME, WORSE]


def test_a_cell_carries_the_score_its_interval_and_the_note_on_training_data() -> None:
    cell = league(evaluation()).rows[0].cells["pairs"]
    assert (cell.score, cell.low, cell.high) == pytest.approx((0.80, 0.77, 0.84))
    assert cell.trained_on
    assert not league(evaluation()).rows[0].cells["titles"].trained_on


def test_means_are_over_the_tasks_that_every_model_did() -> None:
    found = league(without(evaluation(), "titles", "words"))
    assert found.common == ("search", "pairs", "topics")
    # large: (60 + 80 + 70) / 3 = 70; words: (65 + 50 + 50) / 3 = 55
    assert [row.mean for row in found.rows] == pytest.approx([0.70, 0.68, 0.55])
    assert found.rows[2].cells["titles"].mark == NONE
    assert found.rows[2].cells["titles"].score is None


def test_a_model_without_any_score_stands_last_and_takes_no_task_from_the_others() -> None:
    broken = replace(evaluation(), models=(ModelInfo("broken", "local/broken", "r", 8, False), *evaluation().models))
    found = league(broken)
    assert found.labels[-1] == "broken"
    assert len(found.common) == 4
    assert (found.rows[-1].mean, found.rows[-1].place, found.rows[-1].borda) == (None, None, None)
    assert "No score at all: broken." in sentences.verdict(broken, found)


def test_without_a_common_task_there_are_no_means_and_borda_counts_decide() -> None:
    apart = without(without(only_tasks(evaluation(), "search", "pairs"), "search", "large"), "pairs", "words")
    found = league(apart)
    assert found.common == ()
    assert [row.mean for row in found.rows] == [None, None, None]
    # search: words 3 - 1 = 2, large@64 1; pairs: large 2, large@64 1: all have 2, so they stay as asked for
    assert [row.borda for row in found.rows] == [1, 1, 1]
    assert sentences.verdict(apart, found)[0].startswith("No task has a score of every model")
    for report in (terminal_table, html_report, markdown_report, csv_report, json_report):
        assert report(apart)


def test_a_score_that_is_no_number_is_a_missing_one() -> None:
    scores = list(evaluation().scores)
    scores[0] = replace(scores[0], score=math.nan)
    undefined = replace(evaluation(), scores=tuple(scores))
    assert league(undefined).rows[0].cells["search"].score is None
    for report in (terminal_table, html_report, markdown_report):
        assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", report(undefined))


def test_a_score_below_the_best_that_was_not_compared_is_marked_as_untested() -> None:
    found = league(replace(evaluation(), comparisons=()))
    assert found.rows[1].cells["pairs"].mark == UNTESTED
    assert found.rows[1].mark == UNTESTED


def test_equal_scores_are_all_the_best_and_share_a_place() -> None:
    scores = tuple(replace(score, score=0.5) for score in evaluation().scores)
    found = league(replace(evaluation(), scores=scores))
    assert [row.place for row in found.rows] == [1, 1, 1]
    assert {row.cells["search"].mark for row in found.rows} == {BEST}
    said = sentences.verdict(replace(evaluation(), scores=scores), found)
    assert said[0] == "large, large@64 and words have the same highest mean over 4 tasks: 50.0."


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=4, max_size=4))
def test_rows_never_rise_whatever_the_scores(values: list[list[float]]) -> None:
    scores = [replace(score, score=values[n // 3][n % 3]) for n, score in enumerate(evaluation().scores)]
    found = league(replace(evaluation(), scores=tuple(scores)))
    means = [row.mean or 0.0 for row in found.rows]
    assert means == sorted(means, reverse=True)
    for task in found.tasks:
        best = [row.cells[task.name].score for row in found.rows if row.cells[task.name].mark == BEST]
        assert best == [max(row.cells[task.name].score or 0.0 for row in found.rows)] * len(best)


# Significance, dimensions.


def test_the_matrix_shows_each_pair_from_both_sides() -> None:
    matrix = significance(evaluation(), "pairs", ["words", "large", "large@64"])
    assert matrix.labels == ("words", "large", "large@64")
    assert matrix.cells[0][0] is None
    against_words = matrix.cells[1][0]
    assert against_words is not None
    assert (against_words.first, against_words.difference) == ("large", pytest.approx(0.30))
    from_words = matrix.cells[0][1]
    assert from_words is not None
    assert (from_words.difference, from_words.low, from_words.high) == pytest.approx((-0.30, -0.32, -0.29))


def test_models_that_were_never_compared_are_not_in_the_matrix() -> None:
    one = evaluation()
    kept = tuple(c for c in one.comparisons if "words" not in (c.first, c.second))
    assert significance(replace(one, comparisons=kept), ALL_TASKS, league(one).labels).labels == ("large", "large@64")


def test_fewer_dimensions_keep_a_share_of_the_score() -> None:
    rows = dimension_rows(league(evaluation()))
    assert [(row.family, row.label, row.dim) for row in rows] == [("large", "large", 384), ("large", "large@64", 64)]
    # 73 / 75
    assert [row.kept for row in rows] == pytest.approx([1.0, 73 / 75])
    assert dimension_rows(league(only_models(evaluation(), "large", "words"))) == []


def test_only_a_number_after_the_sign_is_taken_for_dimensions() -> None:
    assert [family_of(label) for label in ("m@64", "a@b", "@64", "m", "a@b@32")] == ["m", "a@b", "@64", "m", "a@b"]


# What lies behind a score.


def test_lengths_are_shown_by_words_with_their_units() -> None:
    table = length_table(evaluation(), "search", ["large", "words"])
    assert table is not None
    assert (table.unit, table.names, table.units) == ("words", ["2 to 5", "6 to 19"], (25, 25))
    assert table.scores == {"large": (0.7, 0.5), "words": (0.7, 0.5)}
    assert length_table(evaluation(), "titles", ["large"]) is None


def test_lengths_of_several_parts_are_put_together_by_their_order() -> None:
    bins = [
        [{"from": 1, "to": 3, "units": 10, "score": 0.2}, {"from": 4, "to": 9, "units": 30, "score": None}],
        [{"from": 2, "to": 5, "units": 20, "score": 0.6}, {"from": 6, "to": 7, "units": 10, "score": 0.9}],
    ]
    parts = tuple(part(subset=name, details=Details(lengths=rows)) for name, rows in zip("ab", bins, strict=True))
    table = length_table(with_parts(evaluation(), "titles", {"large": parts}), "titles", ["large"])
    assert table is not None
    assert (table.bins, table.units) == (((1, 5), (4, 9)), (30, 40))
    # (0.2 + 0.6) / 2, and 0.9 alone
    assert table.scores["large"] == pytest.approx((0.4, 0.9))


def test_splits_that_are_named_by_lengths_are_the_lengths() -> None:
    parts = tuple(part(split=f"test_{length}", score=score) for length, score in ((1024, 0.3), (256, 0.9), (512, 0.6)))
    table = length_table(with_parts(evaluation(), "titles", {"large": parts}), "titles", ["large"])
    assert table is not None
    assert (table.unit, table.names, table.units) == ("tokens", ["256", "512", "1,024"], (None, None, None))
    assert table.scores["large"] == (0.9, 0.6, 0.3)


def test_splits_that_are_named_by_years_are_no_lengths() -> None:
    parts = tuple(part(split=f"test_{year}") for year in (2023, 2024))
    assert length_table(with_parts(evaluation(), "titles", {"large": parts}), "titles", ["large"]) is None


def test_a_language_has_the_mean_of_its_parts_over_the_tasks_that_every_model_did() -> None:
    german, both = ("deu-Latn",), ("eng-Latn", "deu-Latn")
    parts = {
        "large": (part(languages=german, score=0.4), part(languages=both, score=0.8)),
        "large@64": (part(languages=german, score=0.2), part(languages=both, score=0.6)),
        "words": (part(languages=german, score=0.1), part(languages=both, score=0.3)),
    }
    found = with_parts(only_tasks(evaluation(), "titles", "topics"), "titles", parts)
    rows = language_rows(found, ["large", "words"], ["titles", "topics"])
    assert [(row.language, row.tasks) for row in rows] == [("eng-Latn", 2), ("deu-Latn", 1)]
    # English: (titles 80 + topics 70) / 2; German: (40 + 80) / 2
    assert rows[0].scores == pytest.approx({"large": 0.75, "words": 0.4})
    assert rows[1].scores == pytest.approx({"large": 0.6, "words": 0.2})
    assert language_rows(evaluation(), ["large"], ["titles"]) == []


def test_auc_is_the_chance_that_a_text_that_belongs_there_is_more_similar() -> None:
    score = evaluation().score("search", "large")
    assert score is not None
    found = distribution(score)
    assert found is not None
    # 3/4 in the upper bin against 3/4 in the lower: 9/16 certain, 6/16 in the same bin count half
    assert found.auc == pytest.approx(9 / 16 + 6 / 32)


def test_distributions_of_parts_with_other_bins_keep_their_counts() -> None:
    one = {"edges": [0.0, 0.5, 1.0], "positive": [1, 3], "negative": [3, 1]}
    two = {"edges": [-1.0, 0.0, 1.0], "positive": [0, 8], "negative": [4, 4]}
    parts = tuple(part(subset=name, details=Details(distribution=own)) for name, own in (("a", one), ("b", two)))
    score = with_parts(evaluation(), "titles", {"large": parts}).score("titles", "large")
    assert score is not None
    found = distribution(score)
    assert found is not None
    assert (found.edges[0], found.edges[-1]) == (-1.0, 1.0)
    assert (sum(found.positive), sum(found.negative)) == pytest.approx((12, 12))


def test_hard_units_carry_what_was_found_what_was_right_and_who_else_failed() -> None:
    first = hardest_units(evaluation(), "search", "large", 10)[0]
    assert (first.text, first.score, first.where) == ("where do eels spawn", 0.125, "")
    assert (first.expected[0].rank, first.expected[0].text) == (7, "eels spawn in the Sargasso Sea")
    assert first.expected[1].rank is None
    assert first.found[1].text == "salmon spawn in rivers"
    assert first.also == ("large@64", "words")
    pair = hardest_units(evaluation(), "pairs", "large", 10)[0]
    assert (pair.gold, pair.note, pair.found) == ("1.2", "ranked too high", ())


def test_hard_units_of_several_parts_come_in_turn() -> None:
    rows = {name: [{"text": f"{name}{n}", "score": 0.0} for n in range(3)] for name in "ab"}
    parts = tuple(part(subset=name, details=Details(hardest=units)) for name, units in rows.items())
    found = hardest_units(with_parts(evaluation(), "titles", {"large": parts}), "titles", "large", 3)
    assert [(unit.text, unit.where) for unit in found] == [("a0", "test, a"), ("b0", "test, b"), ("a1", "test, a")]


def test_places_become_a_table_of_length_and_position() -> None:
    places = {256: [[0.05, 1.0], [0.95, 0.0]], 512: [[0.05, 0.5]]}
    parts = tuple(part(split=f"test_{length}", details=Details(places=rows)) for length, rows in places.items())
    found = position_tables(with_parts(evaluation(), "titles", {"large": parts}), "titles", ["large", "words"])
    assert list(found) == ["large"]
    assert found["large"].lengths.tolist() == [256, 512]
    assert found["large"].accuracy[:, 0].tolist() == [1.0, 0.5]
    assert found["large"].accuracy[0, 9] == 0.0
    assert np.isnan(found["large"].accuracy[1, 9])


# Sentences.


def test_the_verdict_names_the_best_and_claims_no_difference_that_is_not_significant() -> None:
    assert sentences.verdict(evaluation(), league(evaluation())) == [
        "large has the highest mean over 4 tasks: 75.0.",
        "That is significantly more than words.",
        "Not significant is the lead over large@64 (2.0; 1.0 to 4.0; p = 0.250).",
    ]


def test_the_verdict_on_one_task_is_about_its_score() -> None:
    one = only_tasks(evaluation(), "pairs")
    assert sentences.verdict(one, league(one)) == [
        "large has the highest score on pairs: 80.0.",
        "That is significantly more than large@64 and words.",
    ]


def test_the_verdict_on_one_model_compares_nothing() -> None:
    one = only_models(evaluation(), "large")
    assert sentences.verdict(one, league(one)) == ["large: mean over 4 tasks 75.0."]


def test_the_verdict_says_which_task_the_means_leave_out() -> None:
    found = without(evaluation(), "titles", "words")
    assert "Means leave out titles, which not every model did." in sentences.verdict(found, league(found))


def test_the_verdict_says_when_nothing_was_tested() -> None:
    found = replace(evaluation(), comparisons=())
    assert sentences.verdict(found, league(found))[1] == "Not tested against large@64 and words."


def test_where_words_win_is_said_task_by_task_with_significance() -> None:
    assert sentences.word_wins(evaluation(), league(evaluation())) == [
        "search: words (65.0) scores higher than large (60.0, not significantly) and large@64 (58.0)."
    ]
    said = "Counting words scores higher than a model on 1 of 4 tasks, on 1 of them higher than every model."
    assert sentences.word_wins_counted(evaluation(), league(evaluation())) == said


def test_it_is_said_when_words_win_nowhere_but_not_when_none_were_counted() -> None:
    lost = only_tasks(evaluation(), "pairs", "titles")
    assert sentences.word_wins_counted(lost, league(lost)) == "Counting words wins on no task."
    alone = only_models(evaluation(), "large", "large@64")
    assert sentences.word_wins_counted(alone, league(alone)) == ""


def test_one_failure_of_several_models_is_said_once() -> None:
    assert sentences.failures(evaluation()) == [
        "broken: broken/ has no qrels. Add qrels/test.tsv.",
        f"clusters (large and large@64): ValueError: {NASTY}.",
    ]
    assert sentences.left_out(evaluation()) == ["huge (about 1 h 30 min)"]


def test_settings_are_told_in_words() -> None:
    assert sentences.drawn(evaluation().settings) == "Seed 7, 1,000 bootstrap resamples, 10,000 randomisations a test."
    rows = dict(sentences.setting_rows({"seed": 12345, "samples": 1000, "machine": {"cores": 2}, "seconds": 75.0}))
    assert rows == {"seed": "12345", "bootstrap resamples": "1,000", "machine: cores": "2", "time": "1 min"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.number(-0.0004), "0.0"),
        (wording.number(-0.1), "-10.0"),
        (wording.number(None), "-"),
        (wording.signed(0.0123), "+1.2"),
        (wording.signed(-0.0004), "0.0"),
        (wording.probability(0.0499), "p = 0.049"),
        (wording.probability(0.0501), "p = 0.050"),
        (wording.duration(59.6), "1 min"),
        (wording.duration(3599), "1 h 0 min"),
        (counted(1, "query"), "1 query"),
        (counted(0, "query"), "0 queries"),
        (wording.listed(["a", "b", "c"], most=2), "a, b and c"),
        (wording.listed([]), ""),
        (wording.kind("InstructionRetrieval"), "Instruction retrieval"),
    ],
)
def test_numbers_read_as_people_write_them(said: str, expected: str) -> None:
    assert said == expected


@pytest.mark.parametrize("module", [wording, drawing, markdown])
def test_the_examples_in_docstrings_are_true(module) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
