"""Digests against a real SMTP server on loopback: what is in them, that each comes once, and what failures leave."""

import pytest
from desk_fakes import DAY, HOUR, MONDAY, SENDER

from vecloom.desk import digests, letters, marks, readers, subscriptions, tokens
from vecloom.desk.items import find, sync
from vecloom.errors import MailError, StoreBusyError

NINE = MONDAY + 9 * HOUR


def run(desk, source, mailbox, now):
    return digests.run(desk, {"papers": source}, SENDER, mailbox.smtp(), now)


def subscriber(desk, email="ann@reader.example", confirmed=True, kind="query", query="text embedding", **settings):
    reader = readers.enrol(desk, SENDER, email, MONDAY)
    if confirmed:
        desk.db.execute("UPDATE reader SET confirmed_at = 1 WHERE id = ?", (reader.id,))
        desk.db.execute("DELETE FROM letter WHERE reader_id = ?", (reader.id,))
    return subscriptions.subscribe(desk, reader.id, "papers", kind, query, now=MONDAY, **settings)


@pytest.fixture
def filled(desk, source):
    """An index with one old paper, known to the desk since long."""
    source.add("old", "text embedding of long ago", date="2001-01-01")
    sync(desk, {"papers": source}, MONDAY - 30 * DAY)
    return source


def state(desk):
    return [row[0] for row in desk.db.execute("SELECT state FROM letter ORDER BY id")]


def test_new_papers_that_match_come_once(desk, filled, mailbox):
    subscriber(desk)
    filled.add(
        "a", "text embedding", title="First", authors="A. One; B. Two", date="2026-11-22", url="https://x.example/a"
    )
    filled.add("b", "cooking with gas", title="Second")
    report = run(desk, filled, mailbox, NINE)
    assert (report.items, report.due, report.composed, report.sent) == (2, 1, 1, 1)
    (letter,) = mailbox.taken
    assert mailbox.recipients == ["ann@reader.example"]
    assert letter["Subject"] == "1 new paper: text embedding"
    text = letter.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "1. First\n   A. One, B. Two · 2026-11-22\n   https://x.example/a\n\n   text embedding\n" in text
    assert "Second" not in text
    for later in (NINE, NINE + HOUR, NINE + DAY, NINE + 8 * DAY):
        assert run(desk, filled, mailbox, later).sent == 0
    filled.add("c", "embedding text", title="Third")
    assert run(desk, filled, mailbox, NINE + 9 * DAY).sent == 1
    assert mailbox.papers() == {("ann@reader.example", "First"): 1, ("ann@reader.example", "Third"): 1}


def test_nothing_new_is_no_mail_and_the_period_stays_open(desk, filled, mailbox):
    subscriber(desk)
    assert run(desk, filled, mailbox, NINE).composed == 0
    filled.add("a", "text embedding")
    assert run(desk, filled, mailbox, NINE + HOUR).sent == 1


def test_one_digest_a_period_at_its_hour(desk, filled, mailbox):
    subscriber(desk, hour=8, timezone="Asia/Kolkata")  # 02:30 UTC
    sent = []
    for hour in range(50):
        filled.add(f"h{hour}", "text embedding")
        sent += [hour] * run(desk, filled, mailbox, MONDAY + hour * HOUR).sent
    assert sent == [0, 3, 27]  # of the period that began on Sunday, and the first full hours after 02:30


def test_the_best_come_first_and_no_more_than_asked(desk, filled, mailbox):
    subscriber(desk, max_items=2)
    filled.add("far", "text embedding and ten other words that lead away from both", title="Far")
    filled.add("near", "text embedding", title="Near")
    filled.add("mid", "text embedding and words", title="Mid")
    run(desk, filled, mailbox, NINE)
    text = mailbox.taken[0].get_body(("plain",)).get_content()
    assert text.index("1. Near") < text.index("2. Mid")
    assert "Far" not in text


def test_two_subscriptions_of_one_reader_share_what_was_delivered(desk, filled, mailbox):
    subscriber(desk)
    subscriber(desk, kind="trending", query="")
    filled.add("a", "text embedding", title="First")
    filled.add("b", "cooking", title="Second")
    run(desk, filled, mailbox, NINE)
    assert mailbox.papers() == {("ann@reader.example", "First"): 1, ("ann@reader.example", "Second"): 1}


