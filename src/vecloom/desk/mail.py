"""Mails: plain text first, then the same as HTML without images, scripts or anything that reports back.

What comes from papers and readers can break neither: HTML is escaped, headers are cut to one line (and ``EmailMessage`` refuses
a line end in one), links are http or https. RFC 8058 asks for an https address in ``List-Unsubscribe`` and for
``List-Unsubscribe-Post``; it also asks for a DKIM signature over both, which is the mail server's to make.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from vecloom.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from jinja2 import Environment

WIDTH = 72  # columns of plain text
LONGEST_SUBJECT = 120
LONGEST_TEXT = 600  # characters of an abstract
POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)  # every server takes seven bits
_URL = re.compile(r"[!#-;=?-~]+")  # what can stand in a header as it is
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")

# Letters that every mail server takes, without the quoted forms that hide anything
_ADDRESS = re.compile(
    r"(?=.{3,254}$)(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)


def address(text: str) -> str:
    """An e-mail address as it is kept: its domain in lower case.

    Raises:
        UsageError: it is none, or has letters beyond ASCII.
    """
    text = text.strip()
    if not _ADDRESS.fullmatch(text):
        raise UsageError(f"{text[:80]!r} is not an e-mail address.", "Write it as in ann@example.org.")
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}"


def pattern(text: str) -> str:
    """Whom an allow-list lets in: an address, or a domain as in "example.org" or "@example.org"; as ``is_allowed`` takes it.

    Raises:
        UsageError: it is neither.
    """
    domain = text.strip().removeprefix("@")
    if "@" in domain:
        return address(domain)
    try:
        return "@" + address(f"somebody@{domain}").partition("@")[2]
    except UsageError:
        told = "Write it as in ann@example.org or example.org."
        raise UsageError(f"{text[:80]!r} is neither an e-mail address nor a domain.", told) from None


def is_allowed(email: str, patterns: Collection[str]) -> bool:
    """Whether an address is one of the patterns or in one of their domains; anybody is if there are none.

    >>> [is_allowed(one, ["@example.org", "bob@x.net"]) for one in ("ann@example.org", "Bob@x.net", "ann@sub.example.org")]
    [True, True, False]
    """
    lower = email.lower()
    known = {one.lower() for one in patterns}
    return not known or lower in known or f"@{lower.rpartition('@')[2]}" in known


@dataclass(frozen=True)
class Sender:
    """Who sends, and where the desk's pages are.

    Attributes:
        address: the address in ``From``.
        base_url: where the desk is served, https (http only on this machine), as in "https://desk.example.org".
        name: the name in ``From``.

    Raises:
        UsageError: the address or the URL cannot be used.
    """

    address: str
    base_url: str
    name: str = "vecloom"

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if not secure or not parts.hostname or parts.query or parts.fragment or not _URL.fullmatch(self.base_url):
            raise UsageError(
                f"The desk cannot be at {self.base_url!r}.", "Give an https address, or http://localhost:PORT."
            )
        object.__setattr__(self, "address", address(self.address))

    @property
    def host(self) -> str:
        """The domain in Message-ID and List-Id: the address's."""
        return self.address.rpartition("@")[2]

    def link(self, *parts: str) -> str:
        """An address below the desk's."""
        return "/".join([self.base_url.rstrip("/"), *(quote(part, safe=".-_~") for part in parts)])

    def message_id(self, name: str) -> str:
        """A Message-ID."""
        return f"<{name}@{self.host}>"


@dataclass(frozen=True, slots=True)
class Entry:
    """One paper in a digest: title, names and date, link, abstract, and why it is there; "" for what is not known."""

    title: str
    byline: str = ""
    url: str = ""
    text: str = ""
    reason: str = ""


