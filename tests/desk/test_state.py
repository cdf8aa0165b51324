"""The database: steps that bring it up, readers in several threads, tokens, and what is kept of items and marks."""

import email
import email.policy
import sqlite3
import threading

import pytest
from desk_fakes import DAY, HOUR, MONDAY, SENDER
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.desk import items, marks, migrations, readers, subscriptions, tokens
from vecloom.desk.state import Desk, beside
from vecloom.errors import DeskError, DocumentNotFoundError, TokenError, UsageError

NOW = MONDAY


# ---- migrations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(len(migrations.MIGRATIONS) + 1))
def test_a_desk_of_any_step_is_brought_up_and_keeps_what_it_had(tmp_path, step, monkeypatch):
    path = tmp_path / "desk.sqlite"
    with monkeypatch.context() as older:
        older.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:step])
        old = Desk(path)
        if step:
            old.db.execute("INSERT INTO reader (email, created_at) VALUES ('ann@reader.example', 1)")
        old.close()
    desk = Desk(path)
    assert desk.db.execute("PRAGMA user_version").fetchone()[0] == len(migrations.MIGRATIONS)
    assert desk.db.execute("SELECT count(*) FROM reader").fetchone()[0] == (2 if step else 1)
    assert desk.db.execute("SELECT count(*) FROM suggestion").fetchone()[0] == 0
    assert desk.db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_step_that_fails_leaves_the_step_before(tmp_path, monkeypatch):
    broken = (*migrations.MIGRATIONS, "CREATE TABLE extra (x);\nINSERT INTO nowhere VALUES (1);\n")
    with monkeypatch.context() as newer:
        newer.setattr(migrations, "MIGRATIONS", broken)
        with pytest.raises(DeskError):
            Desk(tmp_path / "desk.sqlite")
    desk = Desk(tmp_path / "desk.sqlite")
    assert desk.db.execute("PRAGMA user_version").fetchone()[0] == len(migrations.MIGRATIONS)
    with pytest.raises(sqlite3.OperationalError):
        desk.db.execute("SELECT * FROM extra")


def test_the_desk_is_wal_with_foreign_keys_and_full_sync(desk):
    values = [
        desk.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "foreign_keys", "synchronous")
    ]
    assert values == ["wal", 1, 2]


