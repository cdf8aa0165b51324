"""Edit a tokenizer's vocabulary in the JSON that ``tokenizers`` reads and writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vecloom.errors import ModelError, first_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Rules = dict[str, Any]


def rules_of(tokenizer: Tokenizer) -> Rules:
    """The tokenizer as a new mapping, without padding and truncation, which belong to a call."""
    rules: Rules = json.loads(tokenizer.to_str())
    return {**rules, "padding": None, "truncation": None}


def built(rules: Mapping[str, Any]) -> Tokenizer:
    """A tokenizer out of its rules.

    Raises:
        ModelError: the library does not take them.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(json.dumps(rules, ensure_ascii=False))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"No tokenizer comes of this vocabulary: {first_line(error)}.", "Use another one.") from error


def model_tokens(rules: Rules) -> list[str]:
    """The tokens of the model, without added ones beside it, by their ids."""
    vocabulary = rules["model"]["vocab"]
    if isinstance(vocabulary, list):
        return [row[0] for row in vocabulary]
    return sorted(vocabulary, key=vocabulary.__getitem__)


def added_outside(rules: Rules) -> list[str]:
    """Added tokens that the model does not have itself, by their ids."""
    inside = set(model_tokens(rules))
    rows = sorted(rules.get("added_tokens") or (), key=lambda row: row["id"])
    return [row["content"] for row in rows if row["content"] not in inside]


def with_order(rules: Rules, order: Sequence[str]) -> Rules:
    """The same tokenizer with other ids.

    Args:
        rules: of a tokenizer.
        order: tokens by their new ids: those of the model that stay, and added tokens that are to stand among them.
            Added tokens that are not in it follow behind.

    Returns:
        new rules; merges of tokens that are gone are gone, and so is the post-processor, which knows the old ids:
        ``fitting.fit`` gives a new one.
    """
    numbers = {token: number for number, token in enumerate(order)}
    behind = [token for token in added_outside(rules) if token not in numbers]
    places = numbers | {token: len(order) + number for number, token in enumerate(behind)}
    rows = [
        {**row, "id": places[row["content"]]} for row in rules.get("added_tokens") or () if row["content"] in places
    ]
    model = _with_vocabulary(rules["model"], order, numbers)
    added = sorted(rows, key=lambda row: int(row["id"]))
    return {**rules, "model": model, "added_tokens": added, "post_processor": None}


def with_specials(rules: Rules, tokens: Iterable[str]) -> Rules:
    """The same tokenizer in which these tokens are special ones, found whole wherever they stand."""
    present = {row["content"]: row for row in rules.get("added_tokens") or ()}
    numbers = {token: number for number, token in enumerate(model_tokens(rules))}
    size = len(numbers) + len(added_outside(rules))
    for token in tokens:
        if token in present:
            present[token] = {**present[token], "special": True}
            continue
        plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        known = token in numbers
        present[token] = {"id": numbers[token] if known else size, "content": token, **plain}
        size += not known
    return {**rules, "added_tokens": sorted(present.values(), key=lambda row: int(row["id"]))}


def merge_pairs(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges of a BPE model, which older files write with a space between."""
    found = []
    for pair in model.get("merges") or ():
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        found.append((left, right))
    return found


def _with_vocabulary(model: Mapping[str, Any], order: Sequence[str], numbers: Mapping[str, int]) -> Rules:
    if model["type"] == "Unigram":
        scores = {row[0]: row[1] for row in model["vocab"]}
        unknown = model.get("unk_id")
        place = None if unknown is None else numbers.get(model["vocab"][unknown][0])
        return {**model, "vocab": [[token, scores.get(token, 0.0)] for token in order], "unk_id": place}
    changed = {**model, "vocab": dict(numbers)}
    if model["type"] == "BPE":
        prefix = model.get("continuing_subword_prefix") or ""
        kept = [(a, b) for a, b in merge_pairs(model) if {a, b, merged(a, b, prefix)} <= numbers.keys()]
        changed["merges"] = [list(pair) for pair in kept]
    return changed


def merged(left: str, right: str, prefix: str = "") -> str:
    """What a merge of BPE makes: the right part loses its mark for going on with a word."""
    return left + (right.removeprefix(prefix) if prefix else right)
