"""Manual pages, as roff source: man(7) and mdoc(7), packed with gzip or not, as text with headings.

A page or two of what groff does: fonts and spacing go, sections become headings, tables keep their cells. What is not text (macro
definitions, conditions for printers, equations) is left out. Headings are written as reStructuredText, because examples in
manuals hold lines that begin with ``#``. ``.so`` includes the page that it names, as aliases of pages do.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from vecloom.data.context import Context, Source
from vecloom.data.decoding import SNIFF, decode_file
from vecloom.data.formats.plain import load_bytes
from vecloom.data.records import Document

MOST_INCLUDES = 3
LONGEST_TITLE = 200
_NAME = re.compile(r"\.[1-9n][a-z0-9+_]*(\.gz)?$", re.IGNORECASE)
_ROFF = re.compile(rb"^[.'][ \t]*(TH|SH|Dd|Sh|so)[ \t]", re.MULTILINE)
_SPECIAL = r"""
    em=— en=– hy=- bu=• co=© rg=® tm=™ lq=“ rq=” oq=‘ cq=’ aq=' dq=" ha=^ ti=~ rs=\ ga=` aa=´ ul=_ at=@ sh=# Do=$ mu=× di=÷ +-=±
    ->=→ <-=← <==≤ >==≥ !==≠ ss=ß de=° sc=§ Fo=« Fc=» fo=‹ fc=› ba=| or=| sl=/ la=⟨ ra=⟩ lB=[ rB=] lC={ rC=} ff=ff fi=fi fl=fl
    Fi=ffi Fl=ffl ae=æ AE=Æ o/=ø r!=¡ r?=¿ pl=+ mi=- eq== 14=¼ 12=½ 34=¾ /L=Ł /l=ł *a=α *b=β *m=μ *p=π"""
_CHARACTERS = {pair[:2]: pair[3:] for pair in _SPECIAL.split()}
_ACCENTS = dict(zip(":'`^~,ov", "\u0308\u0301\u0300\u0302\u0303\u0327\u030a\u030c", strict=True))
_ESCAPE = re.compile(
    r"\\(?:"
    r"(?P<comment>[\"#].*)"
    r"|f(?:\(..|\[[^]]*\]|.)|[nk](?:\(..|\[[^]]*\]|[+-]?.)|s(?:[+-]?\d\d?|\[[^]]*\]|\([^)]{2}|'[^']*')|[mMFg](?:\[[^]]*\]|\(..|.)"
    r"|[hvwdloDLbxXZNRSHY]'[^']*'"
    r"|\*(?:\((?P<string2>..)|\[(?P<string>[^]]*)\]|(?P<string1>.))"
    r"|\((?P<two>..)|\[(?P<long>[^]]*)\]"
    r"|(?P<plain>.?))"
)
_PLAIN = {"-": "-", "e": "\\", "\\": "\\", "'": "'", "`": "`", " ": " ", "~": " ", "0": " ", "t": "\t", ".": "."}
_STRINGS = {
    "lq": "“",
    "rq": "”",
    "R": "®",
    "Tm": "™",
    "L": "“",
    "S": "”",
    "T": "™",
    "Aq": "'",
    "-": "—",
    "--": "–",
    "PI": "π",
}
_JOINED = frozenset({"BR", "RB", "BI", "IB", "IR", "RI"})
_FONT_MACROS = "B I R SM SB CW Nm Cm Ic Li Em Sy Ar Pa Va Vt Ev Ft Fn Dv Er"
_PARAGRAPH_MACROS = "PP LP P Pp HP br sp Bl El UE ME D1 Dl"
_OTHER_MACROS = "Fl Xr Ns No Ap Pf Tn Ux Nd Lk Mt Ad An Cd Ms Xo Xc Oo Oc Dc Do"
_BREAKS = frozenset(_PARAGRAPH_MACROS.split())
_VERBATIM = frozenset({"nf", "EX", "TS", "Bd", "SY"})
_FILLED = frozenset({"fi", "EE", "TE", "Ed", "YS"})
_QUOTES = {"Dq": "“”", "Qq": '""', "Sq": "‘’", "Ql": "‘’", "Op": "[]", "Pq": "()", "Bq": "[]", "Aq": "<>", "Brq": "{}"}
_WORDS = frozenset(_FONT_MACROS.split()) | set(_QUOTES) | frozenset(_OTHER_MACROS.split())


def is_manual(path: str) -> bool:
    """Whether a file is a manual page: it is called like one, as in ``ls.1.gz``, and holds roff."""
    if not is_called_so(path):
        return False
    try:
        with gzip.open(path, "rb") if path.lower().endswith(".gz") else open(path, "rb") as file:
            head = file.read(SNIFF)
    except (OSError, EOFError, zlib.error):
        return False
    return head.lstrip()[:1] in (b".", b"'") and bool(_ROFF.search(head))


def is_called_so(path: str) -> bool:
    """Whether a file is called like a manual page."""
    return bool(_NAME.search(path))


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read a page; an alias gives the page that it names."""
    text = render(_load(source, context))
    if not text.strip():
        context.report.leave_out("empty_files", source.name)
        return
    yield Document(id=source.name, text=text, title=title_of(text) or Path(source.name).name, source=source.name)