def test_a_transaction_is_whole_or_not_at_all(desk):
    def fail():
        with desk.transaction() as db:
            db.execute("INSERT INTO reader (created_at) VALUES (1)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert desk.db.execute("SELECT count(*) FROM reader").fetchone()[0] == 1


def test_threads_open_a_new_desk_at_once_and_write_in_turn(tmp_path):
    failures = []

    def work():
        try:
            desk = Desk(tmp_path / "desk.sqlite")
            for _ in range(20):
                with desk.transaction() as db:
                    number = db.execute("SELECT count(*) FROM reader").fetchone()[0]
                    db.execute("INSERT INTO reader (email, created_at) VALUES (?, 1)", (f"r{number}@reader.example",))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Desk(tmp_path / "desk.sqlite").db.execute("SELECT count(*) FROM reader").fetchone()[0] == 81


def test_the_desk_is_beside_the_index(tmp_path):
    assert beside(tmp_path / "papers.index") == tmp_path / "desk.sqlite"


# ---- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_opens_one_thing_until_its_time_is_over(desk):
    token = tokens.make(desk, "confirm", 7, NOW, 60)
    assert tokens.read(desk, "confirm", token, NOW + 59) == 7
    with pytest.raises(TokenError, match="too old"):
        tokens.read(desk, "confirm", token, NOW + 60)
    with pytest.raises(TokenError, match="not valid"):
        tokens.read(desk, "login", token, NOW)
    assert tokens.read(desk, "feed", tokens.make(desk, "feed", 7, NOW), NOW + 10**9) == 7


def test_the_signature_is_hmac_sha256_over_purpose_version_subject_and_expiry(desk):
    import base64
    import hashlib
    import hmac

    token = tokens.make(desk, "unsubscribe", 7, NOW)
    secret = desk.db.execute("SELECT secret FROM signing_key").fetchone()[0]
    digest = hmac.new(secret, b'["unsubscribe", 1, 7, 0]', hashlib.sha256).digest()
    assert token == f"1.7.0.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 200), letter=st.characters(codec="utf-8"), text=st.text(max_size=60))
def test_a_changed_token_is_refused(tmp_path_factory, place, letter, text):
    desk = _shared(tmp_path_factory)
    token = tokens.make(desk, "unsubscribe", 7, NOW)
    place %= len(token)
    changed = token[:place] + letter + token[place + 1 :]
    for forged in (text, *([changed] if changed != token else [])):
        with pytest.raises(TokenError):
            tokens.read(desk, "unsubscribe", forged, NOW)


_desks = []


def _shared(factory):
    if not _desks:
        _desks.append(Desk(factory.mktemp("desk") / "desk.sqlite"))
    return _desks[0]


def test_old_keys_hold_until_they_are_retired(desk):
    old = tokens.make(desk, "feed", 7, NOW)
    version = tokens.rotate(desk, NOW)
    new = tokens.make(desk, "feed", 7, NOW)
    assert old != new
    assert tokens.read(desk, "feed", old, NOW) == tokens.read(desk, "feed", new, NOW) == 7
    assert tokens.retire(desk, version) == 1
    assert tokens.read(desk, "feed", new, NOW) == 7
    with pytest.raises(TokenError):
        tokens.read(desk, "feed", old, NOW)


def test_another_desks_token_is_refused(desk, tmp_path):
    other = Desk(tmp_path / "other.sqlite")
    tokens.make(desk, "feed", 7, NOW)
    with pytest.raises(TokenError):
        tokens.read(desk, "feed", tokens.make(other, "feed", 7, NOW), NOW)


def test_a_token_of_one_subscription_does_not_stop_another(desk):
    reader = readers.local(desk)
    first, second = (subscriptions.subscribe(desk, reader.id, "papers", "trending", now=NOW) for _ in range(2))
    token = subscriptions.unsubscribe_token(desk, first.id, NOW)
    forged = token.replace(f".{first.id}.", f".{second.id}.", 1)
    with pytest.raises(TokenError):
        subscriptions.unsubscribe(desk, forged, NOW)
    with pytest.raises(TokenError):
        subscriptions.of_feed_token(desk, token, NOW)


# ---- readers ----------------------------------------------------------------------------------------------------------


def letters_of(desk, kind):
    rows = desk.db.execute("SELECT recipient, content FROM letter WHERE kind = ? ORDER BY id", (kind,))
    parsed = [(row["recipient"], email.message_from_bytes(row["content"], policy=email.policy.default)) for row in rows]
    return [(to, letter.get_body(("plain",)).get_content()) for to, letter in parsed]


def token_of(content, path):
    return content.partition(f"https://desk.example/{path}/")[2].split()[0]


def test_a_login_link_works_once_and_for_a_quarter_of_an_hour(desk):
    readers.request_login(desk, SENDER, "ann@reader.example", NOW)
    ((to, content),) = letters_of(desk, "login")
    token = token_of(content, "l")
    assert to == "ann@reader.example"
    with pytest.raises(TokenError, match="too old"):
        readers.login(desk, token, NOW + 900)
    reader, secret = readers.login(desk, token, NOW + 899)
    assert (reader.email, reader.confirmed_at) == ("ann@reader.example", NOW + 899)
    with pytest.raises(TokenError, match="used before"):
        readers.login(desk, token, NOW + 899)
    assert readers.of_session(desk, secret, NOW + DAY) == reader
    assert readers.of_session(desk, secret + "x", NOW + DAY) is None
    assert readers.of_session(desk, secret, NOW + 31 * DAY) is None
    readers.logout(desk, secret)
    assert readers.of_session(desk, secret, NOW + DAY) is None
    assert secret not in "".join(map(str, desk.db.iterdump()))


def test_an_inbox_cannot_be_filled(desk):
    for minute in range(10):
        readers.request_login(desk, SENDER, "ann@reader.example", NOW + minute)
        readers.enrol(desk, SENDER, "ANN@Reader.example", NOW + minute)
    assert len(letters_of(desk, "login")) + len(letters_of(desk, "confirm")) == 3
    readers.request_login(desk, SENDER, "ann@reader.example", NOW + HOUR + 10)
    assert len(letters_of(desk, "login")) == 3


def test_a_confirmation_holds_for_two_days_and_may_be_followed_twice(desk):
    readers.enrol(desk, SENDER, "ann@reader.example", NOW)
    ((_, content),) = letters_of(desk, "confirm")
    token = token_of(content, "c")
    with pytest.raises(TokenError):
        readers.confirm(desk, token, NOW + 2 * DAY)
    assert readers.confirm(desk, token, NOW + DAY).confirmed_at == NOW + DAY
    assert readers.confirm(desk, token, NOW + DAY + 1).confirmed_at == NOW + DAY
    with pytest.raises(TokenError):
        readers.login(desk, token, NOW)


def test_the_local_reader_takes_an_address_that_is_free(desk):
    assert readers.enrol(desk, SENDER, "ann@reader.example", NOW, as_local=True).id == migrations.LOCAL_READER
    other = readers.enrol(desk, SENDER, "bob@reader.example", NOW)
    with pytest.raises(UsageError, match="another reader's"):
        readers.enrol(desk, SENDER, "bob@reader.example", NOW, as_local=True)
    readers.forget(desk, other.id)
    readers.forget(desk, migrations.LOCAL_READER)
    assert readers.local(desk).email is None
    with pytest.raises(DeskError):
        readers.get(desk, other.id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@",
        "@x.example",
        "a b@x.example",
        "ann@x.example\r\nBcc: b@y.example",
        "ann@x.example,b@y.example",
        "<ann@x.example>",
        '"a b"@x.example',
        "ann@-x.example",
        "änn@x.example",
        "ann@x..example",
        f"{'a' * 65}@x.example",
    ],
)
def test_what_is_no_address(desk, text):
    with pytest.raises(UsageError, match="not an e-mail address"):
        readers.enrol(desk, SENDER, text, NOW)


