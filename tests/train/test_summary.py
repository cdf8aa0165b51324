"""The loss that a run shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.train.summary import recent_loss


def test_the_loss_shown_is_the_mean_over_the_last_steps_each_entry_by_its_width():
    curve = [(1, 9.0), (10, 3.0), (20, 2.0), (23, 1.0)]
    # the last three steps with mean 1 and the ten before with mean 2: (3 * 1 + 10 * 2) / 13
    assert recent_loss(curve, 10) == pytest.approx(23 / 13)
    # all of them: (1 * 9 + 9 * 3 + 10 * 2 + 3 * 1) / 23
    assert recent_loss(curve, 50) == pytest.approx(59 / 23)
    assert recent_loss(curve, 3) == 1.0
    assert recent_loss([], 3) is None


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(1, 40))
def test_with_an_entry_for_each_step_it_is_the_plain_mean_of_the_last(losses, steps):
    curve = [(step, loss) for step, loss in enumerate(losses, 1)]
    last = losses[-steps:]
    assert recent_loss(curve, steps) == pytest.approx(sum(last) / len(last))
