"""Which tasks a budget buys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vecloom.evaluate.budget import Estimate, plan

TASKS = [
    Estimate("sts-a", "STS", 2),
    Estimate("sts-b", "STS", 2),
    Estimate("big", "Retrieval", 100),
    Estimate("small", "Retrieval", 10),
    Estimate("classes", "Classification", 5),
]


def test_the_cheapest_of_each_type_comes_before_a_second_of_one() -> None:
    # value per second: sts-a 1/2; then sts-b 1/4, classes 1/5, small 1/10, big 1/100
    found = plan(TASKS, 20)
    assert found.chosen == ("sts-a", "sts-b", "classes", "small")
    assert [left.task for left in found.left_out] == ["big"]


def test_a_type_that_is_there_counts_less() -> None:
    tasks = [Estimate("a", "STS", 3), Estimate("b", "STS", 3), Estimate("c", "Retrieval", 5)]
    assert plan(tasks, 8).chosen == ("a", "c")  # after a: b is worth 1/2 for 3 s, c is worth 1 for 5 s


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 100)), max_size=15), st.floats(0, 200))
def test_the_budget_is_never_exceeded_and_no_task_is_lost(given_tasks: list[tuple[str, float]], seconds: float) -> None:
    tasks = [Estimate(f"t{number}", kind, cost) for number, (kind, cost) in enumerate(given_tasks)]
    found = plan(tasks, seconds)
    cost = {task.task: task.seconds for task in tasks}
    spent = sum(cost[name] for name in found.chosen)
    assert spent <= seconds + 1e-6
    assert sorted([*found.chosen, *(left.task for left in found.left_out)]) == sorted(cost)
    assert all(left.seconds > seconds - spent - 1e-6 for left in found.left_out)