# ---- items and marks --------------------------------------------------------------------------------------------------


def test_items_follow_the_index(desk, source):
    source.add("a", "x", title="A", date="2026-11-20", url="https://x.example/a", authors="One")
    source.add("b", "x", title="", url="javascript:alert(1)", published="2025-03")
    assert items.sync(desk, {"papers": source}, NOW) == 2
    assert items.sync(desk, {"papers": source}, NOW) == 0
    a, b = items.find(desk, "papers", "a"), items.find(desk, "papers", "b")
    assert (a.title, a.url, a.authors, a.published_at) == ("A", "https://x.example/a", "One", NOW - 3 * DAY)
    assert a.added_at == a.published_at  # seen for the first time: no news
    assert (b.title, b.url, b.published_at) == ("b", "", 1_740_787_200)  # 2025-03-01
    source.add("a", "x", title="A, corrected", date="2026-11-20")
    source.add("c", "x")
    del source.held["b"]
    assert items.sync(desk, {"papers": source}, NOW + HOUR) == 1
    again = items.find(desk, "papers", "a")
    assert (again.id, again.title, again.url, again.added_at) == (a.id, "A, corrected", "", a.added_at)
    assert items.find(desk, "papers", "c").added_at == NOW + HOUR
    assert set(items.by_doc_ids(desk, "papers", ["a", "b", "c", "zz"])) == {"a", "c"}
    source.add("b", "x")
    assert items.sync(desk, {"papers": source}, NOW + DAY) == 0
    assert items.by_doc_ids(desk, "papers", ["b"])["b"].id == b.id
    with pytest.raises(DocumentNotFoundError):
        items.find(desk, "papers", "zz")
    with pytest.raises(DocumentNotFoundError):
        items.get(desk, 99)


def test_marks_count_once_and_can_be_taken_back(desk, source):
    source.add("a", "x")
    items.sync(desk, {"papers": source}, NOW)
    item = items.find(desk, "papers", "a")
    for _ in range(3):
        marks.mark(desk, 1, item.id, "save", NOW)
        marks.view(desk, 1, item.id, NOW)
        assert marks.tag(desk, 1, item.id, "  to\nread ") == "to read"
    marks.view(desk, 1, item.id, NOW + DAY)
    rows = desk.db.execute("SELECT kind, day FROM event ORDER BY id").fetchall()
    assert [tuple(row) for row in rows] == [("save", ""), ("view", "2026-11-23"), ("view", "2026-11-24")]
    assert marks.of_items(desk, 1, [item.id]) == {item.id: marks.Marks(viewed=True, saved=True, tags=("to read",))}
    assert [one.doc_id for one in marks.marked(desk, 1, "save", "papers")] == ["a"]
    assert [one.doc_id for one in marks.tagged(desk, 1, "to read")] == ["a"]
    assert marks.tags(desk, 1) == {"to read": 1}
    assert marks.unmark(desk, 1, item.id, "save")
    assert not marks.unmark(desk, 1, item.id, "save")
    assert marks.untag(desk, 1, item.id, "to read")
    for call in (
        lambda: marks.mark(desk, 1, item.id, "like", NOW),
        lambda: marks.mark(desk, 9, item.id, "save", NOW),
        lambda: marks.mark(desk, 1, 99, "save", NOW),
        lambda: marks.tag(desk, 1, item.id, " "),
        lambda: marks.tag(desk, 1, item.id, "x" * 65),
    ):
        with pytest.raises(UsageError):
            call()


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "other"},
        {"query": " "},
        {"mode": "best"},
        {"period": "hourly"},
        {"hour": 24},
        {"max_items": 0},
        {"threshold": float("nan")},
        {"timezone": "../../etc/passwd"},
        {"reader_id": 9},
    ],
)
def test_subscriptions_that_cannot_be(desk, wrong):
    given = {"reader_id": 1, "index_name": "papers", "kind": "query", "query": "x"} | wrong
    with pytest.raises(UsageError):
        subscriptions.subscribe(desk, now=NOW, **given)
    assert subscriptions.every(desk) == []