def _load(source: Source, context: Context, depth: int = 0) -> str:
    data = load_bytes(source, context)
    if data is None:
        return ""
    text = decode_file(data, source, context)
    included = re.match(r"\s*(?:[.'][ \t]*\\\".*\n)*\.so[ \t]+(\S+)", text)
    if included is None or depth >= MOST_INCLUDES:
        return text
    for folder in (source.path.parent.parent, source.path.parent):
        for name in (included[1], f"{included[1]}.gz"):
            if (folder / name).is_file():
                return _load(Source(str(folder / name), source.explicit), context, depth + 1)
    return ""


def title_of(text: str) -> str:
    """The NAME section: "ls - list directory contents"."""
    found = re.search(r"^\S.*\n=+\n+(.+)", text, re.MULTILINE)
    return " ".join(found[1].split())[:LONGEST_TITLE] if found else ""


def render(roff: str) -> str:
    r"""Manual source as text.

    >>> render('.TH LS 1\n.SH NAME\nls \\- list files\n.SH OPTIONS\n.TP\n.B \\-a\nall of them')
    'NAME\n====\n\nls - list files\n\nOPTIONS\n=======\n\n-a\nall of them\n'
    """
    page = _Page()
    for line in _lines(roff):
        page.take(line)
    return page.text()


def _lines(roff: str) -> Iterator[str]:
    """Lines that may hold text: without definitions, conditions for printers, equations and what is ignored."""
    until, depth = "", 0
    for line in roff.replace("\\\n", "").splitlines():
        if depth:
            depth += line.count("\\{") - line.count("\\}")
            continue
        if until:
            until = "" if line.startswith(until) else until
            continue
        request = re.match(r"[.'][ \t]*(\w+)[ \t]*(.*)", line)
        name = request[1] if request else ""
        if request and name in ("de", "de1", "am", "ig"):
            named = arguments(request[2])
            until = f".{named[0]}" if name == "ig" and named else ".."
        elif name in ("EQ", "TS"):
            until = ".EN" if name == "EQ" else ""
            if name == "TS":
                yield line
        elif request and name in ("if", "ie", "el", "while"):
            rest = request[2]
            if name != "el" and rest.startswith("n ") and "\\{" not in rest:
                yield rest[2:].lstrip()
            depth = max(rest.count("\\{") - rest.count("\\}"), 0)
        else:
            yield line


