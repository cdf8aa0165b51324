"""Sending by SMTP, with the one moment marked after which a mail may have arrived.

Settings come from the environment:

    VECLOOM_SMTP_HOST       the mail server; localhost
    VECLOOM_SMTP_PORT       587 with starttls, 465 with tls, 25 with none
    VECLOOM_SMTP_SECURITY   starttls (default), tls, or none, which is refused but for this machine
    VECLOOM_SMTP_USER       name and password, where the server wants them
    VECLOOM_SMTP_PASSWORD
    VECLOOM_SMTP_CA         file of certificates to trust beside the system's

``smtplib`` speaks the protocol; ``send`` goes through its steps one by one, because ``SMTP.sendmail`` does not tell when the
server has agreed to take the content.
"""

from __future__ import annotations

import os
import re
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias, cast, get_args

from vecloom.desk.mail import LOOPBACK, Sender
from vecloom.errors import MailError, UsageError

Security: TypeAlias = Literal["starttls", "tls", "none"]
PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
TIMEOUT = 60.0  # seconds to wait for an answer; a server may scan the content before it says yes
_DOT = re.compile(rb"^\.", re.MULTILINE)


class RefusedError(Exception):
    """The server said no to one mail: for good (5xx) or for now (4xx)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.permanent = code >= 500


class LostError(Exception):
    """The connection ended; ``doubtful`` where the content was on its way, so that it may have arrived."""

    def __init__(self, reason: str, *, doubtful: bool) -> None:
        super().__init__(reason)
        self.doubtful = doubtful


@dataclass(frozen=True)
class SmtpSettings:
    """How to reach the mail server; the password is not shown."""

    host: str = "localhost"
    port: int = 587
    security: Security = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""


def smtp_settings(environment: Mapping[str, str] = os.environ) -> SmtpSettings:
    """Read the settings.

    Raises:
        UsageError: one of them cannot be.
    """
    host = environment.get("VECLOOM_SMTP_HOST", "localhost")
    security = environment.get("VECLOOM_SMTP_SECURITY", "starttls")
    if security not in get_args(Security):
        raise UsageError(f"VECLOOM_SMTP_SECURITY is {security!r}.", "Set it to starttls, tls or none.")
    if security == "none" and host not in LOOPBACK:
        raise UsageError(f"Mail to {host} would go unencrypted.", "Set VECLOOM_SMTP_SECURITY to starttls or tls.")
    port = environment.get("VECLOOM_SMTP_PORT", str(PORTS[cast(Security, security)]))
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"VECLOOM_SMTP_PORT is {port!r}.", "Set it to a number, as in 587.")
    user, password = environment.get("VECLOOM_SMTP_USER", ""), environment.get("VECLOOM_SMTP_PASSWORD", "")
    ca = environment.get("VECLOOM_SMTP_CA", "")
    return SmtpSettings(host, int(port), cast(Security, security), user, password, ca)


def sender_settings(environment: Mapping[str, str] = os.environ) -> Sender:
    """Who sends, from VECLOOM_MAIL_FROM, VECLOOM_MAIL_NAME and VECLOOM_BASE_URL.

    Raises:
        UsageError: one is missing or cannot be used.
    """
    for name, example in (("VECLOOM_MAIL_FROM", "desk@example.org"), ("VECLOOM_BASE_URL", "https://desk.example.org")):
        if not environment.get(name):
            raise UsageError(f"{name} is not set.", f"Set it, as in {name}={example}.")
    name = environment.get("VECLOOM_MAIL_NAME", "vecloom")
    return Sender(environment["VECLOOM_MAIL_FROM"], environment["VECLOOM_BASE_URL"], name)


class Smtp:
    """A connection, made when the first mail is sent and again after it was lost. Use it as a context manager."""

    def __init__(self, settings: SmtpSettings, sender: str) -> None:
        self._settings, self._sender = settings, sender
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is not None:
            try:
                server.quit()
            except (smtplib.SMTPException, OSError):
                server.close()

    def send(self, recipient: str, content: bytes, before_content: Callable[[], None]) -> None:
        """Hand one mail to the server.

        Args:
            recipient: the one address it goes to.
            content: the mail, lines ending in CR LF.
            before_content: called when the server has agreed to take the content, before its first byte.

        Raises:
            RefusedError: the server takes it not at all, or not now.
            LostError: the connection ended.
            MailError: there is no server, or it refuses the sender.
        """
        server = self._connected()
        try:
            self._envelope(server, recipient)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            self._drop()
            raise LostError(_reason(error), doubtful=False) from error
        before_content()
        try:
            server.send(_DOT.sub(b"..", content).removesuffix(b"\r\n") + b"\r\n.\r\n")
            code, text = server.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise LostError(_reason(error), doubtful=True) from error
        if code != 250:
            raise RefusedError(code, _text(text))

    def _envelope(self, server: smtplib.SMTP, recipient: str) -> None:
        code, text = server.mail(self._sender)
        if code != 250:
            self._reset(server)
            raise MailError(f"The mail server refuses the sender {self._sender}: {code} {_text(text)}.", _CHECK)
        code, text = server.rcpt(recipient)
        if code not in (250, 251):
            self._reset(server)
            raise RefusedError(code, _text(text))
        code, text = server.docmd("DATA")
        if code != 354:
            self._reset(server)
            raise RefusedError(code, _text(text))

    def _reset(self, server: smtplib.SMTP) -> None:
        try:
            server.rset()
        except (smtplib.SMTPException, OSError):
            self._drop()

    def _drop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _connected(self) -> smtplib.SMTP:
        if self._server is None:
            self._server = connect(self._settings)
        return self._server


_CHECK = "Check the settings VECLOOM_SMTP_*; what waits is sent by the next run."


def connect(settings: SmtpSettings) -> smtplib.SMTP:
    """Greet the server, encrypt, log in.

    Raises:
        MailError: it is not there, its certificate is not good, or it refuses the password.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        server = _opened(settings)
    except ssl.SSLError as error:
        raise MailError(f"No trusted encryption with the mail server {where}: {_reason(error)}.", _CHECK) from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailError(f"The mail server {where} cannot be used: {_reason(error)}.", _CHECK) from error
    try:
        if settings.user:
            server.login(settings.user, settings.password)
    except (smtplib.SMTPException, OSError) as error:
        server.close()
        raise MailError(
            f"The mail server {where} refuses the user {settings.user}: {_reason(error)}.", _CHECK
        ) from error
    return server


def _opened(settings: SmtpSettings) -> smtplib.SMTP:
    place = (settings.host, settings.port)
    if settings.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(*place, timeout=TIMEOUT, context=_context(settings))
        server.ehlo_or_helo_if_needed()
        return server
    server = smtplib.SMTP(*place, timeout=TIMEOUT)
    try:
        server.ehlo_or_helo_if_needed()
        if settings.security == "starttls":
            server.starttls(context=_context(settings))
            server.ehlo_or_helo_if_needed()
    except BaseException:
        server.close()
        raise
    return server


def _context(settings: SmtpSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca:
        context.load_verify_locations(settings.ca)
    return context


def _text(reply: Any) -> str:
    return " ".join(reply.decode("utf-8", "replace").split()) if isinstance(reply, bytes) else str(reply)


def _reason(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}".rstrip(".")
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().rstrip(".")
