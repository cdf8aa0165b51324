"""The reading room in a real Chromium: marks without leaving the page, lists, subscriptions, logging in, leaving."""

import os
import re
import time
from urllib.parse import urlsplit

import pytest
from tests.desk.mailbox import Mailbox
from tests.serve import browser
from tests.serve.running import running
from tests.serve.test_room import PAPERS, eventually

import vecloom as vl

pytestmark = [
    pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("papers")
    vl.Index.create(folder / "papers.index", vl.load("minilm")).add(PAPERS)
    return folder


@pytest.fixture(scope="module")
def address(papers):
    """A server with a desk for one."""
    with running("-i", papers / "papers.index", "--desk", papers / "one.sqlite") as server:
        yield server.url


@pytest.fixture
def page(chromium):
    with browser.tab(chromium) as tab:
        yield tab


def entry(page, title):
    return page.locator(".entry", has_text=title)


def test_marks_stay_on_the_page_and_hold(page, address):
    page.goto(f"{address}/?q=text+embedding")
    page.evaluate("() => { window.stayed = true; }")
    one = entry(page, "Embedding one")
    one.get_by_role("button", name="Save").click()
    one.locator("[data-kind=save][aria-pressed=true]").wait_for()
    one.get_by_role("button", name="Up-vote").click()
    one.locator(".votes", has_text="1").wait_for()
    assert page.evaluate("() => window.stayed")
    page.reload()
    assert entry(page, "Embedding one").locator("[data-kind=save]").get_attribute("aria-pressed") == "true"
    assert entry(page, "Embedding one").locator(".votes").inner_text() == "1"
    entry(page, "Embedding one").get_by_role("button", name="Save").click()
    entry(page, "Embedding one").locator("[data-kind=save][aria-pressed=false]").wait_for()


def test_tags_are_typed_shown_and_taken_off(page, address):
    page.goto(f"{address}/?q=text+embedding")
    two = entry(page, "Embedding two")
    two.get_by_text("Tag").first.click()
    two.get_by_placeholder("new tag").fill("to read")
    two.get_by_placeholder("new tag").press("Enter")
    two.locator(".tag", has_text="to read").wait_for()
    page.goto(f"{address}/desk")
    page.get_by_role("link", name=re.compile("to read")).click()
    assert page.locator(".entry .title").all_inner_texts() == ["Embedding two"]
    page.get_by_role("button", name="Take the tag off").click()
    page.get_by_text("Nothing yet").wait_for()


def test_hidden_papers_fade_and_can_come_back(page, address):
    page.goto(f"{address}/?q=text+embedding")
    page.get_by_role("button", name="Hide").first.click()
    page.locator(".entry.hid").wait_for()
    hidden = page.locator(".entry.hid .title").inner_text()
    page.reload()
    assert hidden not in page.locator(".entry .title").all_inner_texts()
    page.goto(f"{address}/desk?list=hide")
    page.get_by_role("button", name="Take back").click()
    page.goto(f"{address}/?q=text+embedding")
    assert hidden in page.locator(".entry .title").all_inner_texts()


def test_the_front_page_lists_and_orders(page, address):
    page.goto(address)
    assert page.get_by_role("heading", name="Trending").is_visible()
    page.get_by_label("Order").select_option("date")
    page.get_by_role("heading", name="Newest first").wait_for()
    assert page.locator(".entry .title").first.inner_text() == "Embedding two"
    page.get_by_label("Order").select_option("for_you")
    page.get_by_role("heading", name="For you").wait_for()
    assert "learns from 3 papers" in page.locator(".entry").first.inner_text()


def test_a_search_becomes_a_subscription_in_this_clock_and_a_feed(chromium, address):
    with browser.tab(chromium, timezone_id="Asia/Kolkata") as page:
        page.goto(f"{address}/?q=text+embedding")
        page.get_by_text("Subscribe to this search").click()
        page.get_by_label("threshold").fill("0.2")
        page.get_by_role("button", name="Subscribe").click()
        page.wait_for_url(re.compile("/desk#s"))
        followed = page.locator(".followed li").first
        assert re.search("daily at 8:00 Asia/(Kolkata|Calcutta)", followed.inner_text())
        feed = page.request.get(address + followed.get_by_role("link", name="Atom").get_attribute("href"))
        assert feed.ok
        assert "<title>Embedding one</title>" in feed.text()
        followed.get_by_role("button", name="Remove").click()
        page.get_by_text("None yet.").wait_for()


def test_what_is_wrong_is_said_beside_the_paper(page, address):
    page.goto(f"{address}/?q=text+embedding")
    page.evaluate("() => { for (const field of document.querySelectorAll('[name=form]')) field.value = 'old'; }")
    page.get_by_role("button", name="Save").first.click()
    page.get_by_role("alert").wait_for()
    assert "This page is too old" in page.get_by_role("alert").inner_text()
    page.trouble.clear()  # the console names the 403, too


def test_without_scripts_forms_come_back_to_the_page(chromium, address):
    with browser.tab(chromium, java_script_enabled=False) as page:
        page.goto(f"{address}/?q=text+embedding")
        entry(page, "Embedding three").get_by_role("button", name="Save").click()
        assert page.url == f"{address}/?q=text+embedding"
        assert entry(page, "Embedding three").locator("[data-kind=save]").get_attribute("aria-pressed") == "true"


def test_logging_in_subscribing_and_leaving_by_mail(chromium, papers):
    """From the first mail to the last, through the browser and the command line, over a real SMTP server."""
    with Mailbox() as mailbox:
        mail = {
            "VECLOOM_MAIL_FROM": "desk@desk.example", "VECLOOM_BASE_URL": "http://localhost:1",
            "VECLOOM_SMTP_SECURITY": "none", "VECLOOM_SMTP_PORT": str(mailbox.port),
        }  # fmt: skip
        desk = papers / "many.sqlite"
        options = ("-i", papers / "papers.index", "--desk", desk, "--multi-user", "--insecure")
        with running(*options, env=mail) as server, browser.tab(chromium) as page:
            page.goto(server.url)
            page.get_by_role("link", name="Log in").click()
            page.get_by_label("Your e-mail address").fill("ann@example.org")
            page.get_by_role("button", name="Send a link").click()
            page.get_by_text("A mail is on its way").wait_for()
            assert eventually(lambda: mailbox.taken)
            page.goto(server.url + path_in(mailbox.taken[0], "/l/"))
            page.get_by_role("button", name="Log in").click()
            page.get_by_text("Mails go to ann@example.org").wait_for()
            page.goto(f"{server.url}/?q=text+embedding")
            page.get_by_text("Subscribe to this search").click()
            page.get_by_label("threshold").fill("0.1")
            page.locator("select[name=hour]").select_option("0")
            page.get_by_role("button", name="Subscribe").click()
            page.wait_for_url(re.compile("/desk#s"))
            new = {
                "id": "new",
                "title": "New embeddings",
                "text": "text embedding, better",
                "date": time.strftime("%Y-%m-%d"),
            }
            vl.Index.open(papers / "papers.index", vl.load("minilm")).add([new])
            for _ in range(2):  # the second run has nothing to send
                digest(papers / "papers.index", desk, mail)
            assert len(mailbox.taken) == 2
            letter = mailbox.taken[1]
            assert "New embeddings" in letter.get_body(("plain",)).get_content()
            page.goto(server.url + path_in(letter, "/u/"))
            page.get_by_role("button", name="Stop them").click()
            page.get_by_text("have stopped").wait_for()
            page.goto(f"{server.url}/desk")
            assert page.get_by_text("stopped", exact=True).is_visible()
            page.get_by_role("button", name="Log out").click()
            page.get_by_role("link", name="Log in").wait_for()


def digest(index, desk, mail):
    import subprocess
    import sys

    command = [sys.executable, "-m", "vecloom", "digest", str(index), "--send", "--desk", str(desk)]
    subprocess.run(command, check=True, env={**os.environ, **mail, "HF_HUB_OFFLINE": "1"}, capture_output=True)


def path_in(letter, kind):
    text = letter.get_body(("plain",)).get_content()
    return urlsplit(re.search(rf"http://localhost:1{kind}\S+", text).group(0)).path
