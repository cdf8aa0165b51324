"""The queue alone: nothing is lost or given twice, short requests do not wait for long ones, and no long one starves."""

import math

from hypothesis import given
from hypothesis import strategies as st

from vecloom.serve.fair import FairQueue, Job

BUDGET = 64


def add(queue, name, costs, keys=None):
    """A job whose texts are known by their place, or by the keys given."""
    job = Job()
    keys = keys or [(name, place) for place in range(len(costs))]
    queue.add(job, [(key, cost, key) for key, cost in zip(keys, costs, strict=True)])
    return job


def flight(queue):
    """What is handed out next, and forgotten as if it were computed."""
    taken = queue.take()
    queue.done(taken)
    return taken


def names(taken):
    return {item.key[0] for item in taken}


def test_a_short_request_is_next_however_long_the_one_before_it():
    queue = FairQueue(BUDGET)
    add(queue, "long", [10] * 1000)
    assert names(flight(queue)) == {"long"}
    add(queue, "short", [10])
    # at most one flight of the long job is between: every other one is its
    assert names(flight(queue)) | names(flight(queue)) == {"long", "short"}


def test_a_flood_of_short_requests_leaves_every_other_flight_to_a_long_one():
    queue = FairQueue(BUDGET)
    add(queue, "long", [16] * 100)
    flight(queue)
    flights = []
    for i in range(20):
        for each in range(10):  # more than a flight holds, each time
            add(queue, f"short {i} {each}", [16])
        flights.append(names(flight(queue)))
    assert sum(found == {"long"} for found in flights) == 10


def test_two_long_jobs_get_the_same_by_turns():
    queue = FairQueue(BUDGET)
    add(queue, "a", [3] * 300)
    add(queue, "b", [5] * 300)
    got = {"a": 0, "b": 0}
    for _ in range(15):
        for item in flight(queue):
            got[item.key[0]] += item.cost
    assert abs(got["a"] - got["b"]) <= 2 * queue.quantum + 5


def test_a_text_longer_than_a_flight_is_one_by_itself():
    queue = FairQueue(BUDGET)
    add(queue, "huge", [1000, 5])
    assert [item.cost for item in flight(queue)] == [1000]
    assert [item.cost for item in flight(queue)] == [5]
    assert (queue.texts, queue.tokens, queue.take()) == (0, 0, [])


def test_equal_texts_of_two_jobs_are_computed_once_and_given_to_both():
    queue = FairQueue(BUDGET)
    first = add(queue, "", [5, 5], keys=["x", "y"])
    second = add(queue, "", [5, 5], keys=["y", "z"])
    taken = queue.take()
    late = add(queue, "", [5], keys=["y"])  # it is being computed: nothing to do
    assert sorted(item.key for item in taken) == ["x", "y", "z"]
    y = next(item for item in taken if item.key == "y")
    assert y.waiters == [(first, 1), (second, 0), (late, 0)]
    assert queue.take() == []


def test_a_dropped_job_frees_its_work_but_not_what_others_want():
    queue = FairQueue(BUDGET)
    gone = add(queue, "", [5, 7], keys=["x", "y"])
    add(queue, "", [7], keys=["y"])
    queue.drop(gone)
    assert (queue.texts, queue.tokens) == (1, 7)
    assert [item.key for item in queue.take()] == ["y"]
    add(queue, "", [5], keys=["x"])  # forgotten: it is a new text
    assert [item.key for item in queue.take()] == ["x"]


costs = st.lists(st.integers(1, 2 * BUDGET), min_size=1, max_size=30)


@given(st.lists(costs, min_size=1, max_size=12), st.data())
def test_every_text_is_handed_out_once_in_its_jobs_order(jobs, data):
    queue = FairQueue(BUDGET)
    waiting = list(enumerate(jobs))
    seen = []
    while waiting or queue.texts:
        if waiting and (not queue.texts or data.draw(st.booleans())):
            name, sizes = waiting.pop(0)
            add(queue, name, sizes)
        else:
            taken = flight(queue)
            assert taken
            assert len(taken) == 1 or sum(item.cost for item in taken) <= BUDGET
            seen += [item.key for item in taken]
    assert queue.tokens == 0
    assert sorted(seen) == [(name, place) for name, sizes in enumerate(jobs) for place in range(len(sizes))]
    for name in range(len(jobs)):
        assert [place for job, place in seen if job == name] == sorted(place for job, place in seen if job == name)


@given(
    st.lists(st.integers(1, BUDGET // 4), min_size=1, max_size=40),
    st.lists(st.integers(1, BUDGET // 4), min_size=50, max_size=200),
    st.integers(1, 4),
)
def test_a_short_job_waits_no_longer_than_the_bound(shorts, long, longs):
    queue = FairQueue(BUDGET)
    for name in range(longs):
        add(queue, f"long {name}", long)
    for _ in range(longs):
        flight(queue)  # each has had its quantum
    for name, cost in enumerate(shorts):
        add(queue, f"short {name}", [cost])
    place = f"short {len(shorts) - 1}"
    most = 2 * math.ceil(sum(shorts) / (BUDGET - BUDGET // 4)) + 2
    assert any(place in names(flight(queue)) for _ in range(most))


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 5), st.booleans()), max_size=40))
def test_tokens_and_texts_are_always_those_that_wait(steps):
    queue = FairQueue(8)
    jobs, held = [], {}
    for key, cost, drop in steps:
        if drop and jobs:
            queue.drop(jobs.pop(0))
        elif cost == 0:
            flight(queue)
        else:
            held.setdefault(key, cost)
            jobs.append(add(queue, "", [held[key]], keys=[key]))
        waiting = {item.key: item.cost for job in jobs for item in job.items if not item.taken}
        assert (queue.texts, queue.tokens) == (len(waiting), sum(waiting.values()))
