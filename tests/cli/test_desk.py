import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

from vecloom.desk.state import Desk

_spec = importlib.util.spec_from_file_location("cli_mailbox", Path(__file__).parents[1] / "desk" / "mailbox.py")
_module = importlib.util.module_from_spec(_spec)
sys.modules["cli_mailbox"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture
def papers(run, tmp_path):
    """An index of three papers, one of them of long ago."""
    path = tmp_path / "papers.jsonl"
    records = [
        {"id": "a", "title": "First", "text": "one", "url": "https://x.example/a", "categories": "cs.CL"},
        {"id": "b", "title": "Second", "text": "two", "categories": "cs.IR"},
        {"id": "c", "title": "Third", "text": "three", "date": "2001-01-01", "categories": "cs.CL"},
    ]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    assert run("index", path, "-i", tmp_path / "papers.index").exit_code == 0
    return tmp_path / "papers.index"


@pytest.fixture
def post(monkeypatch):
    with _module.Mailbox() as mailbox:
        settings = {"HOST": "127.0.0.1", "PORT": str(mailbox.port), "SECURITY": "none"}
        for name, value in settings.items():
            monkeypatch.setenv(f"VECLOOM_SMTP_{name}", value)
        monkeypatch.setenv("VECLOOM_MAIL_FROM", "desk@desk.example")
        monkeypatch.setenv("VECLOOM_BASE_URL", "https://desk.example")
        yield mailbox


def ids(result):
    return [entry["item"]["doc_id"] for entry in json.loads(result.stdout)]


def test_lists_and_marks(run, papers):
    assert ids(run("desk", papers, "--json")) == ["c", "a", "b"]
    assert ids(run("desk", papers, "--sort", "date", "--where", "categories = 'cs.CL'", "--json")) == [
        "c",
        "a",
    ]  # undated papers do not lead
    done = run("desk", papers, "--upvote", "b", "--tag", "b=good one", "--hide", "c")
    assert done.stdout == "b: upvote\nc: hide\nb: tag good one\n"
    result = run("desk", papers, "--sort", "trending")
    assert result.stdout.index("Second") < result.stdout.index("First")
    assert "upvoted  good one" in result.stdout
    assert "Third" not in result.stdout
    run("desk", papers, "--upvote", "b", "--hide", "c", "--undo")
    assert ids(run("desk", papers, "--json")) == ["c", "a", "b"]
    assert set(ids(run("desk", papers, "--similar", "a", "--json"))) == {"b", "c"}
    assert ids(run("desk", papers, "First one", "--json"))[0] == "a"
    assert (papers.parent / "desk.sqlite").stat().st_mode & 0o777 == 0o600


def test_for_you_says_what_it_needs_and_learns(run, papers):
    assert "learns from 3 papers that you kept, so far there are 0" in run("desk", papers, "--sort", "for-you").stdout


def test_what_is_not_there(run, papers):
    for call, told in (
        (("desk", papers, "--save", "zz"), "no 'zz' of papers.index"),
        (("desk", papers, "--similar", "zz"), "no 'zz' of papers.index"),
        (("desk", papers, "--where", "nothing = 1"), "not a field"),
        (("desk", papers.parent / "none"), "does not exist"),
        (("subscribe", papers, "--remove", "7"), "no subscription 7"),
        (("subscribe", papers, "--confirm", "1.2.3.4"), "link is not valid"),
        (("subscribe", papers), "without a query"),
        (("subscribe", papers, "x", "--where", "nothing = 1"), "not a field"),
        (("subscribe", papers, "x", "--timezone", "Mars/Base"), "no time zone 'Mars/Base'"),
        (("digest", papers, "--preview", "--only", "7"), "no subscription 7"),
    ):
        result = run(*call)
        assert result.exit_code in (1, 2), call
        assert told in result.stderr, (call, result.stderr)


def test_wrong_calls(run, papers):
    assert run("digest", papers).exit_code == 2
    assert run("digest", papers, "--send", "--preview").exit_code == 2
    assert run("digest", papers, "--send", "--only", "1").exit_code == 2
    assert run("desk", papers, "--tag", "a").exit_code == 2
    assert "VECLOOM_MAIL_FROM is not set" in run("digest", papers, "--send").stderr


def test_from_the_subscription_to_the_mail_and_out_again(run, papers, post):
    made = run("subscribe", papers, "--kind", "trending", "--email", "Ann@Reader.example", "--hour", "0")
    assert made.exit_code == 0, made.stderr
    assert "Ann@reader.example has to agree first" in made.stdout
    assert run("digest", papers, "--send").stdout.startswith("0 subscriptions due, 0 digests written; 1 sent.")
    text = post.taken[0].get_body(("plain",)).get_content()
    token = next(line for line in text.splitlines() if line.startswith("https://")).rpartition("/")[2]
    assert "gets mails from now on" in run("subscribe", papers, "--confirm", token).stdout
    report = json.loads(run("digest", papers, "--send", "--json").stdout)
    assert (report["due"], report["composed"], report["sent"]) == (1, 1, 1)
    assert post.subjects[-1] == "2 new papers: trending"
    assert "nothing to send" in run("digest", papers, "--send").stdout
    assert "on" in run("subscribe", papers, "--list").stdout
    link = post.taken[-1]["List-Unsubscribe"].split(">")[0].rpartition("/")[2]
    assert run("subscribe", papers, "--remove", link).stdout == "Subscription 1 is stopped.\n"
    assert json.loads(run("subscribe", papers, "--list", "--json").stdout)[0]["active"] is False
    assert run("subscribe", papers, "--remove", "1").stdout == "Subscription 1 is removed.\n"
    assert run("subscribe", papers, "--list").stdout == "There are no subscriptions.\n"


def test_a_preview_and_feeds_need_no_settings(run, papers, tmp_path):
    made = run("subscribe", papers, "First one", "--threshold", "0.9")
    assert "It has no address" in made.stdout
    shown = run("digest", papers, "--preview", "-o", tmp_path / "mails")
    assert "1.000  First" in shown.stdout
    assert "Subject: 1 new paper: First one" in shown.stdout
    assert (tmp_path / "mails" / "subscription-1.eml").read_bytes().startswith(b"Message-ID: <digest.1.")
    (told,) = json.loads(run("digest", papers, "--preview", "--json").stdout)
    assert [paper["id"] for paper in told["papers"]] == ["a"]
    result = run("digest", papers, "--feeds", tmp_path / "feeds")
    assert result.stdout.splitlines() == [
        str(tmp_path / "feeds" / f"papers.index-1.{form}") for form in ("atom", "rss")
    ]
    before = (tmp_path / "feeds" / "papers.index-1.atom").stat().st_mtime_ns
    run("digest", papers, "--feeds", tmp_path / "feeds")
    assert (tmp_path / "feeds" / "papers.index-1.atom").stat().st_mtime_ns == before


def test_a_filter_that_fits_no_more_stops_its_own_subscription_alone(run, papers, tmp_path):
    run("subscribe", papers, "First one", "--threshold", "0.9", "--where", "categories = 'cs.CL'")
    run("subscribe", papers, "Second two", "--threshold", "0.9")
    records = '{"id": "b", "title": "Second", "text": "two"}\n'
    (tmp_path / "other.jsonl").write_text(records, encoding="utf-8")
    shutil.rmtree(papers)  # made anew, without the field
    assert run("index", tmp_path / "other.jsonl", "-i", papers).exit_code == 0
    shown = run("digest", papers, "--preview")
    assert "names 'categories', which is not a field of this index" in shown.stdout
    assert "1.000  Second" in shown.stdout
    first, second = json.loads(run("digest", papers, "--preview", "--json").stdout)
    assert "not a field" in first["trouble"]
    assert [paper["id"] for paper in second["papers"]] == ["b"]
    written = run("digest", papers, "--feeds", tmp_path / "feeds")
    assert written.exit_code == 0
    assert "Subscription 1 has no feed: The filter \"categories = 'cs.CL'\" names 'categories'" in written.stderr
    assert (tmp_path / "feeds" / "papers.index-2.atom").exists()


def test_a_desk_of_a_newer_version_is_refused(run, papers):
    desk = Desk(papers.parent / "desk.sqlite")
    desk.db.execute("PRAGMA user_version = 99")
    desk.close()
    result = run("desk", papers)
    assert result.exit_code == 1
    assert "format 99" in result.stderr


def test_a_file_that_is_no_desk_is_refused(run, papers, tmp_path):
    (tmp_path / "other.sqlite").write_text("hello " * 100, encoding="utf-8")
    result = run("desk", papers, "--desk", tmp_path / "other.sqlite")
    assert result.exit_code == 1
    assert "cannot be used as a desk" in result.stderr
