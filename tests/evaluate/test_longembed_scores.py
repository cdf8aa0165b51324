from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.longembed_scores import (
    accuracy_by_position,
    correct_at_1,
    length_position_table,
    read_positions,
    split_length,
)
from vecloom.evaluate.make.longembed import make_longembed

NAN = float("nan")


def test_accuracy_is_the_mean_of_each_bin_and_nan_where_it_is_empty() -> None:
    # bins of a quarter: a, b in 0-0.25 (1 of 2 right); c at 0.5 begins the third; d at 1.0 belongs to the last
    found = accuracy_by_position({"a": 1, "b": 0, "c": 1, "d": 0}, {"a": 0.0, "b": 0.24, "c": 0.5, "d": 1.0}, bins=4)
    np.testing.assert_array_equal(found.accuracy, [0.5, NAN, 1.0, 0.0])
    assert found.counts.tolist() == [2, 0, 1, 1]
    assert found.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_the_table_has_a_row_for_each_length_in_rising_order() -> None:
    correct = {"test_1024": {"q1": 0, "q2": 1}, "test_256": {"q1": 1, "q2": 1, "q3": 0}}
    positions = {"test_256": {"q1": 0.1, "q2": 0.9, "q3": 0.8}, "test_1024": {"q1": 0.6, "q2": 0.2}}
    table = length_position_table(correct, positions, bins=2)
    assert table.lengths.tolist() == [256, 1024]
    assert table.accuracy.tolist() == [[1, 0.5], [1, 0]]
    assert table.counts.tolist() == [[1, 2], [1, 1]]
    assert table.by_length.tolist() == pytest.approx([2 / 3, 1 / 2])
    # (2/3 + 1/2) / 2 = 7/12: lengths count alike, however many queries they have
    assert table.mean == pytest.approx(7 / 12)


def test_the_best_document_decides_and_a_tie_counts_as_its_share_of_relevant_ones() -> None:
    scores = {
        "right": {"d1": 0.9, "d2": 0.1},
        "wrong": {"d1": 0.9, "d2": 0.1},
        "tied": {"d1": 0.5, "d2": 0.5, "d3": 0.5, "d4": 0.5, "d5": 0.4},
    }
    relevant = {"right": {"d1"}, "wrong": {"d2"}, "tied": {"d2"}}
    assert correct_at_1(scores, relevant) == {"right": 1, "wrong": 0, "tied": 0.25}


def test_positions_of_a_made_task_are_found_by_query(tmp_path: Path) -> None:
    (folder,) = make_longembed(tmp_path, lengths=(128, 1024), queries=10, documents=12, tasks=("passkey",))
    positions = read_positions(folder)
    assert list(positions) == ["test_128", "test_1024"]
    assert [len(places) for places in positions.values()] == [10, 10]
    table = length_position_table({split: dict.fromkeys(places, 1) for split, places in positions.items()}, positions)
    assert table.mean == 1
    assert table.counts.sum(axis=1).tolist() == [10, 10]


@given(st.dictionaries(st.text(max_size=3), st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 20))
def test_bins_lose_no_query_and_average_to_the_whole(drawn: dict[str, tuple[float, bool]], bins: int) -> None:
    found = accuracy_by_position(
        {query: float(right) for query, (_, right) in drawn.items()},
        {query: place for query, (place, _) in drawn.items()},
        bins,
    )
    assert found.counts.sum() == len(drawn)
    assert np.isnan(found.accuracy).tolist() == (found.counts == 0).tolist()
    assert np.nansum(found.accuracy * found.counts) == pytest.approx(sum(right for _, right in drawn.values()))


def test_a_query_without_a_position_is_named() -> None:
    with pytest.raises(DataError, match="'q1' has position None"):
        accuracy_by_position({"q1": 1}, {})


@pytest.mark.parametrize("place", [-0.01, 1.01, NAN])
def test_a_position_outside_the_text_is_refused(place: float) -> None:
    with pytest.raises(DataError, match="has position"):
        accuracy_by_position({"q1": 1}, {"q1": place})


def test_no_bins_are_refused() -> None:
    with pytest.raises(UsageError, match="bins=0"):
        accuracy_by_position({"q1": 1}, {"q1": 0.5}, bins=0)


def test_a_query_without_scores_or_judgements_is_named() -> None:
    with pytest.raises(DataError, match="'q' has no score"):
        correct_at_1({"q": {}}, {"q": {"d"}})
    with pytest.raises(DataError, match="'q' has no relevant document"):
        correct_at_1({"q": {"d": 1.0}}, {})


def test_a_split_without_length_queries_or_positions_is_refused() -> None:
    assert split_length("test_32768") == 32768
    with pytest.raises(DataError, match="'test' does not name a length"):
        length_position_table({"test": {"q": 1}}, {"test": {"q": 0.5}})
    with pytest.raises(DataError, match="'test_256' has no queries or no positions"):
        length_position_table({"test_256": {}}, {"test_256": {}})
    with pytest.raises(DataError, match="has no queries"):
        length_position_table({}, {})


def test_a_folder_without_positions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no positions\.jsonl"):
        read_positions(tmp_path)


def test_a_judged_document_without_a_position_is_named(tmp_path: Path) -> None:
    (folder,) = make_longembed(tmp_path, lengths=(128,), queries=3, documents=3, tasks=("passkey",))
    (folder / "test_128" / "positions.jsonl").write_text('{"corpus-id": "d0", "position": 0.5}\n', encoding="utf-8")
    with pytest.raises(DataError, match="no position for document 'd1'"):
        read_positions(folder)
