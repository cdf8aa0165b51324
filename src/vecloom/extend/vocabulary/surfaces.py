"""What a token stands for: one spelling for the tokens of all kinds of tokenizers, and how a tokenizer cuts such a spelling.

Source: ZeTT (Minixhofer et al. 2024, arXiv:2405.07883) compares vocabularies as byte strings. "Ġ" of byte-level BPE, "▁" of
SentencePiece and the absence of "##" in WordPiece all say that a word begins; here that is one space in front. A surface is
a ``bytes``: b" cat" begins a word, b"s" goes on with one. Special tokens have no surface (None).

Traps: WordPiece cuts at punctuation before it looks into its vocabulary, so b"," and b" ," are one token there; an uncased
tokenizer lowers what it gets; a token can be unreachable by a tokenizer's own rules. ``cut`` therefore goes through the
normaliser and, where the model has no mark for words, through the splitter, as a text would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Surface: TypeAlias = bytes
Scheme: TypeAlias = Literal["byte-level", "metaspace", "prefix", "suffix", "words"]

META = "▁"  # U+2581, SentencePiece's mark for a space
_PROBE = "a"  # a letter that no splitter cuts from a word


def byte_letters() -> dict[int, str]:
    """The letter that byte-level BPE writes for each byte: itself where it can be seen, else one from U+0100 on (GPT-2)."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(seen)]
    return {byte: chr(byte) for byte in seen} | {byte: chr(0x100 + place) for place, byte in enumerate(hidden)}


def scheme_of(rules: Mapping[str, Any]) -> Scheme:
    """How a tokenizer marks words: by bytes as letters, by "▁", by a prefix of what continues one, by a suffix, or not at all.

    Args:
        rules: the tokenizer as JSON, as ``tokenizer.to_str()`` gives it.
    """
    kinds = {part.get("type") for name in ("pre_tokenizer", "decoder") for part in _parts(rules.get(name))}
    if "ByteLevel" in kinds:
        return "byte-level"
    replaced = [part for part in _parts(rules.get("normalizer")) if part.get("type") == "Replace"]
    if "Metaspace" in kinds or any(part.get("content") == META for part in replaced):
        return "metaspace"
    if rules["model"].get("continuing_subword_prefix"):
        return "prefix"
    return "suffix" if rules["model"].get("end_of_word_suffix") else "words"


