import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.errors import DataError
from vecloom.merge.pairs import Pair, batches, interleaved, read_pairs


def written(folder, rows):
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_columns_are_found_by_name(tmp_path):
    rows = [{"query": "a", "positive": "b", "negative": "c"}]
    assert read_pairs(written(tmp_path, rows)) == [Pair("a", "b", "c")]


def test_scored_rows_count_from_four_fifths_of_the_highest(tmp_path):
    rows = [{"sentence1": str(score), "sentence2": "x", "score": score} for score in (5, 4, 3.9, 0)]
    assert [pair.anchor for pair in read_pairs(written(tmp_path, rows))] == ["5", "4"]


def test_labelled_pairs_count_when_the_label_says_so(tmp_path):
    rows = [
        {"sentence1": str(label), "sentence2": "x", "label": label} for label in (1, 0, True, "entailment", "neutral")
    ]
    assert [pair.anchor for pair in read_pairs(written(tmp_path, rows))] == ["1", "True", "entailment"]


def test_texts_of_one_label_become_pairs(tmp_path):
    rows = [{"text": f"{label}{place}", "label": label} for label in "ab" for place in range(5)]
    found = read_pairs(written(tmp_path, rows))
    assert len(found) == 4
    assert all(pair.anchor[0] == pair.positive[0] == pair.group for pair in found)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40), st.integers(2, 6))
def test_no_text_stands_twice_in_a_batch(rows, size):
    pairs = [Pair(str(left), f"p{right}") for left, right in rows]
    for batch in batches(pairs, size):
        texts = [text for pair in batch for text in pair[:2]]
        assert len(set(texts)) == len(texts)
        assert 2 <= len(batch) <= size


def test_no_label_stands_twice_in_a_batch():
    pairs = [Pair(f"a{place}", f"b{place}", "", "ab"[place % 2]) for place in range(10)]
    assert all(sorted(pair.group for pair in batch) == ["a", "b"] for batch in batches(pairs, 8))


def test_small_tasks_begin_again_where_large_ones_go_on():
    assert interleaved([["a1"], ["b1", "b2", "b3"]]) == ["a1", "b1", "a1", "b2", "a1", "b3"]


@pytest.mark.parametrize(
    ("text", "match"), [("{", "Line 1 .* not JSON"), ("[1]", "not an object"), ("", "no pairs"), ('{"x": 1}', "are x")]
)
def test_a_file_without_pairs_is_refused(text, match, tmp_path):
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(DataError, match=match):
        read_pairs(tmp_path / "x.jsonl")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.jsonl cannot be read"):
        read_pairs(tmp_path / "none.jsonl")
