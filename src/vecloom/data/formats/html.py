"""HTML pages: converted to Markdown, so that headings, lists and tables keep their meaning for the splitter.

The page is parsed by lexbor as browsers parse it (HTML Living Standard): end tags may be left out, the head ends at the
first element that cannot stand in it, declarations and comments are not text. What a reader of the page does not see is
left out: scripts, styles, templates, drawings, fallbacks for old browsers, and elements that are hidden.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from vecloom.data.context import Context, Source
from vecloom.data.decoding import declared_html_encoding, decode_file
from vecloom.data.formats import plain
from vecloom.data.formats.markup import markdown_document
from vecloom.data.records import Document

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_DEPTH = 5000
"""Nested elements beyond which a page is refused: the parser's time grows with the square of the depth."""

_UNSEEN = (
    "title, script, style, noscript, noframes, noembed, template, svg, iframe, audio, video, canvas, datalist, "
    "annotation, annotation-xml, dialog:not([open])"
)
_HIDDEN = "[hidden], [style]"
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# The parser works as a browser without scripts, where a paragraph in the head's <noscript> would end the head.
_HEAD_NOSCRIPT = re.compile(r"<noscript\b[^>]*>.*?</noscript\s*>", re.IGNORECASE | re.DOTALL)
_BODY = re.compile(r"<body[\s>]", re.IGNORECASE)
_HEAD = re.compile(  # as far as its elements are the head's own, for pages without <body>
    r"(?>\s+|<!--.*?-->|<[!?][^>]*>|</?(?:html|head|meta|link|base)\b[^>]*>"
    r"|<(title|script|style|noscript|template)\b[^>]*>.*?</\1\s*>)*+",
    re.IGNORECASE | re.DOTALL,
)

_XHTML = re.compile(r"<\?xml\b|<!DOCTYPE[^>]*XHTML|<html[^>]*\bxmlns\s*=", re.IGNORECASE)
_XHTML_HEAD = 2048
_VOID = "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr"
_SELF_CLOSED = re.compile(rf"<(?!(?:{_VOID})\b)([a-zA-Z][\w:.-]*)((?:\s[^<>]*?)?)\s*/>")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_CLOSED_BY_OTHERS = frozenset(
    f"{_VOID}|p|li|dt|dd|option|optgroup|tr|td|th|tbody|thead|tfoot|colgroup|caption|rt|rp|html|head|body|a|button|nobr|form"
    "|h1|h2|h3|h4|h5|h6|select".split("|")
)
_BLOCKS = (
    "address aside center details dialog fieldset footer form frameset header hgroup legend main menu nav optgroup option "
    "search summary textarea"
)
_EMPHASIS = "b strong em i"


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one page: its <title>, else its first <h1>, is the title."""
    data = plain.load_bytes(source, context)
    if data is None:
        return
    try:
        title, text = to_markdown(decode_file(data, source, context, declared_html_encoding(data)))
    except RecursionError:
        context.bad_file(source, "its tags are nested too deeply to be read.")
        return
    if text or title:
        yield markdown_document(text, source, title)
    else:
        context.report.empty_files += 1


def to_markdown(page: str) -> tuple[str, str]:
    """Return the title and the text that a reader sees, as Markdown.

    Raises:
        RecursionError: the tags are nested too deeply.
    """
    from selectolax.lexbor import LexborHTMLParser

    page = _prepared(page)
    # a page that shows itself only by a script is hidden as a whole: then all of it counts
    for with_hidden in (False, True):
        tree = LexborHTMLParser(page)
        title = _title(tree)
        for node in tree.css(_UNSEEN):
            node.decompose()
        if not with_hidden and not _drop_hidden(tree):
            break
        if text := _converted(tree):
            return title or _words(tree.css_first("h1")), text
    return title or _words(tree.css_first("h1")), _converted(tree)


def _drop_hidden(tree: LexborHTMLParser) -> bool:
    """Take out the elements that are hidden, and say whether there were any."""
    hidden = [node for node in tree.css(_HIDDEN) if _is_hidden(node)]
    for node in hidden:
        node.decompose()
    return bool(hidden)


def _prepared(page: str) -> str:
    """The page as the parser needs it.

    Raises:
        RecursionError: the tags are nested too deeply.
    """
    if _XHTML.search(page, 0, _XHTML_HEAD):
        # XML's way of writing, which HTML does not know: the rest of the page would be inside <title/> or <script/>
        page = _CDATA.sub(lambda found: entities.escape(found[1]), page)
        page = _SELF_CLOSED.sub(r"<\1\2></\1>", page)
    _check_depth(page)
    body, head = _BODY.search(page), _HEAD.match(page)
    end = max(body.start() if body else 0, head.end() if head else 0)
    return _HEAD_NOSCRIPT.sub("", page[:end]) + page[end:]


def _check_depth(page: str) -> None:
    depth = 0
    for tag in _TAG.finditer(page):
        if tag[2].lower() not in _CLOSED_BY_OTHERS:
            depth = max(depth - 1, 0) if tag[1] else depth + 1
            if depth > MAX_DEPTH:
                raise RecursionError


def _title(tree: LexborHTMLParser) -> str:
    """The text of the first <title> that is HTML's: drawings and formulas have titles of their own."""
    for node in tree.css("title"):
        above = node.parent
        while above is not None and above.tag not in ("svg", "math"):
            above = above.parent
        if above is None:
            return _words(node)
    return ""


def _words(node: LexborNode | None) -> str:
    return " ".join(node.text().split()) if node is not None else ""


def _is_hidden(node: LexborNode) -> bool:
    if node.tag in ("html", "body"):  # until a script has run
        return False
    given = node.attributes
    if "hidden" in given:
        return (given["hidden"] or "").lower() != "until-found"
    return bool(_HIDDEN_STYLE.search(given.get("style") or ""))


def _converted(tree: LexborHTMLParser) -> str:
    from bs4 import BeautifulSoup
    from bs4.element import PreformattedString

    top = tree.body or tree.root
    if top is None:
        return ""
    # the tree is written with all its tags, so that the simplest parser reads it as it is
    soup = BeautifulSoup(top.html or "", "html.parser")
    for node in soup.find_all(string=lambda text: isinstance(text, PreformattedString)):
        node.extract()  # comments, processing instructions, declarations
    return str(
        _converter()(heading_style="ATX", escape_asterisks=False, escape_underscores=False).convert_soup(soup)
    ).strip()


@cache
def _converter() -> Any:
    """The converter of markdownify, with the blocks that it would join to what is beside them, and words left whole."""
    import markdownify

    base: Any = markdownify.MarkdownConverter
    blocks = {f"convert_{name}": base.convert_div for name in _BLOCKS.split()}
    marks = {f"convert_{name}": _unless_within_word(getattr(base, f"convert_{name}")) for name in _EMPHASIS.split()}
    return type("PageConverter", (base,), blocks | marks)


def _unless_within_word(mark: Callable[..., str]) -> Callable[..., str]:
    """Emphasis as it is marked, but none of a part of a word: "**D**rop" would be two words for a search."""

    def convert(converter: Any, node: Any, text: str, parent_tags: Any) -> str:
        before, after = str(node.previous_sibling or "")[-1:], str(node.next_sibling or "")[:1]
        inside = (before.isalnum() and text[:1].isalnum()) or (after.isalnum() and text[-1:].isalnum())
        return text if inside else mark(converter, node, text, parent_tags)

    return convert
