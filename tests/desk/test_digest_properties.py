"""Whatever the mail server and the clock do in whatever order: no paper twice to a reader, and in the end every paper once."""

import email
import email.policy
import re
from collections import Counter
from contextlib import suppress

from desk_fakes import DAY, HOUR, MONDAY, SENDER, FakeSource
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.desk import digests, readers, subscriptions
from vecloom.desk.items import sync
from vecloom.desk.smtp import LostError, RefusedError
from vecloom.desk.state import Desk
from vecloom.errors import MailError


class Crash(BaseException):
    """The process ends here."""


class Moody:
    """A mail server: for each mail the next mood; then it is good."""

    def __init__(self):
        self.moods, self.taken = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def send(self, recipient, content, before_content):
        mood = self.moods.pop() if self.moods else "good"
        if mood in ("away", "early crash", "hang up"):
            raise {"away": MailError("away"), "early crash": Crash(), "hang up": LostError("x", doubtful=False)}[mood]
        if mood in ("later", "never"):
            raise RefusedError(451 if mood == "later" else 550, mood)
        before_content()
        if mood not in ("lost before", "crash before"):
            self.taken.append((recipient, content))
        if mood.startswith("crash"):
            raise Crash
        if mood.startswith("lost"):
            raise LostError("x", doubtful=True)


MOODS = ["good", "away", "early crash", "hang up", "later", "lost before", "lost after", "crash before", "crash after"]
steps = st.lists(
    st.one_of(
        st.just("paper"),
        st.integers(1, 40).map(lambda hours: hours * HOUR),
        st.lists(st.sampled_from(MOODS), max_size=3).map(tuple),
    ),
    max_size=25,
)


def papers_of(content):
    letter = email.message_from_bytes(content, policy=email.policy.default)
    text = letter.get_body(("plain",)).get_content()
    return letter["Message-ID"], re.findall(r"^\d+\. (.+?)\r?$", text, re.MULTILINE)


def arrived(server):
    """(reader, paper) -> in how many different mails."""
    return Counter(
        (to, title) for to, _, titles in {(to, *_frozen(content)) for to, content in server.taken} for title in titles
    )


def _frozen(content):
    name, titles = papers_of(content)
    return name, tuple(title for title in titles if title.startswith("Paper"))


def attempt(desk, source, server, now):
    with suppress(MailError, Crash):
        digests.run(desk, {"papers": source}, SENDER, server, now)


@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from(["daily", "weekly"]))
def test_every_paper_once_to_every_reader(tmp_path_factory, given_steps, period):
    desk, source, server, now = Desk(tmp_path_factory.mktemp("d") / "desk.sqlite"), FakeSource(), Moody(), MONDAY
    desk.db.execute("PRAGMA synchronous = OFF")
    source.add("old", "cooking", date="2001-01-01")
    sync(desk, {"papers": source}, MONDAY - 30 * DAY)
    for name in ("ann", "bob"):
        reader = readers.enrol(desk, SENDER, f"{name}@reader.example", now)
        desk.db.execute("UPDATE reader SET confirmed_at = 1")
        desk.db.execute("DELETE FROM letter")
        subscriptions.subscribe(
            desk, reader.id, "papers", "query", "text embedding", now=now, period=period, max_items=100
        )
    count = 0
    for step in given_steps:
        if step == "paper":
            count += 1
            source.add(f"p{count}", "text embedding", title=f"Paper {count}")
        elif isinstance(step, int):
            now += step
        else:
            server.moods = list(step)
            attempt(desk, source, server, now)
            assert set(arrived(server).values()) <= {1}
    server.moods = []
    for _ in range(4):  # a week at the most until the next period
        now += 5 * DAY
        attempt(desk, source, server, now)
    expected = {(f"{name}@reader.example", f"Paper {n}"): 1 for name in ("ann", "bob") for n in range(1, count + 1)}
    found, doubted = arrived(server), _given_up(desk)
    assert set(found.values()) <= {1}
    assert {key: value for key, value in expected.items() if key not in doubted} == {
        key: value for key, value in found.items() if key not in doubted
    }
    # the same Message-ID is the same mail
    assert len({(papers_of(content)[0], content) for _, content in server.taken}) == len(
        {papers_of(content)[0] for _, content in server.taken}
    )
    desk.close()


def _given_up(desk):
    """Papers in mails of unknown fate that were given up after their week: they may have arrived or not."""
    rows = desk.db.execute("SELECT recipient, content FROM letter WHERE state = 'failed' AND doubtful")
    return {(row["recipient"], title) for row in rows for title in _frozen(row["content"])[1]}
