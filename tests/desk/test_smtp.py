"""The mail server's side: settings, encryption, login, and dots that begin a line."""

import shutil
import ssl
import subprocess

import pytest
from aiosmtpd.smtp import AuthResult
from desk_mailbox import Mailbox

from vecloom.desk.smtp import LostError, RefusedError, sender_settings, smtp_settings
from vecloom.errors import MailError, UsageError

CONTENT = b"Subject: x\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n"


def send(smtp, content=CONTENT):
    marks = []
    with smtp:
        smtp.send("ann@reader.example", content, lambda: marks.append(1))
    return marks


def test_content_arrives_to_the_byte(mailbox):
    assert send(mailbox.smtp()) == [1]
    assert mailbox.taken[0].get_content().replace("\r\n", "\n") == ".one\n..two\n.\nthree\n"


def test_the_mark_is_set_after_the_server_agreed_and_before_the_content(mailbox):
    seen = []
    with mailbox.smtp() as smtp:
        smtp.send("ann@reader.example", CONTENT, lambda: seen.append(len(mailbox.taken)))
        assert seen == [0]
        mailbox.refuse["ann@reader.example"] = "450 later"
        with pytest.raises(RefusedError) as refused:
            smtp.send("ann@reader.example", CONTENT, lambda: seen.append("never"))
        assert not refused.value.permanent
        mailbox.refuse.clear()
        smtp.send("ann@reader.example", CONTENT, lambda: seen.append(len(mailbox.taken)))
    assert seen == [0, 1]


@pytest.mark.parametrize(("moment", "doubtful"), [("rcpt", False), ("content", True), ("answer", True)])
def test_a_lost_connection_says_whether_the_mail_may_have_arrived(mailbox, moment, doubtful):
    mailbox.hang_up[moment] = 1
    with pytest.raises(LostError) as lost:
        send(mailbox.smtp())
    assert lost.value.doubtful is doubtful


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody but this test trusts: its file and the server's context."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    call = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([openssl, *call.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return str(cert), context


def authenticator(server, session, envelope, mechanism, auth_data):
    return AuthResult(success=(auth_data.login, auth_data.password) == (b"user", b"secret"), handled=False)


def test_starttls_and_a_password(certificate):
    cert, context = certificate
    with Mailbox(
        tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticator
    ) as mailbox:
        given = {"security": "starttls", "ca": cert, "user": "user"}
        send(mailbox.smtp(**given, password="secret"))
        assert len(mailbox.taken) == 1
        with pytest.raises(MailError, match="refuses the user user: 535") as wrong:
            send(mailbox.smtp(**given, password="wr0ng"))
        assert "wr0ng" not in str(wrong.value)
        with pytest.raises(MailError, match="No trusted encryption"):
            send(mailbox.smtp(security="starttls", user="user", password="secret"))
        assert len(mailbox.taken) == 1


def test_a_server_without_starttls_gets_nothing(mailbox):
    with pytest.raises(MailError, match="cannot be used: STARTTLS extension not supported"):
        send(mailbox.smtp(security="starttls"))
    assert mailbox.taken == []


def test_settings_of_the_environment():
    found = smtp_settings(
        {"VECLOOM_SMTP_HOST": "mail.example.org", "VECLOOM_SMTP_USER": "u", "VECLOOM_SMTP_PASSWORD": "pass1"}
    )
    assert (found.host, found.port, found.security, found.user) == ("mail.example.org", 587, "starttls", "u")
    assert "pass1" not in repr(found)
    assert smtp_settings({"VECLOOM_SMTP_SECURITY": "tls"}).port == 465
    assert smtp_settings({"VECLOOM_SMTP_SECURITY": "none"}).port == 25
    for wrong in (
        {"VECLOOM_SMTP_SECURITY": "ssl"},
        {"VECLOOM_SMTP_PORT": "99999"},
        {"VECLOOM_SMTP_PORT": "x"},
        {"VECLOOM_SMTP_SECURITY": "none", "VECLOOM_SMTP_HOST": "mail.example.org"},
    ):
        with pytest.raises(UsageError):
            smtp_settings(wrong)
    with pytest.raises(UsageError, match="VECLOOM_BASE_URL is not set"):
        sender_settings({"VECLOOM_MAIL_FROM": "desk@desk.example"})
