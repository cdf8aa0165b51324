"""One mail (.eml, .emlx, files of a Maildir): its subject is the title, its words the text, who and when are fields.

Of alternatives the plain text is taken, else HTML made Markdown. Attachments are counted and named; those that are
text are read too. A forwarded mail is text with its own subject and sender above it. Python's own parser does the
reading; what senders get wrong (unknown or wrong charsets, broken dates and addresses) is met here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import errors, message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import cast

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source, open_bytes
from vecloom.data.decoding import decode_file, read_whole, superset
from vecloom.data.fields import clean
from vecloom.data.formats import html
from vecloom.data.records import Document, Scalar

DEEPEST = 20  # mails within mails, and parts within parts
_HEADERS = {
    "from": "From", "to": "To", "cc": "Cc", "message_id": "Message-ID", "in_reply_to": "In-Reply-To",
    "list": "List-Id", "labels": "X-Gmail-Labels",
}  # fmt: skip
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_PARSER_ERRORS = (AttributeError, IndexError, KeyError, LookupError, TypeError, ValueError, errors.MessageError)
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")
_ENVELOPE = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]*\r?\n)*(?:From [^\n]*\n)?")
_LENGTH = re.compile(rb"\s*(\d+)\s*\n")
_QUOTES = re.compile(r"(>*)(.*)")
_TRASHED = re.compile(r"[:;!]2,[A-Za-z]*T[A-Za-z]*$")


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one mail; one that its owner has thrown away is left out.

    Raises:
        DataError: it is too large or not a mail, and the user named it.
    """
    with open_bytes(source, context) as stream:
        data = read_whole(stream, ctx.MAX_BYTES)
    if data is None:
        context.bad_file(source, f"the mail has more than {ctx.MAX_BYTES:,} bytes.", "Leave it out.")
        return
    if _TRASHED.search(source.path.name) and not source.explicit:
        context.report.empty_files += 1
        context.report.note(f"{source.name}: a mail that was moved to the trash.")
        return
    if source.path.suffix.lower() == ".emlx" and (length := _LENGTH.match(data)):
        data = data[length.end() : length.end() + int(length[1])]
    data = data[cast(re.Match[bytes], _ENVELOPE.match(data)).end() :]
    if not _HEADER.match(data):
        context.bad_file(source, "this is not a mail: it does not begin with a header such as 'From: ...'.")
        return
    yield document(data, source, context)


def document(data: bytes, source: Source, context: Context, number: int | None = None, sent: str = "") -> Document:
    """Make a document of one mail.

    Args:
        data: the mail, header and body.
        source: the file.
        context: counts characters that had to be replaced.
        number: which mail of its file it is (1-based); None if it is the only one.
        sent: when, for a mail that does not say so itself (ISO 8601).
    """
    message = message_from_bytes(data, policy=policy.default)
    found = _Found(source, context)
    _collect(message, found, 0)
    fields: dict[str, Scalar] = {name: value for name, key in _HEADERS.items() if (value := header(message, key))}
    if date := _date(header(message, "Date")) or sent:
        fields["date"] = date
    if found.attachments:
        fields["attachments"] = len(found.attachments)
        fields["attachment_names"] = ", ".join(filter(None, found.attachments))
    return Document(
        id=source.name if number is None else f"{source.name}:{number}",
        text=clean("\n\n".join(found.texts)).strip(),
        title=header(message, "Subject"),
        source=source.name,
        position=number or 1,
        fields=fields,
    )


def header(message: EmailMessage, name: str) -> str:
    """A header on one line, its encoded words decoded; "" if it is missing."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    if not raw.isascii():  # bytes that no header may hold: UTF-8 as a rule
        written = raw.encode("utf-8", "surrogateescape")
        try:
            raw = written.decode("utf-8")
        except UnicodeDecodeError:
            raw = written.decode("cp1252", "replace")
    raw = " ".join(raw.split())
    if "=?" in raw:
        with suppress(*_PARSER_ERRORS):  # better as it is written than not at all
            raw = str(policy.default.header_factory("subject", raw))
    return " ".join(clean(raw).split())


def _date(written: str) -> str:
    try:
        found = parsedate_to_datetime(written)
        utc = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ") if utc.year >= 1000 else ""


def envelope_date(line: str) -> str:
    """The date at the end of an mbox's "From " line, which is in UTC; "" if there is none.

    >>> envelope_date("From ann@example.org Thu Jan  1 09:30:00 2015")
    '2015-01-01T09:30:00Z'
    """
    found = re.search(r"([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d{1,2}:\d\d(?::\d\d)?)\s+(?:\S+\s+)?(\d{4})", line)
    if not found:
        return ""
    time = found[3] if found[3].count(":") == 2 else f"{found[3]}:00"
    try:
        return datetime.strptime(f"{found[4]} {found[1]} {found[2]} {time}", "%Y %b %d %H:%M:%S").isoformat() + "Z"
    except ValueError:
        return ""


@dataclass
class _Found:
    """What a mail's parts hold."""

    source: Source
    context: Context
    texts: list[str] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)


