"""Another vocabulary for a tokenizer: tokens out, words in. Works on the JSON that ``tokenizers`` reads and writes.

Ids are numbered anew without gaps, in the old order, so that a table of vectors has exactly one row for each token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vecloom.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Rules = dict[str, Any]


def tokens_by_id(tokenizer: Tokenizer) -> list[str]:
    """All tokens, added ones included, in the order of their ids."""
    return sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)


def unknown_token(rules: Rules) -> str | None:
    """The token that stands for what the vocabulary lacks."""
    model = rules["model"]
    if model.get("unk_id") is not None:
        return str(model["vocab"][model["unk_id"]][0])
    token: str | None = model.get("unk_token")
    return token


def ornaments(rules: Rules) -> set[str]:
    """Added tokens with no meaning in a bag of tokens: all but the unknown one ([CLS], [SEP], [PAD], [MASK], ...)."""
    return {token["content"] for token in rules.get("added_tokens", ())} - {unknown_token(rules)}


def without(tokenizer: Tokenizer, drop: Callable[[str], bool]) -> Tokenizer:
    """A copy without the tokens that ``drop`` names, without special tokens around a text, padding or truncation.

    Raises:
        ModelError: nothing but the unknown token, which always stays, would be left.
    """
    rules: Rules = json.loads(tokenizer.to_str())
    unknown = unknown_token(rules)
    kept = [token for token in tokens_by_id(tokenizer) if token == unknown or not drop(token)]
    if not set(kept) - {unknown}:
        raise ModelError("No token would be left in the vocabulary.", "Remove fewer tokens.")
    numbers = {token: number for number, token in enumerate(kept)}
    rules["added_tokens"] = [token for token in rules["added_tokens"] if token["content"] in numbers]
    rules["model"] = _restricted(rules["model"], numbers)
    rules.update(post_processor=None, padding=None, truncation=None)
    return _built(tokenizer, _dense(rules))


def with_words(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """A copy that knows ``words`` as single tokens.

    A WordPiece or WordLevel vocabulary takes a word that its normaliser and splitter leave whole; every other word,
    and every word of other models, becomes an added token, which is found anywhere in the normalised text.
    Words that are there already, or are nothing after normalising, are left out.
    """
    from tokenizers import AddedToken

    rules: Rules = json.loads(tokenizer.to_str())
    takes_words = rules["model"]["type"] in {"WordPiece", "WordLevel"}
    known = dict(tokenizer.get_vocab())
    added: list[str] = []
    for word in words:
        pieces = split(tokenizer, word)
        whole = takes_words and len(pieces) == 1
        token = pieces[0] if whole else _normalized(tokenizer, word).strip()
        if not pieces or not token or token in known:
            continue
        known[token] = len(known)
        if whole:
            rules["model"]["vocab"][token] = known[token]
        else:
            added.append(token)  # add_tokens will number it, after the vocabulary
    copy = _built(tokenizer, _dense(rules))
    copy.add_tokens([AddedToken(token, normalized=True, single_word=False) for token in added])
    return copy


def split(tokenizer: Tokenizer, text: str) -> list[str]:
    """The pieces that the normaliser and splitter make of a text, before the model cuts them into subwords."""
    normal = _normalized(tokenizer, text)
    if tokenizer.pre_tokenizer is None:
        return [normal] if normal else []
    return [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def _normalized(tokenizer: Tokenizer, text: str) -> str:
    return text if tokenizer.normalizer is None else str(tokenizer.normalizer.normalize_str(text))


def _restricted(model: Rules, numbers: dict[str, int]) -> Rules:
    if model["type"] == "Unigram":
        rows = [row for row in model["vocab"] if row[0] in numbers]
        unknown = model.get("unk_id")
        places = {row[0]: place for place, row in enumerate(rows)}
        return {**model, "vocab": rows, "unk_id": None if unknown is None else places[model["vocab"][unknown][0]]}
    changed = {**model, "vocab": {token: numbers[token] for token in model["vocab"] if token in numbers}}
    if model["type"] == "BPE":
        pairs = [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]
        changed["merges"] = [[a, b] for a, b in pairs if {a, b, a + b} <= numbers.keys()]
    return changed


def _dense(rules: Rules) -> Rules:
    """Number the model's tokens without gaps; added tokens outside the model come after them, as tokenizers wants."""
    vocabulary = rules["model"]["vocab"]
    unigram = isinstance(vocabulary, list)
    order = [row[0] for row in vocabulary] if unigram else sorted(vocabulary, key=vocabulary.__getitem__)
    inside = set(order)
    outside = [token["content"] for token in rules["added_tokens"] if token["content"] not in inside]
    numbers = {token: number for number, token in enumerate([*order, *outside])}
    added = sorted(rules["added_tokens"], key=lambda token: numbers[token["content"]])
    rules["added_tokens"] = [{**token, "id": numbers[token["content"]]} for token in added]
    if not unigram:
        rules["model"]["vocab"] = {token: numbers[token] for token in order}
    return rules


def _built(tokenizer: Tokenizer, rules: Rules) -> Tokenizer:
    try:
        return type(tokenizer).from_str(json.dumps(rules))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(
            f"The tokenizer does not work with this vocabulary: {error}.", "Remove fewer tokens."
        ) from error
