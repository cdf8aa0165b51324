"""Cut documents into chunks that fit the model, on the borders of sections, paragraphs and sentences.

The cutting is semantic-text-splitter's. What is added: the count of tokens is several times faster for tokenizers
that treat words one by one, offsets and heading paths, and room for the title and headings that are encoded with
each chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vecloom.data.fields import clean
from vecloom.data.formats import Markup, markup_of
from vecloom.data.headings import heading_paths, markdown_headings, path_at, rst_headings
from vecloom.data.heads import MAX_CHARS_PER_TOKEN, fitted
from vecloom.data.records import Chunk, Document, joined_head
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHARS_PER_TOKEN = 4  # of English text, where there is no tokenizer to count with
MIN_TOKENS = 8
BLOCK_CHARS = 500_000  # the splitter's time per chunk grows with the text: 10 MB at once take twice as long
CACHE_WORDS = 500_000
CACHE_CHARS = 64

Size = Callable[[str], int]


class Chunker:
    """Cuts documents into chunks of at most ``max_tokens`` tokens, the model's special tokens included.

    Title and headings are encoded before each chunk's text (``Chunk.passage``): room is kept for them, at most a
    quarter of ``max_tokens``. What is longer is cut there, never the text. A document that is a title alone has the
    whole room for it.

    Args:
        tokenizer: the model's; it is copied. None counts 4 characters as a token.
        max_tokens: size of a chunk's passage.
        overlap: tokens at most that a chunk repeats from the one before.

    Raises:
        UsageError: ``max_tokens`` is below 8, or ``overlap`` is not between 0 and half of it.
    """

    def __init__(self, tokenizer: Tokenizer | None, max_tokens: int = 256, overlap: int = 32) -> None:
        if max_tokens < MIN_TOKENS:
            raise UsageError(f"max_tokens={max_tokens} is too small for a chunk.", f"Use {MIN_TOKENS} or more.")
        if not 0 <= overlap <= max_tokens // 2:
            raise UsageError(f"overlap={overlap} does not fit.", f"Use 0 to {max_tokens // 2}, half of max_tokens.")
        special = tokenizer.num_special_tokens_to_add(False) if tokenizer else 0
        self.max_tokens = max_tokens
        self.overlap = overlap
        self.tokens = token_counter(tokenizer)
        self._budget = max_tokens - special
        self._most = max_tokens // 4  # tokens of title and headings
        self._splitters: dict[tuple[bool, int], Any] = {}

    def chunk(self, document: Document) -> list[Chunk]:
        """Cut one document.

        Returns:
            Chunks in order, together holding every character that is no blank; one where all fits; none where the
            text and title are blank; one without text where there is a title alone.
            ``document.text[c.start : c.start + len(c.text)] == c.text`` for each (lone surrogates, which ``read``
            never gives, become U+FFFD).
        """
        text, title = document.text, document.title
        if not text or text.isspace():
            return [self._whole(document, "", "", self._budget)] if title and not title.isspace() else []
        # A token covers at least one character in ASCII (not beyond: one emoji is up to four byte tokens).
        if text.isascii() and len(text) + len(title) < self._budget and title.isascii():
            path = _heading_of(document, text)
            if len(text) + len(title) + len(path) < self._budget:
                return [self._whole(document, text, path, self._most)]
        return self._cut(document, clean(text))

    def _whole(self, document: Document, text: str, path: str, room: int) -> Chunk:
        return Chunk(document, 0, text, path, head=self._head(document.title, path, room))

    def _head(self, title: str, path: str, room: int) -> str | None:
        """Title and path cut to ``room`` tokens; None where they fit as they are."""
        fits = len(title) + len(path) < room and title.isascii() and path.isascii()
        head = None if fits else fitted(title, path, room, self.tokens)
        return None if head == joined_head(title, path) else head

    def _cut(self, document: Document, text: str) -> list[Chunk]:
        markup = markup_of(document.source)
        starts, paths = heading_paths(_headings(markup, text))
        room = self._budget - self._reserve(document.title, paths)
        if self._size(text) <= room:
            return [self._whole(document, text, path_at(starts, paths, _first_word(text, 0)), self._most)]
        chunks: list[Chunk] = []
        end = 0
        for start, piece in self._pieces(text, markup == "markdown", room):
            # what is repeated from the chunk before may stand under an earlier heading
            new = _first_word(text, max(start, end))
            end = start + len(piece)
            path = path_at(starts, paths, min(new, end - 1))
            head = self._head(document.title, path, self._most)
            chunks.append(Chunk(document, len(chunks), piece, path, start, head))
        return chunks

    def _reserve(self, title: str, paths: list[str]) -> int:
        longest = self._most * MAX_CHARS_PER_TOKEN
        heads = max(self.tokens(joined_head(title, path)[:longest]) for path in {"", *paths})
        return min(heads, self._most)

    def _size(self, text: str) -> int:
        least = len(text) // MAX_CHARS_PER_TOKEN
        # far too long already: the splitter wants to know no more, and counting megabytes again and again is slow
        return least if least > self._budget else max(self.tokens(text), least)

    def _pieces(self, text: str, markdown: bool, room: int) -> Iterator[tuple[int, str]]:
        splitter = self._splitter(markdown, room)
        for start, block in _blocks(text):
            for offset, piece in splitter.chunk_indices(block):
                yield from self._halves(start + offset, piece, room)

    def _halves(self, start: int, piece: str, room: int) -> Iterator[tuple[int, str]]:
        """Cut what the splitter left too long: it does so with some texts that end in blanks."""
        if self._size(piece) <= room or len(piece) < 2:
            yield start, piece
            return
        blank = piece.rfind(" ", 1, len(piece) // 2 + 1)
        middle = blank if blank > 0 else len(piece) // 2
        for offset, half in ((0, piece[:middle]), (middle, piece[middle:])):
            if not half.isspace():
                lead = len(half) - len(half.lstrip())
                yield from self._halves(start + offset + lead, half.strip(), room)

    def _splitter(self, markdown: bool, room: int) -> Any:
        from semantic_text_splitter import MarkdownSplitter, TextSplitter

        if (markdown, room) not in self._splitters:
            kind = MarkdownSplitter if markdown else TextSplitter
            overlap = min(self.overlap, room // 2)
            self._splitters[markdown, room] = kind.from_callback(self._size, room, overlap)
        return self._splitters[markdown, room]


def uncut(document: Document) -> list[Chunk]:
    """The document as one chunk, however long it is; none where text and title are blank."""
    text = "" if document.text.isspace() else clean(document.text)
    return [Chunk(document, 0, text)] if text or document.title.strip() else []


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Cut at empty lines, else line ends, else blanks, into blocks that the splitter's time is linear in."""
    start = 0
    while len(text) - start > BLOCK_CHARS:
        limit = start + BLOCK_CHARS
        ends = (text.rfind(border, start + BLOCK_CHARS // 2, limit) for border in ("\n\n", "\n", " "))
        end = next((place + 1 for place in ends if place >= 0), limit)
        yield start, text[start:end]
        start = end
    yield start, text[start:]


@lru_cache(maxsize=1024)
def _headings(markup: Markup, text: str) -> Iterator[Any]:
    if markup == "markdown":
        return markdown_headings(text)
    return rst_headings(text) if markup == "rst" else iter(())


def _heading_of(document: Document, text: str) -> str:
    markup = markup_of(document.source)
    if markup == "none":
        return ""
    starts, paths = heading_paths(_headings(markup, text))
    return path_at(starts, paths, _first_word(text, 0))


def _first_word(text: str, offset: int) -> int:
    """Offset of the first character that is no blank, from ``offset`` on."""
    while offset < len(text) and text[offset].isspace():
        offset += 1
    return offset


def token_counter(tokenizer: Tokenizer | None) -> Size:
    """Return a function that counts a text's tokens, special ones aside.

    Where the tokenizer cuts at blanks before all else, counts of words are remembered and summed; the splitter asks
    for each stretch of text about 14 times. Otherwise each text is tokenized.
    """
    if tokenizer is None:
        return lambda text: -(-len(text) // CHARS_PER_TOKEN)
    import json

    from tokenizers import Tokenizer as Copy

    spec = tokenizer.to_str()
    own = Copy.from_str(spec)
    own.no_truncation()
    own.no_padding()

    def count(text: str) -> int:
        return len(own.encode(text, add_special_tokens=False).ids)

    borders = word_borders(json.loads(spec).get("pre_tokenizer"))
    if borders == "blanks":
        return _by_words(count)
    return _by_spaced_words(count) if borders == "spaces" else count


def word_borders(pre_tokenizer: dict[str, Any] | None) -> str:
    """How a tokenizer finds words.

    Returns:
        "blanks": at any blank, which is dropped (BERT); "spaces": at blanks, a word keeping the one before it
        (GPT-2, SentencePiece); "": otherwise.
    """
    if pre_tokenizer is None:
        return ""
    kind = pre_tokenizer["type"]
    if kind == "Sequence":
        steps = pre_tokenizer["pretokenizers"]
        return word_borders(steps[0]) if steps else ""
    if kind in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit"):
        return "blanks"
    if (kind == "ByteLevel" and pre_tokenizer.get("use_regex")) or (kind == "Metaspace" and pre_tokenizer.get("split")):
        return "spaces"
    return ""


class _Counts(dict[str, int]):
    """Token counts of words, made when first asked for; long words are counted anew each time."""

    def __init__(self, count: Size) -> None:
        super().__init__()
        self._count = count

    def __missing__(self, word: str) -> int:
        tokens = self._count(word)
        if len(word) <= CACHE_CHARS:
            if len(self) >= CACHE_WORDS:
                self.clear()
            self[word] = tokens
        return tokens


def _by_words(count: Size) -> Size:
    counts = _Counts(count)

    def tokens(text: str) -> int:
        return sum(map(counts.__getitem__, text.split()))

    return tokens


def _by_spaced_words(count: Size) -> Size:
    first, later = _Counts(count), _Counts(lambda word: count(f" {word}"))

    def tokens(text: str) -> int:
        words = text.split(" ")
        return first[words[0]] + sum(map(later.__getitem__, words)) - later[words[0]]

    return tokens
