"""A real SMTP server on loopback (aiosmtpd) that keeps what it took, and misbehaves when told to."""

from __future__ import annotations

import email
import email.policy
from collections import Counter

from aiosmtpd.controller import Controller

from vecloom.desk.smtp import Smtp, SmtpSettings


class Mailbox:
    """``taken``: the mails. ``refuse``: address -> answer to RCPT. ``answer``: to the content. ``hang_up``: moment -> times.

    ``refuse_sender``: times.
    """

    def __init__(self, **settings):
        self.taken: list[email.message.EmailMessage] = []
        self.recipients: list[str] = []
        self.refuse: dict[str, str] = {}
        self.answer: str | None = None
        self.hang_up: dict[str, int] = {}
        self.refuse_sender = 0
        self.on_content = None
        self.port = 0
        self._settings = settings

    def __enter__(self):
        # port 0 is not known to aiosmtpd's own check of the connection, so a free one is found first
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **self._settings)
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()

    def smtp(self, sender="desk@desk.example", **settings):
        given = {"host": "127.0.0.1", "port": self.port, "security": "none"} | settings
        return Smtp(SmtpSettings(**given), sender)

    def _hangs_up(self, server, moment):
        if self.hang_up.get(moment, 0) > 0:
            self.hang_up[moment] -= 1
            server.transport.abort()
            return True
        return False

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self.refuse_sender > 0:
            self.refuse_sender -= 1
            return "451 not now"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self._hangs_up(server, "rcpt"):
            return "421 bye"
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if self._hangs_up(server, "content"):
            return "421 bye"
        if self.answer:
            return self.answer
        self.taken.append(email.message_from_bytes(envelope.content, policy=email.policy.SMTP))
        self.recipients.append(envelope.rcpt_tos[0])
        if self.on_content:
            self.on_content()
        if self._hangs_up(server, "answer"):
            return "421 bye"
        return "250 taken"

    @property
    def subjects(self):
        return [letter["Subject"] for letter in self.taken]

    def copies(self):
        """Message-ID -> how often it was taken."""
        return Counter(letter["Message-ID"] for letter in self.taken)

    def papers(self):
        """(recipient, title) -> in how many different mails, as a receiver sees them that drops copies of a Message-ID."""
        seen = {letter["Message-ID"]: (to, letter) for to, letter in zip(self.recipients, self.taken, strict=True)}
        counted = Counter()
        for to, letter in seen.values():
            text = letter.get_body(("plain",)).get_content()
            counted.update(
                (to, line.split(". ", 1)[1]) for line in text.splitlines() if line[:1].isdigit() and ". " in line
            )
        return counted
