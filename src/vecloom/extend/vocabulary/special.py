"""Special tokens and what they are for: padding, start, end, mask, unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ROLES = ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")
_LIKE = {"cls_token": "bos_token", "bos_token": "cls_token", "sep_token": "eos_token", "eos_token": "sep_token"}
"""Roles that do for each other: what opens a text, and what closes it."""
_SPELLINGS = {
    "unk_token": ("[UNK]", "<unk>"),
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]", "<cls>", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
    "bos_token": ("<s>", "<bos>", "<|begin_of_text|>", "<|endoftext|>"),
    "eos_token": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"),
}


def read_roles(folder: Path, tokenizer: Tokenizer) -> dict[str, str]:
    """Role to token: as the folder's files say, else by the usual spellings among special tokens.

    Args:
        folder: with ``tokenizer_config.json`` or ``special_tokens_map.json``, or without either.
        tokenizer: roles whose token it lacks are left out.
    """
    told: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        told |= _json(folder / name)
    found = {role: _content(told.get(role)) for role in ROLES}
    known = {role: token for role, token in found.items() if token and tokenizer.token_to_id(token) is not None}
    return known or _by_spelling(tokenizer)


def match(source: Mapping[str, str], target: Mapping[str, str], known: Mapping[str, int]) -> dict[str, str]:
    """For each special token of the source the one that takes its place in the target.

    Args:
        source: role to token.
        target: role to token.
        known: the target's tokens.

    Returns:
        source token to target token: the same one where the target has it, else the one with the role or a like role, else
        the source's own, which then has to be added. No target token stands for two.
    """
    found: dict[str, str] = {}
    for role, token in source.items():
        if token in found:
            continue
        offers = [token if token in known else "", target.get(role, ""), target.get(_LIKE.get(role, ""), "")]
        found[token] = next((offer for offer in offers if offer and offer not in found.values()), token)
    return found


def frame(tokenizer: Tokenizer) -> tuple[list[str], list[str]]:
    """What a tokenizer puts around one text and around two, as templates: ``["[CLS]:0", "$A:0", "[SEP]:0"]``."""
    return _template(tokenizer.encode("a")), _template(tokenizer.encode("a", "a"))


def specials_in(template: Sequence[str]) -> list[str]:
    """The special tokens of a template."""
    return [piece.rpartition(":")[0] for piece in template if not piece.startswith(("$A:", "$B:"))]


def _template(encoding: Any) -> list[str]:
    found: list[str] = []
    for token, kind, special, owner in zip(
        encoding.tokens, encoding.type_ids, encoding.special_tokens_mask, encoding.sequence_ids, strict=True
    ):
        piece = f"{token}:{kind}" if special else f"${'AB'[owner or 0]}:{kind}"
        if special or piece not in found[-1:]:
            found.append(piece)
    return found


def _by_spelling(tokenizer: Tokenizer) -> dict[str, str]:
    special = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    found = {role: next((name for name in names if name in special), "") for role, names in _SPELLINGS.items()}
    return {role: token for role, token in found.items() if token}


def _content(told: Any) -> str:
    return str(told.get("content", "")) if isinstance(told, Mapping) else str(told or "")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