def test_a_distinct_query_is_encoded_once(desk, filled, mailbox):
    for number in range(5):
        subscriber(desk, f"r{number}@reader.example")
    subscriber(desk, "x@reader.example", query="cooking")
    filled.add("a", "text embedding")
    assert run(desk, filled, mailbox, NINE).sent == 5
    assert filled.embedded == 2


@pytest.mark.parametrize(
    ("mode", "expected"), [("vector", ["Both", "Text"]), ("keyword", ["Text", "Both"]), ("hybrid", ["Text", "Both"])]
)
def test_modes(desk, filled, mailbox, mode, expected):
    subscriber(desk, mode=mode, threshold=0.1)
    filled.add("a", "text embedding", title="Both")
    filled.add("b", "text text text text", title="Text")
    run(desk, filled, mailbox, NINE)
    text = mailbox.taken[0].get_body(("plain",)).get_content()
    found = sorted(expected, key=text.index)
    assert found == expected if mode != "hybrid" else set(found) == set(expected)


def test_filters_hidden_papers_and_thresholds(desk, filled, mailbox):
    one = subscriber(desk, filters="lang = 'en'")
    filled.add("a", "text embedding", title="English", lang="en")
    filled.add("b", "text embedding", title="German", lang="de")
    filled.add("c", "text embedding", title="Hidden", lang="en")
    filled.add("d", "text of many other words about this", title="Weak", lang="en")
    sync(desk, {"papers": filled}, NINE)
    marks.mark(desk, one.reader_id, find(desk, "papers", "c").id, "hide", NINE)
    run(desk, filled, mailbox, NINE)
    assert mailbox.papers() == {("ann@reader.example", "English"): 1}


def test_what_an_index_held_when_the_desk_first_saw_it_is_no_news(desk, source, mailbox):
    subscriber(desk)
    source.add("old", "text embedding", title="Old", date="2020-01-01")
    source.add("new", "text embedding", title="New", date="2026-11-22")
    run(desk, source, mailbox, NINE)
    assert mailbox.papers() == {("ann@reader.example", "New"): 1}


# ---- consent ----------------------------------------------------------------------------------------------------------


def test_nothing_but_the_question_comes_before_the_address_is_confirmed(desk, filled, mailbox):
    subscriber(desk, confirmed=False)
    filled.add("a", "text embedding")
    assert run(desk, filled, mailbox, NINE).sent == 1
    (question,) = mailbox.taken
    assert question["Subject"] == "Please confirm your address"
    link = next(
        line for line in question.get_body(("plain",)).get_content().splitlines() if line.startswith("https://")
    )
    assert run(desk, filled, mailbox, NINE + HOUR).sent == 0
    assert link.startswith("https://desk.example/c/")
    readers.confirm(desk, link.removeprefix("https://desk.example/c/"), NINE + HOUR)
    assert run(desk, filled, mailbox, NINE + 2 * HOUR).sent == 1


def test_one_click_stops_the_mails_of_one_subscription(desk, filled, mailbox):
    one, other = subscriber(desk), subscriber(desk, query="cooking")
    filled.add("a", "text embedding")
    run(desk, filled, mailbox, NINE)
    (letter,) = mailbox.taken
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = letter["List-Unsubscribe"].split(",")[0]
    assert address.startswith("<https://desk.example/u/")
    token = address.removeprefix("<https://desk.example/u/").removesuffix(">")
    assert subscriptions.of_unsubscribe_token(desk, token, NINE).id == one.id
    assert subscriptions.get(desk, one.id).active
    assert subscriptions.unsubscribe(desk, token, NINE) == one.id
    assert subscriptions.unsubscribe(desk, token, NINE + DAY) == one.id
    assert [subscriptions.get(desk, each.id).active for each in (one, other)] == [False, True]
    filled.add("b", "text embedding")
    filled.add("c", "cooking")
    assert run(desk, filled, mailbox, NINE + DAY).sent == 1
    assert mailbox.subjects[-1] == "1 new paper: cooking"


