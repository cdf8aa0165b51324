"""A smaller vocabulary: the tokens that a corpus or a script uses, and those without which they would not come about.

Most of a multilingual model's numbers are rows for tokens that one language never meets (Abdaoui, Pradel and Sigel 2020, "Load
what you need", arXiv:2010.05609). Removing them changes no vector of a text whose tokens are all kept, because the tokenizer
cuts it as before:

- WordPiece takes the longest token that fits; what it took is still there, and nothing longer came.
- BPE applies merges in their order. Kept are, with each token, both parts of every merge that makes it, and so on down; so every
  merge that took part in cutting such a text is there, and none is new.
- Unigram takes the likeliest path; it is still there. The score of unknown characters hangs on the lowest score of
  all, so that token is kept.

Kept beside what is seen: special and added tokens, bytes, and single characters of the corpus's scripts and without a script,
so that other words can still be spelled. A text with an unknown token is not covered: WordPiece gives up a word whose longest
beginning leads nowhere, and may not with fewer tokens.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vecloom.errors import UsageError
from vecloom.extend.vocabulary.rules import Rules, built, merge_pairs, merged, model_tokens, rules_of, with_order
from vecloom.extend.vocabulary.surfaces import Surfaces, unknown_id

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SEEN_SCRIPT = 0.01  # share of a corpus's letters below which a script is a quotation
_BATCH = 1000


def token_counts(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each id occurs in texts, special tokens aside."""
    counted: Counter[int] = Counter()
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            _count(tokenizer, batch, counted)
            batch = []
    _count(tokenizer, batch, counted)
    return counted


def script_of(letter: str) -> str:
    """The script of a letter in capitals, as its Unicode name begins ("LATIN", "CYRILLIC", "CJK"); "" where it is no letter."""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0] if letter.isalpha() else ""


def scripts_in(texts: Iterable[str]) -> set[str]:
    """The scripts of at least 1 % of the letters in texts."""
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(text)
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        scripts[script_of(letter)] += count
    scripts.pop("", None)
    total = sum(scripts.values())
    return {script for script, count in scripts.items() if count >= _SEEN_SCRIPT * total}


def tokens_to_keep(
    tokenizer: Tokenizer, texts: Sequence[str], *, least: int = 1, scripts: Collection[str] = ()
) -> set[str]:
    """The tokens that stay.

    Args:
        tokenizer: the model's.
        texts: of the corpus; may be empty where scripts are given.
        least: how often a token has to occur in them.
        scripts: names of scripts, as in "latin"; every token whose letters are all of these stays too.

    Returns:
        tokens, with all that they need.

    Raises:
        UsageError: no text and no script, or a script that no token has.
    """
    if not texts and not scripts:
        raise UsageError("There is neither a corpus nor a script to trim to.", "Name texts, or give --script latin.")
    wanted = {script.upper() for script in scripts}
    surfaces = Surfaces(tokenizer)
    counted = token_counts(tokenizer, texts)
    rules = rules_of(tokenizer)
    kept = {row["content"] for row in rules.get("added_tokens") or ()}
    kept |= {token for token, number in surfaces.ids.items() if counted[number] >= least}
    spelled = wanted | scripts_in(texts)
    met: set[str] = set()
    for token, number in surfaces.ids.items():
        text = _text(surfaces.by_id[number])
        if text is None:  # special, or a byte
            kept.add(token)
            continue
        found = {script_of(letter) for letter in text} - {""}
        met |= found
        if (wanted and found and found <= wanted) or (len(text) <= 1 and found <= spelled):
            kept.add(token)
    unknown = sorted(wanted - met)
    if unknown:
        offered = ", ".join(sorted(script.lower() for script in met)[:12])
        raise UsageError(f"No token is written in the script {unknown[0].lower()!r}.", f"There are {offered}.")
    return with_needed(tokenizer, rules, kept)


def with_needed(tokenizer: Tokenizer, rules: Rules, kept: Collection[str]) -> set[str]:
    """Tokens and those without which they would not come about, or others would be cut otherwise."""
    found = set(kept)
    unknown = unknown_id(tokenizer, rules)
    if unknown is not None:
        found.add(str(tokenizer.id_to_token(unknown)))
    model = rules["model"]
    if model["type"] == "Unigram":
        found.add(min(model["vocab"], key=lambda row: row[1])[0])
    if model["type"] == "BPE":
        found = _with_parts(model, found)
    return found & set(tokenizer.get_vocab())


def trimmed(tokenizer: Tokenizer, kept: Collection[str]) -> Tokenizer:
    """The tokenizer with these tokens alone, in the old order.

    Args:
        tokenizer: the model's.
        kept: as ``tokens_to_keep`` gives them; added tokens stay in any case.

    Raises:
        UsageError: that is all of them.
    """
    rules = rules_of(tokenizer)
    order = [token for token in model_tokens(rules) if token in kept]
    if len(order) == len(model_tokens(rules)):
        raise UsageError(
            "There is nothing to trim: every token is used.", "Give a smaller corpus, or a higher --least."
        )
    return built(with_order(rules, order))


def _with_parts(model: Rules, kept: set[str]) -> set[str]:
    parts: dict[str, list[str]] = {}
    prefix = model.get("continuing_subword_prefix") or ""
    for left, right in merge_pairs(model):
        parts.setdefault(merged(left, right, prefix), []).extend((left, right))
    found: set[str] = set()
    waiting = list(kept)
    while waiting:
        token = waiting.pop()
        if token not in found:
            found.add(token)
            waiting.extend(parts.get(token, ()))
    return found


def _text(surface: bytes | None) -> str | None:
    """A surface as text without its space; None for special tokens and for bytes of no whole character, which always stay."""
    if surface is None:
        return None
    try:
        return surface.decode().removeprefix(" ")
    except UnicodeDecodeError:
        return None if len(surface.removeprefix(b" ")) <= 1 else ""


def _count(tokenizer: Any, batch: list[str], counted: Counter[int]) -> None:
    for encoding in tokenizer.encode_batch(batch, add_special_tokens=False):
        counted.update(encoding.ids)