def digest(
    sender: Sender,
    recipient: str,
    *,
    heading: str,
    about: str,
    entries: Sequence[Entry],
    token: str,
    list_name: str,
    message_id: str,
    now: int,
) -> bytes:
    """A whole digest as it goes over the wire.

    Args:
        sender: who sends.
        recipient: the one reader who gets it.
        heading: its subject and headline.
        about: why this reader gets it.
        entries: the papers.
        token: of the one-click unsubscription.
        list_name: names the subscription in ``List-Id``.
        message_id: with its angle brackets.
        now: seconds since 1970, for ``Date``.
    """
    page = sender.link("u", token)
    values = {
        "heading": one_line(heading),
        "about": one_line(about),
        "entries": [_shown(one) for one in entries],
        "unsubscribe": page,
    }
    by_mail = f"<mailto:{quote(sender.address, safe='@')}?subject=unsubscribe%20{quote(token)}>"
    own = {
        "Message-ID": message_id,
        "List-Id": f"<{list_name}.{sender.host}>",
        "List-Unsubscribe": f"<{page}>,\r\n {by_mail}",
    }
    if page.startswith("https://"):
        own["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return _with_body(_message(sender, recipient, heading, now), own, "digest", values)


def notice(sender: Sender, recipient: str, kind: str, token: str, message_id: str, now: int) -> bytes:
    """A mail that asks to confirm an address (``confirm``) or lets its owner in (``login``)."""
    told = NOTICES[kind]
    values = {**told, "link": sender.link(told["path"], token)}
    own = {"Message-ID": message_id}
    return _with_body(_message(sender, recipient, told["heading"], now), own, "notice", values)


NOTICES = {
    "confirm": {
        "path": "c",
        "heading": "Please confirm your address",
        "text": "Somebody, we hope you, asked for digests of papers to this address. To get them, follow this link:",
        "lasts": "The link holds for 48 hours.",
        "otherwise": "If it was not you, do nothing: no further mail will come.",
    },
    "login": {
        "path": "l",
        "heading": "Your login link",
        "text": "To log in to the literature desk, follow this link:",
        "lasts": "The link holds for 15 minutes and works once.",
        "otherwise": "If you did not ask for it, do nothing.",
    },
}


def _message(sender: Sender, recipient: str, subject: str, now: int) -> EmailMessage:
    letter = EmailMessage(policy=POLICY)
    letter["From"] = Address(one_line(sender.name), addr_spec=sender.address)
    letter["To"] = Address(addr_spec=recipient)
    letter["Subject"] = textwrap.shorten(one_line(subject), LONGEST_SUBJECT, placeholder=" ...")
    letter["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    letter["Auto-Submitted"] = "auto-generated"
    return letter


def _with_body(letter: EmailMessage, own: dict[str, str], template: str, values: dict[str, Any]) -> bytes:
    """The whole mail. ``own`` headers hold nothing but ASCII of ours, and stand as they are.

    ``EmailMessage`` would wrap a long address in one of them as an encoded word, in which no mail program looks for it.
    """
    letter.set_content(environment().get_template(f"{template}.txt").render(values))
    letter.add_alternative(environment().get_template(f"{template}.html").render(values), subtype="html")
    return "".join(f"{name}: {value}\r\n" for name, value in own.items()).encode("ascii") + letter.as_bytes()


def _shown(entry: Entry) -> Entry:
    """An entry that can stand in a mail, whatever its paper holds."""
    lines = {name: one_line(getattr(entry, name)) for name in ("title", "byline", "text", "reason")}
    return Entry(**lines, url=web_address(entry.url))


def web_address(text: str) -> str:
    """An address with everything percent-encoded that a URI cannot hold (RFC 3986), and without controls.

    What is encoded stays as it is.
    """
    return quote(_CONTROL.sub("", text), safe="!#$%&'()*+,/:;=?@[]~")


def one_line(text: str) -> str:
    """Without line ends and other control characters, so that it can stand in a header.

    >>> one_line("3 papers" + chr(13) + chr(10) + "Bcc: all@example.org")
    '3 papers Bcc: all@example.org'
    """
    return " ".join(_CONTROL.sub(" ", text).split())


def shortened(text: str) -> str:
    """An abstract as a mail shows it."""
    return textwrap.shorten(one_line(text), LONGEST_TEXT, placeholder=" ...")


def folded(text: str, indent: int) -> str:
    """Lines of at most ``WIDTH`` columns, all but the first indented; words are not broken."""
    lines = textwrap.wrap(
        one_line(text), WIDTH - indent, break_long_words=False, break_on_hyphens=False, subsequent_indent=""
    )
    return f"\n{' ' * indent}".join(lines)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("Writing mails needs Jinja2, which is not installed.", "desk") from error

    def autoescape(name: str | None) -> bool:
        return name is None or not name.endswith(".txt")

    made = Environment(loader=PackageLoader("vecloom.desk"), autoescape=autoescape, undefined=StrictUndefined)
    made.filters["folded"] = folded
    return made
