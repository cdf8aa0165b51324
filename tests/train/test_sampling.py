"""Which rows stand in which batch."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.errors import DataError
from vecloom.train.sampling import BatchSampler, Drawing, Group, apportion, fill, shares, text_keys


def group(texts: list[tuple[str, ...]], start: int = 0, **keys) -> Group:
    columns = list(zip(*texts, strict=True))
    lengths = np.array([max(map(len, row)) for row in texts])
    return Group(start, text_keys(columns), lengths, **keys)


def distinct(count: int, start: int = 0, **keys) -> Group:
    return group([(f"a{start + row}", f"p{start + row}") for row in range(count)], start, **keys)


def test_shares_follow_the_strategy():
    # sizes 1 and 16: 1/17 and 16/17; square roots 1 and 4: 1/5 and 4/5; equal
    assert shares([1, 16], "proportional", 2.0) == pytest.approx([1 / 17, 16 / 17])
    assert shares([1, 16], "temperature", 2.0) == pytest.approx([0.2, 0.8])
    assert shares([1, 16], "round-robin", 2.0) == pytest.approx([0.5, 0.5])


def test_largest_remainders_get_what_is_left():
    # 10 x [.25, .36, .39] = 2.5, 3.6, 3.9: floors 2, 3, 3; two are left and go to .9 and .6
    assert apportion(np.array([0.25, 0.36, 0.39]), 10) == [2, 4, 4]


def test_nobody_gets_nothing_where_there_is_enough():
    assert apportion(np.array([0.001, 0.999]), 10) == [1, 9]


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(0, 50))
def test_apportioned_counts_sum_to_the_total(parts, total):
    whole = np.array(parts) / sum(parts)
    assert sum(apportion(whole, total)) == total


def test_a_row_that_would_bring_a_text_twice_waits_for_the_next_batch():
    keys = text_keys([["x", "x", "y", "z"]])
    waiting = deque()
    # row 1 repeats row 0's text: it waits, row 2 comes instead; then row 1 is first
    assert list(fill(np.arange(4), keys, 2, waiting)) == [[0, 2], [1, 3]]
    assert not waiting


@settings(max_examples=60)
@given(st.data())
def test_no_text_stands_twice_in_a_batch_and_no_row_twice_in_an_epoch(data):
    pool = data.draw(st.integers(4, 30))
    count = data.draw(st.integers(8, 80))
    texts = [(f"t{data.draw(st.integers(0, pool))}", f"t{data.draw(st.integers(0, pool))}") for _ in range(count)]
    size = data.draw(st.integers(2, 4))
    keys = text_keys(list(zip(*texts, strict=True)))
    waiting = deque()
    batches = list(fill(np.arange(count), keys, size, waiting))
    used = [row for batch in batches for row in batch]
    assert sorted([*used, *waiting]) == list(range(count))
    for batch in batches:
        held = [set(texts[row]) for row in batch]
        assert len(batch) == size
        assert len(set.union(*held)) == sum(map(len, held))


def test_blanks_at_the_ends_do_not_make_a_text_another_one():
    assert len(np.unique(text_keys([["a", " a", "a\n", "b"]]))) == 2


def test_the_same_seed_gives_the_same_batches_and_epochs_differ():
    one, two = (BatchSampler([distinct(50)], Drawing(8, seed=3)) for _ in range(2))
    first, second = list(one.epoch(0)), list(one.epoch(1))
    assert first == list(two.epoch(0))
    assert second == list(two.epoch(1))
    assert first != second
    assert first != list(BatchSampler([distinct(50)], Drawing(8, seed=4)).epoch(0))


def test_each_epoch_has_as_many_batches_as_it_says():
    rng = np.random.default_rng(0)
    texts = [(f"t{rng.integers(40)}", f"p{row}") for row in range(200)]
    sampler = BatchSampler([group(texts)], Drawing(16))
    for epoch in range(6):
        sampler.set_epoch(epoch)
        assert len(list(sampler)) == len(sampler)


def test_an_epoch_of_distinct_texts_uses_each_row_once():
    used = [row for batch in BatchSampler([distinct(64)], Drawing(8)).epoch(2) for row in batch]
    assert sorted(used) == list(range(64))


def test_a_batch_of_one_task_comes_from_one_data_set():
    groups = [distinct(40), distinct(80, start=40)]
    counts = Counter()
    for batch in BatchSampler(groups, Drawing(8)).epoch(0):
        assert len({row < 40 for row in batch}) == 1
        counts[batch[0] < 40] += 1
    assert counts == {True: 5, False: 10}


def test_a_temperature_draws_small_data_sets_more_often():
    groups = [distinct(16), distinct(256, start=16)]
    batches = list(BatchSampler(groups, Drawing(8, strategy="temperature", temperature=2.0)).epoch(0))
    # natural batches 2 and 32: roots 1.414 and 5.657, shares .2 and .8 of 34: 6.8 and 27.2, so 7 and 27
    assert Counter(batch[0] < 16 for batch in batches) == {True: 7, False: 27}


def test_a_weight_of_two_draws_twice_as_often():
    groups = [distinct(80, weight=2.0), distinct(80, start=80)]
    batches = list(BatchSampler(groups, Drawing(8)).epoch(0))
    # shares 2/3 and 1/3 of 20: 13.33 and 6.67
    assert Counter(batch[0] < 80 for batch in batches) == {True: 13, False: 7}


def test_round_robin_takes_turns():
    groups = [distinct(40), distinct(40, start=40)]
    homes = [batch[0] < 40 for batch in BatchSampler(groups, Drawing(8, strategy="round-robin")).epoch(0)]
    assert homes == [True, False] * 5


def test_mixed_batches_hold_rows_of_all_data_sets():
    groups = [distinct(100), distinct(100, start=100)]
    batches = list(BatchSampler(groups, Drawing(20, mixed=True)).epoch(0))
    assert all(0 < sum(row < 100 for row in batch) < 20 for batch in batches)
    assert sorted(row for batch in batches for row in batch) == list(range(200))


def test_mixed_batches_avoid_a_text_that_two_data_sets_share():
    first = group([(f"t{row}",) for row in range(32)])
    second = group([(f"t{row}",) for row in range(32)], start=32)
    for batch in BatchSampler([first, second], Drawing(8, mixed=True)).epoch(0):
        assert len({row % 32 for row in batch}) == 8


def test_rows_of_like_length_come_together_and_the_order_of_batches_stays_random():
    texts = [("x" * (1 + row % 50) + f"{row}",) for row in range(400)]
    plain = list(BatchSampler([group(texts)], Drawing(10)).epoch(0))
    sampler = BatchSampler([group(texts)], Drawing(10, window=20))
    sorted_in_windows = list(sampler.epoch(0))

    def spread(batches):
        return np.mean([np.ptp([len(texts[row][0]) for row in batch]) for batch in batches])

    assert sorted(row for batch in sorted_in_windows for row in batch) == list(range(400))
    assert spread(sorted_in_windows) < spread(plain) / 5
    means = [np.mean([len(texts[row][0]) for row in batch]) for batch in sorted_in_windows[:20]]
    assert means != sorted(means)
    assert {frozenset(batch) for batch in sorted_in_windows} != {frozenset(batch) for batch in sampler.epoch(1)}


def test_rows_with_labels_come_in_twos_of_one_label():
    labels = np.arange(60) % 6
    grouped = group([(f"t{row}",) for row in range(60)], labels=labels)
    for batch in BatchSampler([grouped], Drawing(10)).epoch(0):
        assert all(count % 2 == 0 for count in Counter(labels[batch].tolist()).values())


def test_processes_share_each_batch():
    whole = list(BatchSampler([distinct(64)], Drawing(8)).epoch(0))
    parts = [list(BatchSampler([distinct(64)], Drawing(8, processes=2, rank=rank))) for rank in (0, 1)]
    assert [first + second for first, second in zip(*parts, strict=True)] == whole


def test_texts_that_are_all_alike_fill_no_batch():
    with pytest.raises(DataError, match="do not fill one batch of 4"):
        BatchSampler([group([("same", f"p{row}") for row in range(20)])], Drawing(4))
    allowed = BatchSampler([group([("same", f"p{row}") for row in range(20)])], Drawing(4, avoid=False))
    assert len(allowed) == 5
