"""Trending by hand, and its properties; periods by hand, across clock changes."""

from datetime import UTC, datetime

import pytest
from desk_fakes import DAY, HOUR, MONDAY
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.desk import items, marks, trending
from vecloom.desk.periods import current
from vecloom.desk.trending import Interest
from vecloom.errors import UsageError


def test_worked_by_hand():
    assert trending.trending(Interest(), 0) == pytest.approx(0.353553, abs=1e-6)  # 1 / 2^1.5
    busy = Interest(views=20, saves=2, upvotes=3)  # 1 + 20/10 + 2*2 + 3*3 = 16
    assert trending.trending(busy, 10) == pytest.approx(0.384900, abs=1e-6)  # 16 / 12^1.5 = 16 / 41.569219
    assert trending.trending(busy, 34) == pytest.approx(0.074074, abs=1e-6)  # 16 / 36^1.5 = 16 / 216


counts = st.integers(0, 10**6)
hours = st.floats(0, 10**5)


@given(counts, counts, counts, hours, st.integers(1, 100), st.floats(0.1, 1000))
def test_more_interest_is_more_and_more_age_is_less(views, saves, upvotes, age, more, older):
    least = trending.trending(Interest(views, saves, upvotes), age)
    assert least > 0
    assert trending.trending(Interest(views + more, saves, upvotes), age) > least
    assert trending.trending(Interest(views, saves + more, upvotes), age) > least
    assert trending.trending(Interest(views, saves, upvotes + more), age) > least
    assert trending.trending(Interest(views, saves, upvotes), age + older) < least


def test_what_readers_did_is_counted_from_the_desk(desk, source):
    for name, date in (("a", "2026-11-22T14:00:00Z"), ("b", "2026-11-22T23:00:00Z"), ("c", "2026-11-22T23:00:00Z")):
        source.add(name, "x", date=date)
    items.sync(desk, {"papers": source}, MONDAY)
    a = items.find(desk, "papers", "a").id
    for reader in range(2, 6):
        desk.db.execute("INSERT INTO reader (id, created_at) VALUES (?, 1)", (reader,))
    for reader in range(1, 6):  # 5 readers on 4 days: 20 views
        for day in range(4):
            marks.view(desk, reader, a, MONDAY - day * DAY)
            marks.view(desk, reader, a, MONDAY - day * DAY + 60)
    for reader in (1, 2):
        marks.mark(desk, reader, a, "save", MONDAY)
    for reader in (1, 2, 3):
        marks.mark(desk, reader, a, "upvote", MONDAY)
    assert trending.interests(desk, "papers") == {a: Interest(20, 2, 3)}
    found = trending.top(desk, "papers", MONDAY, 3)
    assert [item.doc_id for item, _ in found] == ["a", "b", "c"]  # equal scores: by number
    assert found[0][1] == pytest.approx(0.384900, abs=1e-6)  # 10 hours old
    assert found[1][1] == pytest.approx(1 / 3**1.5)
    assert [item.doc_id for item, _ in trending.top(desk, "papers", MONDAY, 1)] == ["a"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 400), st.integers(0, 3)), min_size=1, max_size=30), st.integers(1, 30))
def test_the_top_is_that_of_all(tmp_path_factory, papers, limit):
    from vecloom.desk.state import Desk

    desk = Desk(tmp_path_factory.mktemp("desk") / "desk.sqlite")
    desk.db.execute("PRAGMA synchronous = OFF")
    for number, (age, saves) in enumerate(papers, start=1):
        values = (number, f"d{number}", MONDAY - age * HOUR)
        desk.db.execute("INSERT INTO item VALUES (?, 'papers', ?, '', '', '', ?, 0, 1)", values)
        for reader in range(saves):
            desk.db.execute("INSERT OR IGNORE INTO reader (id, created_at) VALUES (?, 1)", (reader + 2,))
            desk.db.execute(
                "INSERT INTO event (reader_id, item_id, kind, day, at) VALUES (?, ?, 'save', '', 0)",
                (reader + 2, number),
            )
    expected = sorted(
        (-(1 + 2 * saves) / (max(age, 0) + 2) ** 1.5, age, number)
        for number, (age, saves) in enumerate(papers, start=1)
    )
    assert [item.id for item, _ in trending.top(desk, "papers", MONDAY, limit)] == [
        entry[2] for entry in expected[:limit]
    ]
    desk.close()