def test_a_digest_that_waits_is_dropped_when_its_reader_stops_it(desk, filled, mailbox):
    one = subscriber(desk)
    filled.add("a", "text embedding")
    mailbox.refuse["ann@reader.example"] = "451 later"
    run(desk, filled, mailbox, NINE)
    subscriptions.set_active(desk, one.id, False)
    mailbox.refuse.clear()
    assert run(desk, filled, mailbox, NINE + HOUR).dropped == 1
    assert mailbox.taken == []


# ---- failures ---------------------------------------------------------------------------------------------------------


def test_one_refused_recipient_does_not_keep_the_others_waiting(desk, filled, mailbox):
    for name in ("ann", "bob", "cy"):
        subscriber(desk, f"{name}@reader.example")
    mailbox.refuse["bob@reader.example"] = "550 no such user"
    filled.add("a", "text embedding")
    report = run(desk, filled, mailbox, NINE)
    assert (report.sent, report.failed) == (2, 1)
    assert mailbox.recipients == ["ann@reader.example", "cy@reader.example"]
    assert report.notes == ["bob@reader.example: 550 no such user"]


def test_three_refusals_in_a_row_pause_a_subscription_and_its_papers_stay_open(desk, filled, mailbox):
    one = subscriber(desk)
    mailbox.refuse["ann@reader.example"] = "550 no such user"
    reports = []
    for day in range(4):
        filled.add(f"d{day}", "text embedding", title=f"Paper {day}")
        reports.append(run(desk, filled, mailbox, NINE + day * DAY))
    assert [report.paused for report in reports] == [0, 0, 1, 0]
    assert not subscriptions.get(desk, one.id).active
    mailbox.refuse.clear()
    subscriptions.set_active(desk, one.id, True)
    run(desk, filled, mailbox, NINE + 4 * DAY)
    assert mailbox.papers() == {("ann@reader.example", f"Paper {day}"): 1 for day in range(4)}


def test_later_is_tried_again_after_a_pause_that_grows(desk, filled, mailbox):
    subscriber(desk)
    filled.add("a", "text embedding")
    mailbox.answer = "451 try again"
    assert run(desk, filled, mailbox, NINE).later == 1
    assert run(desk, filled, mailbox, NINE + 299).later == 0
    assert run(desk, filled, mailbox, NINE + 300).later == 1
    assert run(desk, filled, mailbox, NINE + 899).later == 0
    mailbox.answer = None
    assert run(desk, filled, mailbox, NINE + 900).sent == 1
    assert len(mailbox.taken) == 1


def test_a_mail_that_was_put_off_until_its_period_ended_makes_room_for_the_next(desk, filled, mailbox):
    subscriber(desk)
    filled.add("a", "text embedding", title="First")
    mailbox.refuse["ann@reader.example"] = "451 later"
    run(desk, filled, mailbox, NINE)
    mailbox.refuse.clear()
    filled.add("b", "text embedding", title="Second")
    report = run(desk, filled, mailbox, NINE + DAY)
    assert (report.dropped, report.composed, report.sent) == (1, 1, 1)
    assert mailbox.papers() == {("ann@reader.example", "First"): 1, ("ann@reader.example", "Second"): 1}


def test_a_server_that_is_away_costs_nothing(desk, filled, mailbox):
    subscriber(desk)
    filled.add("a", "text embedding")
    away = mailbox.smtp(port=1)
    with pytest.raises(MailError, match=r"127\.0\.0\.1:1 cannot be used"):
        digests.run(desk, {"papers": filled}, SENDER, away, NINE)
    assert state(desk) == ["queued"]
    assert run(desk, filled, mailbox, NINE + 60).sent == 1


def test_a_server_that_refuses_the_sender_keeps_everything_waiting(desk, filled, mailbox):
    subscriber(desk)
    filled.add("a", "text embedding")

    async def handle_mail(server, session, envelope, address, options):
        return "550 not you"

    mailbox.handle_MAIL = handle_mail
    with pytest.raises(MailError, match=r"refuses the sender desk@desk\.example: 550 not you"):
        run(desk, filled, mailbox, NINE)
    assert state(desk) == ["queued"]


