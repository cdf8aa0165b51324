"""The reading room: marks, lists, subscriptions, feeds, logins and the links of mails, as a browser without scripts gets them."""

import re
import time
import xml.etree.ElementTree as ET
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.desk.feed_rules import RULES
from tests.desk.mailbox import Mailbox
from tests.serve.served import new_state, served
from tests.serve.test_page import HTML, Outline

from vecloom.desk import marks, readers, subscriptions, tokens
from vecloom.serve.keys import KeyRing, add_key
from vecloom.serve.problems import Problem
from vecloom.serve.room.pace import Pace
from vecloom.serve.room.post import Post
from vecloom.serve.room.room import Room

JSON = {"accept": "application/json"}
NOW = int(time.time())


def day(back):
    return time.strftime("%Y-%m-%d", time.gmtime(NOW - 86_400 * back))


PAPERS = [
    {"id": "emb1", "title": "Embedding one", "text": "text embedding with pairs", "date": day(3)},
    {"id": "emb2", "title": "Embedding two", "text": "text embedding with labels", "date": day(1)},
    {"id": "emb3", "title": "Embedding three", "text": "text embedding of code", "date": day(2)},
    {"id": "wing", "title": "Wing flutter", "text": "vibration of thin wings", "date": day(1)},
    {
        "id": "a/b c",
        "title": "Odd <id>",
        "text": "an odd embedding",
        "date": day(200),
        "url": "https://example.org/odd",
    },
]


def opened(folder, mailbox=None, monkeypatch=None, multi_user=False, pauses=(0.0,), **settings):
    if multi_user:
        settings |= {"multi_user": True, "insecure": settings.get("key_file") is None}
    state = new_state(folder, desk=folder / "desk.sqlite", **settings)
    state.indexes["docs"].add(PAPERS)
    if mailbox is not None:
        monkeypatch.setenv("VECLOOM_MAIL_FROM", "desk@desk.example")
        monkeypatch.setenv("VECLOOM_BASE_URL", "https://desk.example")
        monkeypatch.setenv("VECLOOM_SMTP_SECURITY", "none")
        monkeypatch.setenv("VECLOOM_SMTP_PORT", str(mailbox.port))
    state.room = Room.open(folder / "desk.sqlite", state.indexes, multi_user=multi_user)
    return state


@pytest.fixture
def site(tmp_path):
    with served(opened(tmp_path)) as client:
        yield client


@pytest.fixture
def mailbox():
    with Mailbox() as running:
        yield running


def get(site, url, status=200):
    response = site.get(url, headers=HTML)
    assert response.status_code == status, response.text
    Outline(response.text)
    return response.text


def token(site, url="/desk"):
    return re.search(r'name="form" value="([^"]+)"', get(site, url)).group(1)


def send(site, kind, /, status=303, headers=HTML, **fields):
    fields = {"form": fields.pop("form", None) or token(site, fields.pop("at", "/desk")), "index": "docs", **fields}
    response = site.post(f"/desk/{kind}", data=fields, headers=headers, follow_redirects=False)
    assert response.status_code == status, response.text
    return response


def titles(text):
    return re.findall(r'class="title"(?: dir="auto")? href="[^"]*">([^<]*)</a>', text)


def eventually(found):
    """Mails leave in a thread of their own."""
    end = time.monotonic() + 20
    while not found() and time.monotonic() < end:
        time.sleep(0.02)
    return found()


# ---- lists and marks --------------------------------------------------------------------------------------------------


def test_without_a_query_papers_are_listed_by_trend_date_or_taste(site):
    assert titles(get(site, "/?sort=date"))[:3] == ["Embedding two", "Wing flutter", "Embedding three"]
    assert titles(get(site, "/"))[-1] == "Odd &lt;id&gt;"
    send(site, "mark", id="a/b c", what="upvote")
    for _ in range(2):  # twice is once
        send(site, "mark", id="emb1", what="save")
    listed = titles(get(site, "/"))
    assert listed.index("Embedding one") < listed.index("Embedding three")  # saved, though older
    assert listed[-1] == "Odd &lt;id&gt;"  # an up-vote does not bring back what is 200 days old
    assert "learns from 3 papers that you kept, so far there are 2" in get(site, "/?sort=for_you")