# ---- periods ----------------------------------------------------------------------------------------------------------


def at(text):
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("period", "hour", "zone", "now", "key", "start"),
    [
        ("daily", 8, "UTC", "2026-11-23T08:00:00+00:00", "2026-11-23", "2026-11-23T08:00:00+00:00"),
        ("daily", 8, "UTC", "2026-11-23T07:59:59+00:00", "2026-11-22", "2026-11-22T08:00:00+00:00"),
        ("daily", 8, "Asia/Kolkata", "2026-11-23T02:30:00+00:00", "2026-11-23", "2026-11-23T08:00:00+05:30"),
        ("daily", 8, "Asia/Kolkata", "2026-11-23T02:29:59+00:00", "2026-11-22", "2026-11-22T08:00:00+05:30"),
        ("daily", 0, "Pacific/Kiritimati", "2026-11-22T10:00:00+00:00", "2026-11-23", "2026-11-23T00:00:00+14:00"),
        ("weekly", 8, "UTC", "2026-11-23T08:00:00+00:00", "2026-W48", "2026-11-23T08:00:00+00:00"),
        ("weekly", 8, "UTC", "2026-11-23T07:00:00+00:00", "2026-W47", "2026-11-16T08:00:00+00:00"),
        ("weekly", 8, "UTC", "2027-01-02T07:00:00+00:00", "2026-W53", "2026-12-28T08:00:00+00:00"),
        # Berlin's clocks jump from 02:00 to 03:00 on 2026-03-29: 02:00 is 03:00 of summer time
        ("daily", 2, "Europe/Berlin", "2026-03-29T01:00:00+00:00", "2026-03-29", "2026-03-29T03:00:00+02:00"),
        ("daily", 2, "Europe/Berlin", "2026-03-29T00:59:59+00:00", "2026-03-28", "2026-03-28T02:00:00+01:00"),
        # and back on 2026-10-25: 02:00 comes twice, the first one counts
        ("daily", 2, "Europe/Berlin", "2026-10-25T00:00:00+00:00", "2026-10-25", "2026-10-25T02:00:00+02:00"),
        ("daily", 2, "Europe/Berlin", "2026-10-25T01:30:00+00:00", "2026-10-25", "2026-10-25T02:00:00+02:00"),
    ],
)
def test_periods_by_hand(period, hour, zone, now, key, start):
    span = current(period, hour, zone, at(now))
    assert (span.key, span.start) == (key, at(start))


def test_a_clock_change_elsewhere_moves_nobody_elses_digest():
    keys = {current("daily", 8, "Asia/Kolkata", at("2026-03-28T02:30:00+00:00") + day * DAY).key for day in range(3)}
    assert keys == {"2026-03-28", "2026-03-29", "2026-03-30"}


zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]
)


@given(st.sampled_from(["daily", "weekly"]), st.integers(0, 23), zones, st.integers(0, 2_500_000_000))
def test_periods_follow_each_other_without_gap_or_overlap(period, hour, zone, now):
    span = current(period, hour, zone, now)
    assert span.start <= now < span.end
    assert current(period, hour, zone, span.start) == span
    assert current(period, hour, zone, span.end - 1) == span
    after = current(period, hour, zone, span.end)
    assert after.start == span.end
    assert after.key > span.key or span.key.startswith(str(datetime.fromtimestamp(now, UTC).year - 1))


def test_a_zone_that_is_not_there():
    with pytest.raises(UsageError, match="no time zone 'Mars'"):
        current("daily", 8, "Mars", 0)