def test_a_connection_lost_before_the_content_is_made_again_at_once(desk, filled, mailbox):
    for name in ("ann", "bob"):
        subscriber(desk, f"{name}@reader.example")
    filled.add("a", "text embedding")
    mailbox.hang_up["rcpt"] = 1
    assert run(desk, filled, mailbox, NINE).sent == 2
    assert set(mailbox.copies().values()) == {1}


@pytest.mark.parametrize(("moment", "copies"), [("content", 1), ("answer", 2)])
def test_a_connection_lost_with_the_content_means_the_same_mail_again(desk, filled, mailbox, moment, copies):
    subscriber(desk)
    filled.add("a", "text embedding", title="First")
    mailbox.hang_up[moment] = 1
    assert run(desk, filled, mailbox, NINE).later == 1
    assert desk.db.execute("SELECT doubtful FROM letter").fetchone()[0] == 1
    filled.add("b", "text embedding", title="Second")
    run(desk, filled, mailbox, NINE + DAY)  # its period is over, but it may have arrived: no new mail with its paper
    assert mailbox.papers() == {("ann@reader.example", "First"): 1, ("ann@reader.example", "Second"): 1}
    assert sorted(mailbox.copies().values()) == sorted([1, copies])
    first = [letter.as_bytes() for letter in mailbox.taken if "First" in letter.get_body(("plain",)).get_content()]
    assert len(set(first)) == 1


def test_a_mail_of_unknown_fate_is_given_up_after_a_week(desk, filled, mailbox):
    subscriber(desk)
    filled.add("a", "text embedding", title="First")
    mailbox.hang_up["content"] = 1000
    run(desk, filled, mailbox, NINE)
    mailbox.hang_up.clear()
    report = run(desk, filled, mailbox, NINE + 9 * DAY)
    assert (report.failed, report.sent) == (1, 0)
    assert mailbox.taken == []


def test_a_server_that_hangs_up_again_and_again_is_left_alone(desk, filled, mailbox):
    for number in range(5):
        subscriber(desk, f"r{number}@reader.example")
    filled.add("a", "text embedding")
    mailbox.hang_up["content"] = 1000
    with pytest.raises(MailError, match="hangs up"):
        run(desk, filled, mailbox, NINE)
    assert desk.db.execute("SELECT sum(attempts) FROM letter").fetchone()[0] == 3


def test_two_runs_at_a_time_are_refused(desk, filled, mailbox):
    with digests._alone(desk), pytest.raises(StoreBusyError):
        run(desk, filled, mailbox, NINE)


def test_an_index_that_was_not_given_is_named_and_its_subscribers_wait(desk, filled, mailbox):
    subscriber(desk)
    report = digests.run(desk, {}, SENDER, mailbox.smtp(), NINE)
    assert report.notes == ["papers was not given; its subscriptions wait."]


def test_a_preview_writes_nothing(desk, filled):
    one = subscriber(desk)
    filled.add("a", "text embedding", title="First")
    for _ in range(2):
        (made,) = digests.preview(desk, {"papers": filled}, SENDER, NINE, one.id)
        assert [match.item.title for match in made.matches] == ["First"]
        assert b"First" in made.content
    assert desk.db.execute("SELECT count(*) FROM letter").fetchone()[0] == 0
    assert subscriptions.get(desk, one.id).seen_item == one.seen_item


def test_a_message_id_follows_from_subscription_and_period(desk, filled, mailbox):
    one = subscriber(desk)
    filled.add("a", "text embedding")
    run(desk, filled, mailbox, NINE)
    name = f"digest.{one.id}.2026-11-23.{tokens.mac(desk, NINE, 'message', one.id, '2026-11-23')}"
    assert mailbox.taken[0]["Message-ID"] == f"<{name}@desk.example>"
    assert digests.history(desk, one.id)[0]["period_key"] == "2026-11-23"


def test_removing_a_subscription_keeps_what_was_delivered(desk, filled, mailbox):
    one = subscriber(desk)
    filled.add("a", "text embedding", title="First")
    run(desk, filled, mailbox, NINE)
    assert subscriptions.remove(desk, one.id)
    subscriptions.subscribe(desk, one.reader_id, "papers", "query", "text embedding", now=NINE)
    assert run(desk, filled, mailbox, NINE + DAY).sent == 0
    assert letters.waiting(desk, NINE + DAY) == []