class _Page:
    """A page while it is read: paragraphs so far, and what the next lines are."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._filled = True
        self._format = False  # within the lines of a table that say how it looks
        self._table = False
        self._open = False  # whether what follows belongs to the last paragraph
        self._tag = False  # whether the next words are the tag of a paragraph, on a line of their own
        self._name = ""

    def take(self, line: str) -> None:
        """One line of source."""
        if self._format:
            self._format = not line.rstrip().endswith(".")
        elif line[:1] in (".", "'") and not line.startswith(('.\\"', "'\\\"", ".\\ ")):
            request = re.match(r"[.'][ \t]*(\S+)[ \t]*(.*)", line)
            if request:
                self._request(request[1], request[2])
        elif not line.startswith(("'\\\"", '.\\"')):
            self._write(decoded(line).replace("\t", "  " if self._table else "\t"))

    def _request(self, name: str, rest: str) -> None:
        if name in ("SH", "Sh", "SS", "Ss"):
            self._heading(decoded(" ".join(arguments(rest))), "=" if name in ("SH", "Sh") else "-")
        elif name in _VERBATIM:
            self._break()
            self._filled, self._format, self._table = False, name == "TS", name == "TS"
        elif name in _FILLED:
            self._filled, self._table = True, False
            self._break()
        elif name in ("TP", "TQ", "IP", "It"):
            self._item(name, [word for word in arguments(rest) if not word.isdigit()])
        elif name in _BREAKS:
            self._break()
        else:
            self._words(name, arguments(rest))

    def _item(self, name: str, words: list[str]) -> None:
        self._break()
        self._tag = name in ("TP", "TQ") or bool(words)
        if name in ("IP", "It"):
            self._write(spoken(words if name == "It" else words[:1], self._name))

    def _words(self, name: str, words: list[str]) -> None:
        if name in _JOINED:
            self._write(decoded("".join(words)))
        elif name == "Nm":
            self._name = next(iter(words), self._name)
            self._write(spoken(words or [self._name], self._name))
        elif name == "Nd":
            self._write("- " + spoken(words, self._name))
        elif name in ("UR", "MT"):
            self._write(decoded(" ".join(words[:1])))
        elif name in _WORDS:
            self._write(spoken([name, *words], self._name))

    def _heading(self, text: str, mark: str) -> None:
        if text.strip():
            self._break()
            self._out += [text.strip(), mark * len(text.strip()), ""]

    def _break(self) -> None:
        self._open = self._tag = False
        if self._out and self._out[-1]:
            self._out.append("")

    def _write(self, text: str) -> None:
        if not self._filled:
            self._out.append(text.rstrip())
        elif not text.strip():
            self._break() if not self._tag else None
        elif self._open and not self._tag:
            self._out[-1] += f" {text.strip()}"
        else:
            self._out.append(text.strip())
            self._open, self._tag = not self._tag, False

    def text(self) -> str:
        """What was read."""
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._out)).strip("\n") + "\n"


def arguments(rest: str) -> list[str]:
    r"""Words of a request; double quotes hold blanks together.

    >>> arguments('\\-a "two words" x')
    ['\\-a', 'two words', 'x']
    """
    rest = re.sub(r"\\\".*", "", rest)
    found = re.findall(r'"((?:[^"]|"")*)"?|((?:\\ |\S)+)', rest)
    return [bare or quoted.replace('""', '"') for quoted, bare in found]


def spoken(words: list[str], name: str) -> str:
    """The words of an mdoc line, with its macros carried out: ``Fl a Ar file`` is "-a file".

    >>> spoken(["Op", "Fl", "a", "Ar", "file"], "ls"), spoken(["Xr", "stat", "2"], "ls")
    ('[-a file]', 'stat(2)')
    """
    out: list[str] = []
    closing, dash, joined = "", False, False
    for place, word in enumerate(words):
        if word in _WORDS and place < 12:
            dash = word == "Fl"
            joined = joined or word in ("Ns", "Pf")
            if _QUOTES.get(word):
                closing = _QUOTES[word][1] + closing
                out.append(_QUOTES[word][0] + "\0")
            elif word == "Xr" and place + 2 < len(words):
                words = [*words[: place + 1], f"{words[place + 1]}({words[place + 2]})", *words[place + 3 :]]
                return _spaced([*out, spoken(words[place + 1 :], name) + closing])
            continue
        out.append(("-" if dash and word not in (",", ".", "|") else "") + decoded(word) + ("\0" if joined else ""))
        joined = False
    return _spaced(out) + closing


def _spaced(parts: list[str]) -> str:
    return re.sub(r" (?=[,.;:)\]])(?!\.\.)", "", " ".join(parts).replace("\0 ", "").replace("\0", ""))


def decoded(text: str) -> str:
    r"""Text without roff's escapes: fonts and sizes go, characters are what they stand for.

    >>> decoded(r"\fBls\fP \-a \(em caf\['e]")
    'ls -a — café'
    """
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    name = match["two"] or match["long"]
    if name:
        return _named(name)
    string = match["string2"] or match["string"] or match["string1"]
    if string:
        return _STRINGS.get(string, "")
    return _PLAIN.get(match["plain"] or "", "")


def _named(name: str) -> str:
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    if re.fullmatch(r"u[0-9A-Fa-f]{4,6}(_[0-9A-Fa-f]{4,6})*", name):
        return "".join(chr(min(int(part, 16), 0x10FFFF)) for part in name[1:].split("_"))
    if len(name) == 2 and name[0] in _ACCENTS and name[1].isalpha():
        import unicodedata

        return unicodedata.normalize("NFC", name[1] + _ACCENTS[name[0]])
    return ""