def test_the_list_for_a_reader_has_reasons(site):
    for name in ("emb1", "emb2", "a/b c"):
        send(site, "mark", id=name, what="save")
    site.state.room._worker.submit(lambda: None).result()
    text = get(site, "/?sort=for_you")
    assert titles(text)[0] == "Embedding three"
    assert "which you kept" in text


def test_a_query_can_be_ordered_by_trend(site):
    first = titles(get(site, "/?q=text+embedding&mode=keyword"))
    assert set(first[:3]) == {"Embedding one", "Embedding two", "Embedding three"}
    # Together a weight of 6; its age, and two hours, is less than 6 ** (2/3) = 3.3 times that of the youngest.
    for what in ("upvote", "save"):
        send(site, "mark", id="emb1", what=what)
    assert titles(get(site, "/?q=text+embedding&mode=keyword&sort=trending"))[0] == "Embedding one"


def test_marks_are_shown_and_taken_back(site):
    back = send(site, "mark", id="emb1", what="save", next="/?q=text+embedding")
    assert back.headers["location"] == "/?q=text+embedding"
    assert 'value="-save" data-kind="save" aria-pressed="true"' in get(site, "/d/docs/emb1")
    assert titles(get(site, "/desk")) == ["Embedding one"]
    send(site, "mark", id="emb1", what="-save")
    assert titles(get(site, "/desk")) == []


def test_what_is_hidden_is_nowhere_but_on_the_desk(site):
    for url in ("/?q=text+embedding", "/", "/?sort=date", "/similar/docs/emb2"):
        assert "Embedding one" in titles(get(site, url))
    send(site, "mark", id="emb1", what="hide")
    for url in ("/?q=text+embedding", "/", "/?sort=date", "/similar/docs/emb2", "/?q=text+embedding&sort=trending"):
        assert "Embedding one" not in titles(get(site, url))
    assert titles(get(site, "/desk?list=hide")) == ["Embedding one"]


def test_tags(site):
    send(site, "tag", id="emb1", tag="  to  read & more ")
    assert "to read &amp; more" in get(site, "/d/docs/emb1")
    assert titles(get(site, "/desk?tag=to+read+%26+more")) == ["Embedding one"]
    send(site, "tag", id="emb1", untag="to read & more")
    assert titles(get(site, "/desk?tag=to+read+%26+more")) == []
    assert "A tag cannot be" in send(site, "tag", id="emb1", tag=" ", status=400).text


def test_opening_a_paper_counts_once_a_day(site):
    for _ in range(3):
        get(site, "/d/docs/emb1")
    room = site.state.room
    papers = room.papers("docs", 1)
    assert papers.standing(["emb1"])["emb1"].interest.views == 1


def test_scripts_are_told_how_it_stands(site):
    found = send(site, "mark", id="a/b c", what="upvote", status=200, headers=JSON).json()
    assert found == {"save": False, "upvote": True, "hide": False, "tags": [], "upvotes": 1}
    assert send(site, "tag", id="emb1", tag="x", status=200, headers=JSON).json()["tags"] == ["x"]
    assert "no mark 'kiss'" in send(site, "mark", id="emb1", what="kiss", status=400, headers=JSON).json()["trouble"]


