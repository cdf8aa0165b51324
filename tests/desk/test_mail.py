"""What a mail looks like, and that nothing in a title or an address can break out of its place."""

import email
import email.policy
import re

import pytest
from desk_fakes import MONDAY, SENDER
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.desk import mail
from vecloom.desk.mail import Entry, Sender
from vecloom.errors import UsageError

LONG = "1.123456.0." + "x" * 43


def made(entries, heading="2 new papers: text embedding", about="You get this daily.", sender=SENDER):
    content = mail.digest(
        sender,
        "ann@reader.example",
        heading=heading,
        about=about,
        entries=entries,
        token=LONG,
        list_name="subscription-7",
        message_id="<digest.123456.2026-11-23.0123456789abcdef01234567@a-rather-long-name.desk.example>",
        now=MONDAY,
    )
    return content, email.message_from_bytes(content, policy=email.policy.default)


def bodies(letter):
    return tuple(letter.get_body((kind,)).get_content() for kind in ("plain", "html"))


def test_headers_stand_whole_on_the_wire():
    content, letter = made([Entry("A")])
    head = content.partition(b"\r\n\r\n")[0].decode("ascii")
    lines = head.split("\r\n")
    assert f"List-Unsubscribe: <https://desk.example/u/{LONG}>," in lines
    assert f" <mailto:desk@desk.example?subject=unsubscribe%20{LONG}>" in lines
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert "List-Id: <subscription-7.desk.example>" in lines
    assert "Message-ID: <digest.123456.2026-11-23.0123456789abcdef01234567@a-rather-long-name.desk.example>" in lines
    assert "Date: Mon, 23 Nov 2026 00:00:00 +0000" in lines
    assert "From: vecloom <desk@desk.example>" in lines
    assert "To: ann@reader.example" in lines
    assert "Auto-Submitted: auto-generated" in lines
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_the_text_reads_well_in_a_text_reader():
    entry = Entry(
        "A title " * 15, "Ann One, Bob Two · 2026-11-22", "https://x.example/a", "An abstract. " * 30, "like “B”"
    )
    _, letter = made([entry, Entry("Only a title")])
    text = bodies(letter)[0].replace("\r\n", "\n")
    assert max(map(len, text.splitlines()[:-1])) <= 72
    assert text.startswith("2 new papers: text embedding\n============================\n\n1. A title A title")
    assert "\n   https://x.example/a\n\n   An abstract." in text
    assert "\n   Why: like “B”\n" in text
    assert "\n2. Only a title\n" in text
    assert text.endswith(f"\n-- \nYou get this daily.\nStop these mails: https://desk.example/u/{LONG}\n")


def test_html_is_escaped_and_asks_for_nothing_from_elsewhere():
    evil = '<script>alert(1)</script> & "quotes" <img src=x>'
    _, letter = made([Entry(evil, evil, "https://x.example/?a=1&b=\"'><b>", evil, evil)], heading=evil, about=evil)
    html = bodies(letter)[1]
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;quotes&#34;" in html
    assert re.findall(r"(?:src|background|url)\s*[=(]", html.replace("&lt;img src=x&gt;", "")) == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.text(alphabet='\r\n\0:aB\u2028\x85 <>"', max_size=40))
def test_no_text_adds_a_header_or_a_recipient(title, name, lines):
    for heading in (title, lines, f"{lines}\r\nBcc: all@example.org\r\n\r\nbody"):
        entries = [Entry(mail.one_line(heading), mail.one_line(name), "", mail.shortened(lines), mail.one_line(name))]
        _, letter = made(
            entries, heading=heading, about=name, sender=Sender("desk@desk.example", "https://desk.example", name)
        )
        assert sorted(letter.keys()) == sorted(
            [
                "Message-ID",
                "List-Id",
                "List-Unsubscribe",
                "List-Unsubscribe-Post",
                "From",
                "To",
                "Subject",
                "Date",
                "Auto-Submitted",
                "MIME-Version",
                "Content-Type",
            ]
        )
        assert str(letter["To"]) == "ann@reader.example"
        assert letter["From"].addresses[0].addr_spec == "desk@desk.example"


@pytest.mark.parametrize("kind", ["confirm", "login"])
def test_a_notice_has_one_link(kind):
    content = mail.notice(SENDER, "ann@reader.example", kind, LONG, "<n@desk.example>", MONDAY)
    letter = email.message_from_bytes(content, policy=email.policy.default)
    text, html = bodies(letter)
    link = f"https://desk.example/{kind[0]}/{LONG}"
    assert re.findall(r"https?://\S+", text) == [link]
    assert html.count(link) == 2
    assert "List-Unsubscribe" not in letter


@pytest.mark.parametrize(
    "url",
    [
        "",
        "desk.example",
        "http://desk.example",
        "https://",
        "javascript:x",
        "https://a.example/?x",
        "https://a.example/#x",
        "https://a.example/\r\nX: y",
        "https://a .example",
        "https://a.example/<x>",
        "https://ä.example",
    ],
)
def test_where_a_desk_cannot_be(url):
    with pytest.raises(UsageError, match="desk cannot be at"):
        Sender("desk@desk.example", url)


def test_where_a_desk_can_be():
    assert (
        Sender("desk@Desk.Example", "https://a.example/desk/").link("u", "1.2.x/y")
        == "https://a.example/desk/u/1.2.x%2Fy"
    )
    assert Sender("desk@localhost", "http://localhost:8080").host == "localhost"
    with pytest.raises(UsageError, match="not an e-mail address"):
        Sender("desk@desk.example\r\nBcc: x@y.example", "https://desk.example")


def test_without_https_no_one_click_is_promised():
    _, letter = made([Entry("A")], sender=Sender("desk@localhost", "http://localhost:8080"))
    assert "List-Unsubscribe-Post" not in letter
    assert letter["List-Unsubscribe"].startswith("<http://localhost:8080/u/")


def test_whom_a_list_lets_in():
    patterns = [mail.pattern(text) for text in ("Ann@Example.org", "x.example", "@Y.example")]
    assert patterns == ["Ann@example.org", "@x.example", "@y.example"]
    allowed = ("ann@example.org", "ANN@example.org", "any@x.example", "some.one@y.example")
    refused = ("bob@example.org", "any@sub.x.example", "any@notx.example", "x.example@z.example", "")
    assert [mail.is_allowed(one, patterns) for one in allowed] == [True] * 4
    assert [mail.is_allowed(one, patterns) for one in refused] == [False] * 5
    assert mail.is_allowed("anybody@z.example", [])


@pytest.mark.parametrize("text", ["", "@", "a b", "ann@", "x..y", "*", "ann@x example"])
def test_a_list_holds_addresses_and_domains_only(text):
    with pytest.raises(UsageError):
        mail.pattern(text)


def test_controls_of_a_paper_or_a_reader_do_not_reach_a_mail():
    entry = Entry("T\x1b[2J\u202e", "b\x9b", "https://x.example/\x07", "te\x00xt", "r\x1b")
    values = {
        "heading": "h\x1b",
        "about": "query \x1b]0;x\x07\u202e",
        "entries": [entry],
        "token": "t",
        "list_name": "l",
    }
    sent = mail.digest(SENDER, "ann@example.org", message_id="<a@b>", now=MONDAY, **values)
    letter = email.message_from_bytes(sent, policy=email.policy.default)
    for part in ("plain", "html"):
        shown = letter.get_body((part,)).get_content()
        assert not set(shown) & set("\x00\x07\x1b\x9b\u202e"), part
