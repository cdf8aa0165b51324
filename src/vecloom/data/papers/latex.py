r"""LaTeX in bibliographies, as text: accents, dashes, quotes and markup by pylatexenc, formulas as they stand.

Files of reference managers are not quite LaTeX. A bare % or & is the character that one reads, an odd dollar is money, and
what LaTeX itself would need a package for (``\texttt``, ``\href``, the names of journals in astronomy) is known here. An
unknown command with an argument becomes the argument, one without stays as it is.
"""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

from vecloom.data.papers.record import one_line

_SIMPLE = re.compile(r"[^\\{}$%&~`'-]*(?:[%'-](?![-'])[^\\{}$%&~`'-]*)*")  # needs no decoding
_ENTITY = re.compile(r"\\?(&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}\d?);)")
_GROUP = r"\{(?:[^{}\\]|\\.|\{[^{}]*\})*\}"
_TOKEN = re.compile(
    rf"""(?P<math>\$\$.+?\$\$|\$(?:[^$\\]|\\.)+\$|\\\(.+?\\\)|\\\[.+?\\\])
    |\\(?:url|path|nolinkurl)\s*(?P<url>{_GROUP})
    |\\verb(?P<mark>[^\w\s*])(?P<verbatim>.*?)(?P=mark)
    |(?P<dropped>\\(?:href|textcolor|foreignlanguage|bibinfo)\s*{_GROUP}\s*(?=\{{)|\\(?:noopsort|selectlanguage)\s*{_GROUP})
    |(?P<kept>\\.)
    |(?P<bare>[%&$])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\{?\\([_%&#~${}])(?:\{\})?\}?|\\(?:text)?(?:asciitilde|tilde)\b(?:\{\})?")
_COMMANDS = re.compile(r"[\\~`]|--|''")
_BRACES = str.maketrans("", "", "{}")
_SIGNS = {sign: 0xE010 + number for number, sign in enumerate("%&$#_{}")}  # stand for themselves until all is decoded
_SIGNS_AGAIN = {code: sign for sign, code in _SIGNS.items()}
_HELD = re.compile("\ue000(\\d+)\ue001")

SYMBOLS = {
    "-": "", "textless": "<", "textgreater": ">", "textbar": "|", "textunderscore": "_", "textdollar": "$",
    "textpercent": "%", "textampersand": "&", "textnumbersign": "#", "slash": "/", "copyright": "©", "textcopyright": "©",
    "textregistered": "®", "pounds": "£", "textsterling": "£", "euro": "€", "texteuro": "€", "textcent": "¢", "textyen": "¥",
    "S": "§", "textsection": "§", "P": "¶", "textparagraph": "¶", "textmu": "µ", "textonehalf": "½", "textbullet": "•",
    "textordfeminine": "ª", "textordmasculine": "º", "textperiodcentered": "·", "textnumero": "№", "ng": "ŋ", "NG": "Ŋ",
    "guillemotleft": "«", "guillemotright": "»", "guilsinglleft": "‹", "guilsinglright": "›", "quotedblbase": "„",
    "quotesinglbase": "‚", "textquotedbl": '"', "textellipsis": "…", "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX",
    "newline": " ", "linebreak": " ", "break": " ", "hyphen": "-", "protect": "", "relax": "", "/": "",
}  # fmt: skip
"""Commands of text that pylatexenc does not know."""
SWITCHES = ("em", "it", "bf", "sc", "tt", "sl", "rm", "sf", "itshape", "bfseries", "scshape", "ttfamily", "normalfont")
"""Commands that change the font from there on."""
REFERENCES = ("cite", "citet", "citep", "ref", "eqref", "label")
"""Commands that stay, because what they stand for is elsewhere."""
SYMBOLS |= dict.fromkeys(
    [
        "em",
        "it",
        "bf",
        "sc",
        "tt",
        "sl",
        "rm",
        "sf",
        "itshape",
        "bfseries",
        "scshape",
        "ttfamily",
        "upshape",
        "normalfont",
        "small",
    ],
    "",
)
JOURNALS = {
    "aj": "The Astronomical Journal", "actaa": "Acta Astronomica", "araa": "Annual Review of Astronomy and Astrophysics",
    "apj": "The Astrophysical Journal", "apjl": "The Astrophysical Journal Letters",
    "apjs": "The Astrophysical Journal Supplement Series", "ao": "Applied Optics",
    "apss": "Astrophysics and Space Science", "aap": "Astronomy and Astrophysics",
    "aapr": "The Astronomy and Astrophysics Review", "aaps": "Astronomy and Astrophysics Supplement Series",
    "baas": "Bulletin of the American Astronomical Society", "icarus": "Icarus",
    "jcap": "Journal of Cosmology and Astroparticle Physics", "jgr": "Journal of Geophysical Research",
    "mnras": "Monthly Notices of the Royal Astronomical Society", "nat": "Nature", "na": "New Astronomy",
    "nar": "New Astronomy Reviews", "nphysa": "Nuclear Physics A", "physrep": "Physics Reports",
    "pasa": "Publications of the Astronomical Society of Australia",
    "pasp": "Publications of the Astronomical Society of the Pacific",
    "pasj": "Publications of the Astronomical Society of Japan", "pra": "Physical Review A", "prb": "Physical Review B",
    "prc": "Physical Review C", "prd": "Physical Review D", "pre": "Physical Review E", "prl": "Physical Review Letters",
    "rmxaa": "Revista Mexicana de Astronomía y Astrofísica", "skytel": "Sky and Telescope", "solphys": "Solar Physics",
    "sovast": "Soviet Astronomy", "ssr": "Space Science Reviews", "planss": "Planetary and Space Science",
    "procspie": "Proceedings of the SPIE",
}  # fmt: skip
"""Commands that stand for a journal in exports of the Astrophysics Data System."""


def to_text(source: str) -> str:
    r"""A field's LaTeX as text on one line; as it stands if it cannot be read.

    >>> to_text(r"M{\"u}ller \& Sons: 50% of {BERT}'s $x^2$")
    "Müller & Sons: 50% of BERT's $x^2$"
    """
    source = _ENTITY.sub(_character, source)
    if _SIMPLE.fullmatch(source):
        return one_line(source)
    held: list[str] = []
    tamed = _TOKEN.sub(lambda found: _tamed(found, held), source)
    # pylatexenc takes half a millisecond for a pair of braces, and much of a bibliography has nothing else
    decode = _decoder().latex_to_text if _COMMANDS.search(tamed) else _without_braces
    try:
        text = decode(tamed)
    except Exception:  # whatever pylatexenc makes of it, the words are there in the source
        return one_line(source)
    return one_line(_HELD.sub(lambda found: held[int(found[1])], text.translate(_SIGNS_AGAIN)))


def unescaped(source: str) -> str:
    r"""An address or a name that is not LaTeX, without the escapes that some programs put there.

    >>> unescaped(r"10.1007/978-3-030-1{\_}12"), unescaped(r"\url{https://x.example/a%20b}")
    ('10.1007/978-3-030-1_12', 'https://x.example/a%20b')
    """
    inner = re.fullmatch(r"\s*(?:\\url\s*)?\{(.*)\}\s*", source, re.DOTALL)
    return one_line(_ESCAPED.sub(lambda found: found[1] or "~", inner[1] if inner else source))


def _character(found: re.Match[str]) -> str:
    meant = html.unescape(found[1])
    return found[0] if meant == found[1] else meant


def _without_braces(source: str) -> str:
    return source.translate(_BRACES)


def _tamed(found: re.Match[str], held: list[str]) -> str:
    """A piece of source as pylatexenc reads it rightly; what it must not touch is put aside."""
    if found["dropped"]:
        return ""
    if found["kept"] or found["bare"]:
        sign = found[0][-1]
        return chr(_SIGNS[sign]) if sign in _SIGNS else found[0]
    held.append(found["math"] or (unescaped(found["url"]) if found["url"] else found["verbatim"] or ""))
    return f"\ue000{len(held) - 1}\ue001"


@cache
def _decoder() -> Any:
    from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db

    known = get_default_latex_context_db()
    texts = SYMBOLS | JOURNALS | dict.fromkeys(SWITCHES, "")
    macros = [MacroTextSpec(name, simplify_repl=text) for name, text in texts.items()]
    macros += [MacroTextSpec(name, simplify_repl=_verbatim) for name in REFERENCES]
    known.add_context_category("bibliographies", prepend=True, macros=macros)
    known.set_unknown_macro_spec(MacroTextSpec("", simplify_repl=_unknown))
    return LatexNodes2Text(latex_context=known, math_mode="verbatim")


def _verbatim(node: Any, **_: Any) -> str:
    return str(node.latex_verbatim())


def _unknown(node: Any, l2tobj: Any) -> str:
    """The arguments of a command that has some; the command itself if none follow."""
    arguments = node.nodeargd.argnlist if node.nodeargd and node.nodeargd.argnlist else []
    if arguments:
        return "".join(l2tobj.nodelist_to_text([one]) for one in arguments if one is not None)
    source, end = node.parsing_state.s, node.pos + node.len
    return "" if source[end : end + 1] == "{" else str(node.latex_verbatim())