class Surfaces:
    """The surfaces of one tokenizer.

    Attributes:
        tokenizer: as it was given.
        scheme: how it marks words.
        prefix: what stands before a token that goes on with a word, or "".
        ids: token to id, added tokens included.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        rules = json.loads(tokenizer.to_str())
        self.scheme = scheme_of(rules)
        self.prefix = str(rules["model"].get("continuing_subword_prefix") or "")
        self.ids: dict[str, int] = tokenizer.get_vocab()
        self._suffix = str(rules["model"].get("end_of_word_suffix") or "")
        self._greedy = rules["model"]["type"] == "WordPiece"
        self._byte_fallback = bool(rules["model"].get("byte_fallback"))
        self._letters = byte_letters()
        self._bytes = {letter: byte for byte, letter in self._letters.items()}
        self._normalizer = _of_characters(tokenizer, rules)
        self._added = tokenizer.get_added_tokens_decoder()
        self._unknown = unknown_id(tokenizer, rules)

    @property
    def unknown(self) -> int | None:
        """The id that stands for what the vocabulary lacks."""
        return self._unknown

    @cached_property
    def by_id(self) -> dict[int, Surface | None]:
        """The surface of each id; None for special tokens."""
        return {number: self._surface(token, number) for token, number in self.ids.items()}

    def cut(self, surface: Surface) -> tuple[int, ...]:
        """The ids that this tokenizer makes of a surface, the unknown one for a part that it lacks; () where it makes nothing."""
        if self.scheme == "byte-level":
            return tuple(self._model("".join(self._letters[byte] for byte in self._normal_bytes(surface))))
        return tuple(self._cut_text(surface))

    def _cut_text(self, surface: Surface) -> list[int]:
        try:
            text = surface.decode()
        except UnicodeDecodeError:  # part of a character, as byte-level BPE has them
            return self._of_bytes(surface)
        if self.scheme == "metaspace":
            begins = text.startswith(" ")
            normal = self._normalized(text[begins:])
            return self._model((META if begins else "") + normal.replace(" ", META))
        return [number for piece, begins in self._pieces(text) for number in self._of_word(piece, begins)]

    def _pieces(self, text: str) -> Iterator[tuple[str, bool]]:
        """The words in a surface, and whether each begins one: what goes on with a word is split with a letter before it."""
        begins = text.startswith(" ")
        normal = self._normalized(text[1:] if begins else text)
        if not normal.strip():
            return
        if begins:
            yield from ((piece, True) for piece in self._split(normal))
            return
        first, *rest = self._split(_PROBE + normal)
        if first[1:]:
            yield first[1:], False
        yield from ((piece, True) for piece in rest)

    def _of_word(self, piece: str, begins: bool) -> list[int]:
        if self.prefix and (self._greedy or not begins):
            return self._longest(piece, begins)
        return self._model(piece)

    def _longest(self, piece: str, begins: bool) -> list[int]:
        """WordPiece's rule: the longest token that fits, from the left; nothing where a rest has none."""
        found: list[int] = []
        start = 0
        while start < len(piece):
            before = "" if begins and start == 0 else self.prefix
            end = next((end for end in range(len(piece), start, -1) if before + piece[start:end] in self.ids), None)
            if end is None:
                return []
            found.append(self.ids[before + piece[start:end]])
            start = end
        return found

    def _surface(self, token: str, number: int) -> Surface | None:
        added = self._added.get(number)
        if added is not None:
            return None if added.special else b" " + added.content.strip().encode()
        if number == self._unknown:
            return None
        if self.scheme == "byte-level":
            known = all(letter in self._bytes for letter in token)
            return bytes(self._bytes[letter] for letter in token) if known else token.encode()
        if self._byte_fallback and _is_byte(token):
            return bytes([int(token[3:5], 16)])
        if self.scheme == "metaspace":
            return token.replace(META, " ").encode()
        if self.prefix and token.startswith(self.prefix) and token != self.prefix:
            return token.removeprefix(self.prefix).encode()
        return b" " + (token.removesuffix(self._suffix) if self._suffix else token).encode()

    def _model(self, text: str) -> list[int]:
        if not text:
            return []
        try:
            return [int(token.id) for token in self.tokenizer.model.tokenize(text)]
        except Exception:  # the library raises a bare Exception for a word that it has no token for, and no unknown one
            return []

    def _of_bytes(self, surface: Surface) -> list[int]:
        names = [f"<0x{byte:02X}>" for byte in surface]
        known = self._byte_fallback and all(name in self.ids for name in names)
        return [self.ids[name] for name in names] if known else []

    def _normal_bytes(self, surface: Surface) -> bytes:
        if self._normalizer is None:
            return surface
        try:
            text = surface.decode()
        except UnicodeDecodeError:
            return surface
        begins = text.startswith(" ")
        return (" " * begins + self._normalized(text[begins:])).encode()

    def _normalized(self, text: str) -> str:
        return text if self._normalizer is None else str(self._normalizer.normalize_str(text))

    def _split(self, text: str) -> list[str]:
        if self.tokenizer.pre_tokenizer is None:
            return [text]
        return [piece for piece, _ in self.tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def unknown_id(tokenizer: Tokenizer, rules: Mapping[str, Any] | None = None) -> int | None:
    """The id of the token that stands for what the vocabulary lacks, or None."""
    model = (rules or json.loads(tokenizer.to_str()))["model"]
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    token = model.get("unk_token")
    found = None if token is None else tokenizer.token_to_id(token)
    return None if found is None else int(found)


def _of_characters(tokenizer: Tokenizer, rules: Mapping[str, Any]) -> Any:
    """The normaliser without what puts marks for spaces into a text: a surface has its own."""
    from tokenizers import Tokenizer

    kept = [part for part in _parts(rules.get("normalizer")) if not _marks_space(part)]
    if not kept:
        return None
    whole = {**rules, "normalizer": {"type": "Sequence", "normalizers": kept}}
    if len(kept) == len(list(_parts(rules.get("normalizer")))):
        return tokenizer.normalizer
    return Tokenizer.from_str(json.dumps(whole)).normalizer


def _marks_space(part: Mapping[str, Any]) -> bool:
    return part["type"] in {"Prepend", "Strip"} or (part["type"] == "Replace" and part.get("content") == META)


def _parts(rule: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """A rule of a tokenizer, or the rules in its sequence."""
    if not rule:
        return
    inner = next(
        (rule[name] for name in ("normalizers", "pretokenizers", "decoders", "processors") if name in rule), None
    )
    if inner is None:
        yield rule
        return
    for part in inner:
        yield from _parts(part)


def _is_byte(token: str) -> bool:
    return len(token) == 6 and token.startswith("<0x") and token.endswith(">")