def _collect(part: EmailMessage, found: _Found, depth: int) -> None:
    kind = part.get_content_type()
    if depth > DEEPEST or kind in _SIGNATURES:
        return
    if kind == "multipart/alternative":
        _collect_best(part, found, depth)
    elif kind == "message/rfc822":
        for inner in _children(part):
            heads = [f"{name}: {value}" for name in ("Subject", "From", "Date") if (value := header(inner, name))]
            found.texts.append("\n".join(heads))
            _collect(inner, found, depth + 1)
    elif part.is_multipart():
        for inner in _children(part):
            _collect(inner, found, depth + 1)
    else:
        _collect_leaf(part, kind, found)


def _children(part: EmailMessage) -> list[EmailMessage]:
    inner = part.get_payload()
    return [one for one in inner if isinstance(one, EmailMessage)] if isinstance(inner, list) else []


def _collect_best(part: EmailMessage, found: _Found, depth: int) -> None:
    """Of several forms of one text the plain one, else the last (which is the richest) that has any text."""
    inner = _children(part)
    plain = [one for one in inner if one.get_content_type() == "text/plain"]
    for choice in (*plain, *reversed([one for one in inner if one not in plain])):
        before = len(found.texts)
        _collect(choice, found, depth + 1)
        if any(text.strip() for text in found.texts[before:]):
            return


def _collect_leaf(part: EmailMessage, kind: str, found: _Found) -> None:
    name = _file_name(part)
    attached = name or part.get_content_disposition() == "attachment"
    if attached or not kind.startswith("text/"):
        if not kind.startswith("text/") and part.get("Content-ID") and part.get_content_disposition() != "attachment":
            return  # a picture of the page itself
        found.attachments.append(name)
    if not kind.startswith("text/"):
        return
    text = _text(part, kind, found).rstrip().lstrip("\r\n")
    if text:
        found.texts.append(f"{name}\n{text}" if attached and name else text)


def _file_name(part: EmailMessage) -> str:
    try:
        name = part.get_filename()
    except _PARSER_ERRORS:
        return ""
    name = " ".join(clean(name or "").split())
    if "=?" in name:  # against the standard, and done by many
        try:
            return str(policy.default.header_factory("subject", name))
        except _PARSER_ERRORS:
            return name
    return name


def _text(part: EmailMessage, kind: str, found: _Found) -> str:
    data = cast(bytes, part.get_payload(decode=True) or b"")
    text = decode_file(data, found.source, found.context, _charset(part, data))
    if kind == "text/html":
        try:
            return html.to_markdown(text)[1]
        except RecursionError:
            found.context.report.note(f"{found.source.name}: a mail's HTML is nested too deeply to be read.")
            return ""
    if str(part.get_param("format", "")).lower() == "flowed":
        return unflowed(text, str(part.get_param("delsp", "")).lower() == "yes")
    return text


def _charset(part: EmailMessage, data: bytes) -> str | None:
    """The declared charset if the bytes are in it; what is valid UTF-8 beyond ASCII is UTF-8, whatever is declared."""
    try:
        named = part.get_content_charset() or ""
    except _PARSER_ERRORS:
        return None
    try:
        if not data.isascii():
            data.decode("utf-8")
            return "utf-8"
    except UnicodeDecodeError:
        pass
    name = superset(named)
    try:
        data.decode(name)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None
    return name


def unflowed(text: str, delete_space: bool = False) -> str:
    r"""Join the lines of a format=flowed text (RFC 3676): one that ends with a space goes on, at the same depth of quotes.

    >>> unflowed("One \ntwo\n> three \n> four")
    'One two\n> three four'
    """
    made: list[str] = []
    depth_before = -1  # of the line that goes on
    for line in text.split("\n"):
        quotes, rest = cast(re.Match[str], _QUOTES.fullmatch(line)).groups()
        rest = rest.removeprefix(" ")
        goes_on = rest.endswith(" ") and rest != "-- "
        shown = rest[:-1] if goes_on and delete_space else rest
        if len(quotes) == depth_before and rest != "-- ":
            made[-1] += shown
        else:
            made.append(f"{quotes} {shown}" if quotes else shown)
        depth_before = len(quotes) if goes_on else -1
    return "\n".join(made)
