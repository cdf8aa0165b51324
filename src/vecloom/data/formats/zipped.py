"""Files that are ZIP archives of XML (docx, pptx, xlsx, odt, epub): opened within bounds, parsed without entities.

A few kilobytes can unpack to gigabytes, and an XML entity can do the same again. An archive may unpack to ``LIMIT``
bytes, and XML that declares entities is refused.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError, fromstring

from vecloom.data.context import Context, Source
from vecloom.data.fields import clean

T = TypeVar("T")

LIMIT = 512 * 1024 * 1024
"""Bytes that all parts of an archive may unpack to."""
MOST_PARTS = 100_000
_DECRYPT = "Save a copy without a password in the present format, or leave it out."
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, KeyError, ParseError, UnicodeDecodeError)


class BadArchiveError(Exception):
    """Why an archive cannot be read: the rest of a sentence that begins with its name."""


def read(source: Source, context: Context, convert: Callable[[zipfile.ZipFile], T]) -> T | None:
    """Open an archive and convert it; None, counted, if it is broken, encrypted or too large.

    Raises:
        DataError: it cannot be read, and the user named it.
    """
    context.report.bytes_read += source.path.stat().st_size
    try:
        with zipfile.ZipFile(source.path) as archive:
            _check(archive)
            return convert(archive)
    except BadArchiveError as error:
        context.bad_file(source, f"{error}.")
    except RecursionError:
        context.bad_file(source, "its parts are nested too deeply to be read.")
    except RuntimeError as error:  # zipfile's way to say that a password is needed
        if "password" not in str(error):
            raise
        context.bad_file(source, "it is encrypted.", _DECRYPT)
    except _BROKEN:
        context.bad_file(source, *_why(source))
    return None


def _why(source: Source) -> tuple[str, str]:
    # Word, Excel and PowerPoint put an encrypted file into the container of their old formats
    with source.path.open("rb") as file:
        if file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            return "it is encrypted, or in an older format under a newer name.", _DECRYPT
    return "it cannot be converted: it is broken, cut off or of another format than its name says.", ""


def _check(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if size > LIMIT or len(parts) > MOST_PARTS:
        raise BadArchiveError(f"it unpacks to {size:,} bytes in {len(parts):,} parts, too many to be read")


def verify(archive: zipfile.ZipFile) -> None:
    """Check that all parts unpack to what they say they do, before another library unpacks them.

    Raises:
        zipfile.BadZipFile, zlib.error: one does not.
    """
    broken = archive.testzip()
    if broken is not None:
        raise zipfile.BadZipFile(f"{broken} is broken")


def parse(data: bytes) -> Element:
    """Parse XML.

    Raises:
        BadArchiveError: it declares entities.
        ParseError: it is not XML.
    """
    refuse_entities(data)
    return fromstring(data)


def refuse_entities(data: bytes) -> None:
    """Raise BadArchiveError if XML declares entities."""
    if b"<!ENTITY" in data.replace(b"\0", b""):  # in UTF-16 as well
        raise BadArchiveError("its XML declares entities, which are not read")


def core_title(archive: zipfile.ZipFile) -> str:
    """The title in the properties of an Office file, or ""."""
    data = part(archive, "docProps/core.xml")
    found = [child.text or "" for child in parse(data) if local(child) == "title"] if data else []
    return " ".join(clean(found[0]).split()) if found else ""


def part(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """A part's bytes; None if there is none of this name."""
    try:
        return archive.read(name)
    except KeyError:
        return None


def relations(archive: zipfile.ZipFile, name: str) -> dict[str, tuple[str, str]]:
    """What a part of an Office file points to: id -> (last word of the kind, name of the part)."""
    path = PurePosixPath(name)
    data = part(archive, str(path.parent / "_rels" / f"{path.name}.rels"))
    if data is None:
        return {}
    found = {}
    for relation in parse(data):
        if relation.get("TargetMode") != "External":
            kind = relation.get("Type", "").rpartition("/")[2]
            found[relation.get("Id", "")] = (kind, resolve(name, relation.get("Target", "")))
    return found


def resolve(base: str, target: str) -> str:
    """The name of a part that ``base`` points to by a relative path.

    >>> resolve("ppt/slides/slide1.xml", "../notesSlides/notesSlide1.xml")
    'ppt/notesSlides/notesSlide1.xml'
    """
    target = unquote(target.partition("#")[0])
    if target.startswith("/"):
        return target[1:]
    parts = list(PurePosixPath(base).parent.parts)
    for step in PurePosixPath(target).parts:
        if step == "..":
            del parts[-1:]
        else:
            parts.append(step)
    return "/".join(parts)


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]