@pytest.mark.parametrize(
    ("what", "fields", "status"),
    [
        ("mark", {"id": "nothing", "what": "save"}, 404),
        ("mark", {"id": "emb1", "what": "save", "index": "other"}, 404),
        ("tag", {"id": "emb1", "tag": "x" * 65}, 400),
        ("subscribe", {"query": ""}, 400),
        ("subscribe", {"query": "x", "threshold": "much"}, 400),
        ("subscribe", {"query": "x", "timezone": "Mars/Base"}, 400),
        ("subscribe", {"query": "x", "where": "nothing = 1"}, 400),
        ("subscribe", {"query": "x", "index": "other"}, 404),
        ("subscription", {"number": "7", "what": "stop"}, 404),
        ("subscription", {"number": "seven", "what": "stop"}, 400),
        ("address", {"email": "ann@example.org"}, 400),
        ("login", {"email": "ann@example.org"}, 404),
        ("nothing", {}, 404),
    ],
)
def test_what_cannot_be_is_told_on_a_page(site, what, fields, status):
    text = send(site, what, status, **fields).text
    assert 'class="trouble" role="alert"' in text
    assert subscriptions.every(site.state.room.desk) == []


# ---- forms of other sites ----------------------------------------------------------------------------------------------


def saved(site):
    return marks.marked(site.state.room.desk, 1, "save")


def test_a_form_without_a_token_of_ours_changes_nothing(site):
    desk = site.state.room.desk
    wrong = ["", "x", tokens.make(desk, "form", 2, NOW, 3600), tokens.make(desk, "feed", 1, NOW),
             tokens.make(desk, "form", 1, NOW - 90_000, 86_400)]  # fmt: skip
    for form in wrong:
        answer = site.post("/desk/mark", data={"form": form, "index": "docs", "id": "emb1", "what": "save"})
        assert answer.status_code == 403
    assert saved(site) == []


def test_pages_of_other_origins_cannot_send_forms(site):
    fields = {"form": token(site), "index": "docs", "id": "emb1", "what": "save"}
    for origin in ("https://evil.example", "null"):
        assert site.post("/desk/mark", data=fields, headers={"origin": origin}).status_code == 403
    assert saved(site) == []
    assert site.post("/desk/mark", json=fields).status_code == 415
    assert site.post("/desk/mark", data=fields | {"what": "save", "more": "x" * 20_000}).status_code == 413
    assert saved(site) == []


def test_one_does_not_come_back_to_another_site(site):
    for place in ("https://evil.example", "//evil.example", "/\\evil.example"):
        assert send(site, "mark", id="emb1", what="save", next=place).headers["location"] == "/"


def test_too_many_forms_wait(site):
    site.state.room.forms = Pace(2, 60)
    form = token(site)
    for status in (303, 303, 429):
        answer = send(site, "mark", status, form=form, id="emb1", what="save")
    assert 1 <= int(answer.headers["retry-after"]) <= 30


def refusal(pace, who):
    try:
        pace.take(who)
    except Problem as problem:
        return problem
    return None


@given(st.integers(1, 20), st.lists(st.floats(0, 30), max_size=200))
def test_no_window_has_more_than_a_burst_and_what_flows_in(burst, waits):
    now, allowed = [0.0], []
    pace = Pace(burst, 60, clock=lambda: now[0])
    for wait in waits:
        now[0] += wait
        if (told := refusal(pace, "one")) is None:
            allowed.append(now[0])
        else:
            assert told.status == 429
            assert 1 <= int(told.headers["Retry-After"]) <= 60 / burst + 1
    for start, first in enumerate(allowed):
        for end in range(start, len(allowed)):
            assert end - start + 1 <= burst + (allowed[end] - first) * burst / 60 + 1e-6


def test_one_who_waits_as_told_may_go_on():
    now = [0.0]
    pace = Pace(3, 60, clock=lambda: now[0])
    for _ in range(3):
        pace.take("a")
    pace.take("b")
    now[0] += int(refusal(pace, "a").headers["Retry-After"])
    pace.take("a")


# ---- subscriptions and feeds -------------------------------------------------------------------------------------------

ATOM = "{http://www.w3.org/2005/Atom}"


