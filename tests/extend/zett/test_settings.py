"""The schedule by hand, and what cannot be set."""

from __future__ import annotations

import pytest

from vecloom.errors import UsageError
from vecloom.extend.zett.settings import Settings, read_settings


def test_the_learning_rate_rises_in_each_stage_and_falls_by_half_a_cosine():
    chosen = Settings(
        steps=50, identity_steps=10, warmup_steps=20, identity_rate=1.0, learning_rate=0.5, final_rate=0.1
    )
    assert chosen.rate(0) == pytest.approx(0.1)
    assert chosen.rate(9) == pytest.approx(1.0)
    assert chosen.rate(10) == pytest.approx(0.025)
    assert chosen.rate(29) == pytest.approx(0.5)
    assert chosen.rate(30) == pytest.approx(0.5)  # the cosine's start, over the 20 steps that are left
    assert chosen.rate(40) == pytest.approx(0.5 * (0.1 + 0.9 / 2))
    assert chosen.rate(50) == pytest.approx(0.05)


def test_stages_have_the_papers_shares():
    assert Settings(steps=200_000).first_steps == 10_000
    assert Settings(steps=200_000).warm_steps == 10_000
    assert Settings(steps=200, identity_steps=-1).first_steps == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"step": 5}, "Did you mean steps"),
        ({"steps": "many"}, "steps='many'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
        ({"start": "warm"}, "least-squares or random"),
        ({"steps": 10, "identity_steps": 10}, "stage 1's"),
        ({"vocabulary_size": 260}, "little more than bytes"),
    ],
)
def test_what_cannot_be_set_is_told(given, said):
    with pytest.raises(UsageError, match=said):
        read_settings(given)
