import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.extend.windows import window_starts, windows


@pytest.mark.parametrize(
    ("length", "starts"),
    [(10, [0, 4, 6]), (8, [0, 4]), (3, [0])],  # [0-3] [4-7] [6-9]; [0-3] [4-7]; one window of 3
)
def test_windows_of_four(length, starts):
    assert window_starts(length, 4) == starts


def test_each_window_gets_the_special_tokens():
    # 101 .. 102 around 10 tokens, windows of 6: 4 tokens of text
    assert windows([101, *range(10), 102], 6, before=1, after=1) == [
        [101, 0, 1, 2, 3, 102],
        [101, 4, 5, 6, 7, 102],
        [101, 6, 7, 8, 9, 102],
    ]


def test_a_prompt_stands_before_every_window():
    cut = windows([101, 7, 8, *range(20, 26), 102], 7, before=1, after=1, prompts=[[7], [7, 8], [9]])
    assert cut == [[101, 7, 8, 20, 21, 22, 102], [101, 7, 8, 23, 24, 25, 102]]


def test_another_beginning_is_no_prompt():
    assert windows([101, 8, 7, 9, 10, 102], 4, before=1, after=1, prompts=[[7]])[1] == [101, 9, 10, 102]


@given(st.integers(1, 200), st.integers(3, 20))
def test_windows_hold_every_token_and_none_is_too_long(length, size):
    ids = [-1, *range(length), -2]
    cut = windows(ids, size, before=1, after=1)
    assert all(len(window) <= size and window[0] == -1 and window[-1] == -2 for window in cut)
    assert sorted({token for window in cut for token in window[1:-1]}) == list(range(length))
    assert len(cut) == (1 if length + 2 <= size else -(-length // (size - 2)))


@given(st.lists(st.integers(0, 9), max_size=12))
def test_a_short_text_is_its_only_window(ids):
    assert windows(ids, 12, before=1, after=1, prompts=[[3]]) == [ids]