def test_a_search_becomes_a_subscription_with_feeds(site):
    answer = send(site, "subscribe", query="text embedding", mode="keyword", threshold="0.1", period="weekly", hour="6",
                  timezone="Asia/Kolkata", most="7", where="date > '2001-01-01'")  # fmt: skip
    (one,) = subscriptions.every(site.state.room.desk)
    assert answer.headers["location"] == f"/desk#s{one.id}"
    assert (one.query, one.mode, one.threshold, one.period, one.hour) == ("text embedding", "keyword", 0.1, "weekly", 6)
    assert (one.timezone, one.max_items, one.filters) == ("Asia/Kolkata", 7, "date > '2001-01-01'")
    links = [link for link in Outline(get(site, "/desk")).links() if link.startswith("/f/")]
    atom, rss = site.get(links[0]), site.get(links[1])
    assert atom.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert rss.headers["content-type"] == "application/rss+xml; charset=utf-8"
    entries = ET.fromstring(atom.content).findall(f"{ATOM}entry")
    assert {entry.findtext(f"{ATOM}title") for entry in entries} == {f"Embedding {n}" for n in ("one", "two", "three")}
    assert len(ET.fromstring(rss.content).findall("channel/item")) == 3


def test_a_feed_that_did_not_change_is_not_sent_again(site):
    send(site, "subscribe", query="text embedding", mode="keyword")
    link = next(link for link in Outline(get(site, "/desk")).links() if link.endswith(".atom"))
    first = site.get(link)
    for condition in ({"if-none-match": first.headers["etag"]}, {"if-modified-since": first.headers["last-modified"]}):
        again = site.get(link, headers=condition)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert site.get(link, headers={"if-none-match": '"other"'}).status_code == 200
    site.state.indexes["docs"].again().add([{"id": "new", "title": "New", "text": "text embedding, better"}])
    changed = site.get(link, headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert b"<title>New</title>" in changed.content


def test_feeds_of_any_query(site):
    found = site.get("/feed/docs.atom?q=text+embedding&mode=keyword")
    root = ET.fromstring(found.content)
    assert len(root.findall(f"{ATOM}entry")) == 3
    assert root.findtext(f"{ATOM}id").endswith("/feed/docs.atom?q=text+embedding&mode=keyword")
    for url, status in (("/feed/docs.atom", 400), ("/feed/docs.atom?q=x&mode=y", 400), ("/feed/other.atom?q=x", 404),
                        ("/feed/docs.pdf?q=x", 404), ("/feed/docs.atom?q=x&where=nothing+%3D+1", 400)):  # fmt: skip
        get(site, url, status)


def test_feeds_are_valid_and_name_the_address_that_was_asked(site):
    site.state.indexes["docs"].again().add([{"id": "..", "title": "Dots", "text": "text embedding, no address"}])
    for form, wrong_with in RULES.items():
        for host in ("127.0.0.1:8123", "localhost"):
            path = f"/feed/docs.{form}?q=text%20embedding&mode=keyword"
            found = site.get(path, headers={"host": host})
            assert wrong_with(found.content, f"http://{host}{path}") == []
    links = re.findall(r"<link>([^<]+)</link>", found.text)[1:]
    assert "http://localhost/d/docs?id=.." in links
    for link in links:  # documents have no address of their own, and a page here
        if link.startswith("http://localhost/"):
            assert "text embedding" in get(site, link.removeprefix("http://localhost"))


def test_a_reader_cannot_fill_the_desk(site, monkeypatch):
    monkeypatch.setattr(subscriptions, "MOST", 2)
    monkeypatch.setattr(marks, "MOST_TAGS", 2)
    monkeypatch.setattr(marks, "MOST_TAGGED", 3)
    for query in ("one", "two"):
        send(site, "subscribe", query=query)
    assert "You have 2 subscriptions" in send(site, "subscribe", 400, query="three").text
    for name, paper in (("a", "emb1"), ("b", "emb1"), ("a", "emb2")):
        send(site, "tag", id=paper, tag=name)
    assert "You have 2 tags" in send(site, "tag", 400, id="emb3", tag="c").text
    assert "You have tagged 3 times" in send(site, "tag", 400, id="emb3", tag="a").text
    send(site, "tag", id="emb2", untag="a")
    send(site, "tag", id="emb3", tag="a")


def test_a_feed_wants_its_own_token(site):
    send(site, "subscribe", query="text embedding")
    desk = site.state.room.desk
    for wrong in ("x", tokens.make(desk, "unsubscribe", 1, NOW)):
        assert site.get(f"/f/{wrong}.atom").status_code == 403
    good = subscriptions.feed_token(desk, 1, NOW)
    assert site.get(f"/f/{good}.html").status_code == 404
    send(site, "subscription", number="1", what="remove")
    assert site.get(f"/f/{good}.atom").status_code == 404


def test_mails_stop_and_go_on(site):
    send(site, "subscribe", kind="trending")
    desk = site.state.room.desk
    for what, active in (("stop", False), ("start", True)):
        send(site, "subscription", number="1", what=what)
        assert subscriptions.get(desk, 1).active is active
    assert "cannot be told to" in send(site, "subscription", 400, number="1", what="dance").text


def test_nobody_touches_the_subscription_of_another(site):
    desk = site.state.room.desk
    with desk.transaction() as db:
        db.execute("INSERT INTO reader (id, email, created_at) VALUES (2, 'bob@example.org', 0)")
    subscriptions.subscribe(desk, 2, "docs", "trending", now=NOW)
    send(site, "subscription", 404, number="1", what="remove")
    assert len(subscriptions.every(desk)) == 1


# ---- links of mails ----------------------------------------------------------------------------------------------------


def test_unsubscribing_is_one_post_and_a_look_changes_nothing(site):
    send(site, "subscribe", query="text embedding")
    send(site, "subscribe", query="wings")
    desk = site.state.room.desk
    url = f"/u/{subscriptions.unsubscribe_token(desk, 1, NOW)}"
    assert "Stop the daily mails of “text embedding”?" in get(site, url)
    assert subscriptions.get(desk, 1).active
    site.cookies.clear()
    for _ in range(2):  # RFC 8058: no cookie, no referer, no token but the link's
        assert site.post(url, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not subscriptions.get(desk, 1).active
    assert subscriptions.get(desk, 2).active


def test_links_that_are_not_whole_or_of_another_kind(site):
    desk = site.state.room.desk
    send(site, "subscribe", query="wings")
    tokens_of = {"u": "unsubscribe", "c": "confirm", "l": "login"}
    for kind, purpose in tokens_of.items():
        others = [tokens.make(desk, other, 1, NOW, 3600) for other in tokens_of.values() if other != purpose]
        for wrong in ("x", "1.2.3.4", *others):
            get(site, f"/{kind}/{wrong}", 403)
            assert site.post(f"/{kind}/{wrong}").status_code == 403
    assert subscriptions.get(desk, 1).active
    assert readers.local(desk).confirmed_at is None


def test_the_local_reader_confirms_an_address(tmp_path, mailbox, monkeypatch):
    state = opened(tmp_path, mailbox, monkeypatch)
    with served(state) as site:
        send(site, "subscribe", query="text embedding", email="ann@example.org")
        assert eventually(lambda: mailbox.taken)
        (letter,) = mailbox.taken
        assert (letter["To"], letter["Subject"]) == ("ann@example.org", "Please confirm your address")
        path = path_in(letter, "/c/")
        assert "once its owner has followed the link" in get(site, "/desk")
        assert "May digests of papers go to ann@example.org?" in get(site, path)
        assert readers.local(state.room.desk).confirmed_at is None
        assert site.post(path).status_code == 200
        assert readers.local(state.room.desk).confirmed_at is not None
        assert "once its owner" not in get(site, "/desk")


def path_in(letter, kind):
    text = letter.get_body(("plain",)).get_content()
    return urlsplit(re.search(rf"https://desk\.example{kind}\S+", text).group(0)).path


# ---- logins ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(tmp_path, mailbox, monkeypatch):
    with served(opened(tmp_path, mailbox, monkeypatch, multi_user=True)) as client:
        client.mailbox = mailbox
        yield client


def log_in(site, email):
    before = len(site.mailbox.taken)
    send(site, "login", at="/desk/login", email=email)
    assert eventually(lambda: len(site.mailbox.taken) > before)
    path = path_in(site.mailbox.taken[-1], "/l/")
    assert f"Log in as {email}?" in get(site, path)
    return path, site.post(path, follow_redirects=False)


def test_readers_log_in_by_a_link_that_works_once(many):
    assert get(many, "/?q=text+embedding").count('class="mark"') == 0
    assert many.get("/desk", headers=HTML, follow_redirects=False).headers["location"] == "/desk/login"
    path, answer = log_in(many, "ann@example.org")
    cookie = answer.headers["set-cookie"].lower()
    assert answer.headers["location"] == "/desk"
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "Mails go to ann@example.org" in get(many, "/desk")
    send(many, "mark", id="emb1", what="save")
    assert titles(get(many, "/desk")) == ["Embedding one"]
    assert many.post(path).status_code == 403
    send(many, "logout")
    assert many.get("/desk", headers=HTML, follow_redirects=False).status_code == 303


def test_readers_do_not_see_each_other(many):
    log_in(many, "ann@example.org")
    send(many, "mark", id="emb1", what="hide")
    send(many, "subscribe", query="text embedding")
    form = token(many)
    many.cookies.clear()
    log_in(many, "bob@example.org")
    assert "Embedding one" in titles(get(many, "/?q=text+embedding"))
    assert titles(get(many, "/desk?list=hide")) == []
    send(many, "subscription", 404, number="1", what="remove")
    send(many, "mark", 403, form=form, id="emb2", what="save")  # a page that Ann got


def test_nobody_marks_without_logging_in(many):
    send(many, "mark", 401, at="/desk/login", id="emb1", what="save")
    send(many, "subscribe", 401, at="/desk/login", query="text embedding")
    assert "For you" not in get(many, "/")
    assert "readers who logged in" in get(many, "/?sort=for_you", 400)


def test_login_tells_nothing_and_does_not_fill_an_inbox(many):
    answers = {send(many, "login", at="/desk/login", email="ann@example.org").headers["location"] for _ in range(6)}
    assert answers == {"/desk/login?told=asked"}
    many.state.room.post._worker.submit(lambda: None).result()
    assert len(many.mailbox.taken) == readers.LETTERS_AN_HOUR
    many.state.room.letters = Pace(1, 3600)
    send(many, "login", at="/desk/login", email="bob@example.org")
    send(many, "login", 429, at="/desk/login", email="cleo@example.org")


def test_who_is_forgotten_leaves_nothing_and_others_stay(many):
    log_in(many, "ann@example.org")
    send(many, "mark", id="emb1", what="save")
    many.cookies.clear()
    log_in(many, "bob@example.org")
    send(many, "mark", id="emb2", what="save")
    send(many, "tag", id="emb2", tag="mine")
    send(many, "subscribe", query="text embedding")
    send(many, "forget")
    db = many.state.room.desk.db
    left = {
        table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("event", "tag", "subscription", "session")
    }
    assert left == {"event": 1, "tag": 0, "subscription": 0, "session": 1}
    assert [row["email"] for row in db.execute("SELECT email FROM reader WHERE email IS NOT NULL")] == [
        "ann@example.org"
    ]
    assert many.get("/desk", headers=HTML, follow_redirects=False).status_code == 303


def test_only_those_on_the_list_log_in_and_nobody_learns_who_is(many):
    many.state.room.allowed = ["@example.org", "bob@x.example"]
    for refused in ("eve@x.example", "eve@sub.example.org"):
        answer = send(many, "login", at="/desk/login", email=refused)
        assert answer.headers["location"] == "/desk/login?told=asked"
    log_in(many, "ann@example.org")
    many.cookies.clear()
    log_in(many, "bob@x.example")
    assert [letter["To"] for letter in many.mailbox.taken] == ["ann@example.org", "bob@x.example"]


def test_who_comes_off_the_list_is_out_at_once(many):
    log_in(many, "ann@example.org")
    desk = many.state.room.desk
    number = desk.db.execute("SELECT id FROM reader WHERE email = 'ann@example.org'").fetchone()["id"]
    path = f"/l/{tokens.make(desk, 'login', number, int(time.time()) - 60, 900)}"  # a link that was sent a minute ago
    many.state.room.allowed = ["bob@x.example"]
    assert many.get("/desk", headers=HTML, follow_redirects=False).headers["location"] == "/desk/login"
    assert "may not log in here" in many.post(path, headers=HTML).text
    assert many.get("/desk", headers=HTML, follow_redirects=False).status_code == 303


def test_a_session_that_is_not_ours_is_nobody(many):
    many.cookies.set("vecloom_session", "made up")
    assert many.get("/desk", headers=HTML, follow_redirects=False).headers["location"] == "/desk/login"


def test_mails_are_tried_again(tmp_path, mailbox, monkeypatch):
    state = opened(tmp_path, mailbox, monkeypatch, multi_user=True)
    old = state.room.post
    state.room.post = Post(state.room.desk, old.sender, old._settings, state.room.now, pauses=(0.0, 0.05, 0.05))
    old.close()
    with served(state) as site:
        site.mailbox = mailbox
        mailbox.refuse_sender = 2
        log_in(site, "ann@example.org")
        assert len(mailbox.taken) == 1


# ---- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("multi_user", [False, True])
def test_keys_and_the_room(tmp_path, mailbox, monkeypatch, multi_user):
    file = tmp_path / "keys.json"
    secrets = {name: add_key(file, name, [name]) for name in ("read", "write")}
    both = add_key(file, "both", ["read", "write"])
    state = opened(tmp_path, mailbox, monkeypatch, multi_user=multi_user, key_file=file)
    state.keys = KeyRing(file)
    with served(state) as site:
        page = site.get("/", headers=HTML, follow_redirects=False)
        assert page.status_code == (200 if multi_user else 303)
        assert site.post("/v1/indexes/docs/documents", json={"documents": []}).status_code == 401
        assert site.post("/embed", json={"inputs": "x"}).status_code == 401
        assert site.post("/u/x").status_code == 403  # the token is wrong, but no key is asked for
        if multi_user:
            send(site, "mark", 401, at="/desk/login", id="emb1", what="save")
            return
        form = token_with(site, both)
        for secret, status in ((secrets["read"], 403), (both, 303)):
            answer = site.post("/desk/mark", data={"form": form, "index": "docs", "id": "emb1", "what": "save"},
                               cookies={"vecloom_key": secret}, follow_redirects=False)  # fmt: skip
            assert answer.status_code == status


def token_with(site, secret):
    text = site.get("/desk", headers={**HTML, "authorization": f"Bearer {secret}"}).text
    return re.search(r'name="form" value="([^"]+)"', text).group(1)


# ---- without a room ----------------------------------------------------------------------------------------------------


def test_without_a_room_there_is_nothing_of_it(tmp_path):
    state = new_state(tmp_path)
    state.indexes["docs"].add(PAPERS)
    with served(state) as site:
        assert "Desk" not in get(site, "/")
        assert 'class="mark"' not in get(site, "/?q=embedding")
        for url in ("/desk", "/desk/login", "/c/x", "/u/x", "/l/x", "/f/x.atom", "/feed/docs.atom?q=x"):
            get(site, url, 404)
        assert site.post("/desk/mark", data={}).status_code == 404
        assert site.post("/u/x").status_code == 404
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs"]
