"""Fit a tokenizer to a model: its special tokens, and its frame around each text.

A network was trained with "[CLS]" before and "[SEP]" behind. So whatever the new tokenizer does itself, here it puts around a
text what the old one put there, each with its own token for the role. A role that it has no token for gets the old token, with
the old id where the vocabulary is large enough (what stood there goes to the end). All else keeps its id, so that two models
with one tokenizer have one vocabulary. One exception: RoBERTa counts positions from its padding token's *id*, so there that
token gets the old id, and changes places with what stood there.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vecloom.encoders.resolve import looks_like_hub_id, resolve
from vecloom.errors import ModelError, ModelNotFoundError, UsageError, first_line
from vecloom.extend.vocabulary.alignment import Ids
from vecloom.extend.vocabulary.rules import added_outside, built, model_tokens, rules_of, with_order, with_specials
from vecloom.extend.vocabulary.special import frame, match, read_roles, specials_in
from vecloom.extend.vocabulary.surfaces import unknown_id

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Target:
    """A tokenizer as it was given.

    Attributes:
        name: what the user called it.
        tokenizer: without padding and truncation.
        roles: role of special tokens to token.
    """

    name: str
    tokenizer: Tokenizer
    roles: dict[str, str]


@dataclass(frozen=True)
class Fitted:
    """A tokenizer that fits a model.

    Attributes:
        tokenizer: the new one.
        specials: its ids of special tokens to the source's ids.
        origin: (V',) int64: the id that each token had in the tokenizer as it was given, -1 for one that was added.
        roles: role to token.
    """

    tokenizer: Tokenizer
    specials: dict[int, int]
    origin: Ids
    roles: dict[str, str]


def read_target(name: str) -> Target:
    """Read a tokenizer: a ``tokenizer.json``, a folder with one, or the name of a model.

    Raises:
        UsageError: there is no such file or folder; close names are offered.
        ModelError: it is none that can be read.
    """
    path = Path(name).expanduser()
    if path.is_dir() or not path.exists():
        path = _in_folder(path if path.is_dir() else _resolved(name)) / "tokenizer.json"
    if path.suffix == ".model":
        raise ModelError(
            f"{path} is a SentencePiece model, which vecloom does not read.",
            "Load it with transformers' AutoTokenizer and save_pretrained it, which writes tokenizer.json.",
        )
    tokenizer = _read(path)
    roles = read_roles(path.parent, tokenizer)
    roles.pop("unk_token", None)  # GPT-2's files name one that its model never gives
    unknown = unknown_id(tokenizer)
    return Target(
        name, tokenizer, roles if unknown is None else {"unk_token": str(tokenizer.id_to_token(unknown)), **roles}
    )


def fit(source: Tokenizer, roles: dict[str, str], target: Target, *, padding_counts: bool = False) -> Fitted:
    """Give a tokenizer the special tokens and the frame of another.

    Args:
        source: the model's tokenizer.
        roles: of its special tokens.
        target: the tokenizer that is to take its place.
        padding_counts: whether positions are counted from the id of the padding token.

    Returns:
        the new tokenizer; ``target`` is not changed.

    Raises:
        ModelError: no tokenizer comes of it.
    """
    single, pair = frame(source)
    known = target.tokenizer.get_vocab()
    wanted = {**roles, **{f"frame {token}": token for token in specials_in(single) + specials_in(pair)}}
    if "unk_token" not in target.roles:  # a byte-level tokenizer knows everything
        wanted.pop("unk_token", None)
    replaced = match(wanted, target.roles, known)
    rules = with_specials(rules_of(target.tokenizer), replaced.values())
    ids_before = source.get_vocab()
    moved = {token for token in replaced.values() if token not in known}
    if padding_counts and "pad_token" in roles:
        moved.add(replaced[roles["pad_token"]])
    places = {there: ids_before[here] for here, there in replaced.items() if there in moved}
    order = _in_places(_ordered(rules, set(replaced.values())), places)
    rules = with_order(rules, order)
    rules["post_processor"] = _framed(single, pair, replaced, {token: number for number, token in enumerate(order)})
    made = built(rules)
    ids = made.get_vocab()
    origin = np.full(len(ids), -1, np.int64)
    for token, number in ids.items():
        origin[number] = known.get(token, -1)
    return Fitted(
        tokenizer=made,
        specials={ids[there]: ids_before[here] for here, there in replaced.items()},
        origin=origin,
        roles={role: replaced[token] for role, token in roles.items() if token in replaced},
    )


def _ordered(rules: dict[str, object], specials: set[str]) -> list[str]:
    """Tokens that get an id in the model: its own, and behind them special ones that are new."""
    return [*model_tokens(rules), *(token for token in added_outside(rules) if token in specials)]


def _in_places(order: list[str], places: dict[str, int]) -> list[str]:
    """``order`` with tokens at given places, by exchange with what is there; a place behind the end is left."""
    found = list(order)
    where = {token: number for number, token in enumerate(found)}
    for token, place in places.items():
        if place < len(found):
            here, other = where[token], found[place]
            found[place], found[here] = token, other
            where[token], where[other] = place, here
    return found


def _framed(
    single: Sequence[str], pair: Sequence[str], replaced: dict[str, str], numbers: dict[str, int]
) -> dict[str, object] | None:
    """The post-processor of a template, as JSON; None where nothing is put around a text."""
    if not specials_in(single) and not specials_in(pair):
        return None
    names = {replaced[token] for token in specials_in(single) + specials_in(pair)}

    def parts(template: Sequence[str]) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for piece in template:
            token, _, kind = piece.rpartition(":")
            if token in ("$A", "$B"):
                found.append({"Sequence": {"id": token[1], "type_id": int(kind)}})
            else:
                found.append({"SpecialToken": {"id": replaced[token], "type_id": int(kind)}})
        return found

    tokens = {name: {"id": name, "ids": [numbers[name]], "tokens": [name]} for name in sorted(names)}
    return {"type": "TemplateProcessing", "single": parts(single), "pair": parts(pair), "special_tokens": tokens}


def _resolved(name: str) -> Path:
    try:
        return resolve(name)
    except ModelNotFoundError as error:
        if looks_like_hub_id(name) and not Path(name).parent.is_dir():
            raise
        raise UsageError(f"There is no tokenizer {name!r}.", _near(name) or error.todo) from None


def _near(name: str) -> str:
    path = Path(name)
    here = [str(path.parent / other.name) for other in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(str(path), here, n=2, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def _in_folder(folder: Path) -> Path:
    """The folder of the tokenizer in a model's directory.

    Raises:
        ModelError: there is none.
    """
    for place in (folder, folder / "0_Transformer"):
        if (place / "tokenizer.json").is_file():
            return place
    raise ModelError(
        f"{folder} has no tokenizer.json.",
        "Load it once with transformers' AutoTokenizer and save_pretrained it there, which writes that file.",
    )


def _read(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(
            f"{path} cannot be read as a tokenizer: {first_line(error)}.", "Give a tokenizer.json, or its folder."
        ) from error
    found.no_padding()
    found.no_truncation()
    return found
