"""Trim a model's vocabulary to a corpus, add the corpus's words, or both: check, compose, write."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.errors import UsageError
from vecloom.extend.vocabulary.add import LEAST, Word, frequent_words, with_words
from vecloom.extend.vocabulary.alignment import align
from vecloom.extend.vocabulary.fitting import Fitted, Target
from vecloom.extend.vocabulary.methods import Context, mean
from vecloom.extend.vocabulary.transfer import Opened, open_model, tokens_per_text, write_vocabulary
from vecloom.extend.vocabulary.trim import tokens_to_keep, trimmed
from vecloom.files import check_output
from vecloom.wording import counted

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class VocabularySummary:
    """What was done.

    Attributes:
        model: as it was given.
        output: the folder.
        tokens_before: size of the old vocabulary.
        tokens_after: size of the new one.
        removed: tokens that are gone.
        added: words that are new, the one that saves most first.
        saved: tokens that these save in the whole corpus, as both tokenizers cut it.
        per_text: tokens of a text of the corpus, before and after; empty without a corpus.
        parameters: numbers in the tables of the new model, less those of the old.
        seconds: it took.
    """

    model: str
    output: str
    tokens_before: int
    tokens_after: int
    removed: int
    added: tuple[str, ...]
    saved: int
    per_text: tuple[float, float] | tuple[()]
    parameters: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Resized:
    """A new vocabulary before it is written.

    Attributes:
        opened: the model.
        tokenizer: the new one.
        removed: tokens that are gone.
        words: that are new.
    """

    opened: Opened
    tokenizer: Tokenizer
    removed: int
    words: tuple[Word, ...]

    @property
    def saved(self) -> int:
        """Tokens that the words save in the corpus."""
        return sum(word.saved for word in self.words)


def plan_resize(
    model: str,
    texts: Sequence[str],
    *,
    trim: bool = False,
    add: int = 0,
    least: int | None = None,
    scripts: Collection[str] = (),
) -> Resized:
    """Find the new vocabulary without writing anything; see ``resize_vocabulary``."""
    if not trim and not add:
        raise UsageError("There is nothing to do.", "Give --trim, --add 1000, or both.")
    opened = open_model(model)
    tokenizer = opened.tokenizer
    words: list[Word] = []
    removed = 0
    if trim:
        tokenizer = trimmed(tokenizer, tokens_to_keep(tokenizer, texts, least=least or 1, scripts=scripts))
        removed = len(opened.tokenizer.get_vocab()) - len(tokenizer.get_vocab())
    if add:
        words = frequent_words(opened.tokenizer, texts, add, least=least or LEAST)
        tokenizer = with_words(tokenizer, [word.text for word in words])
    return Resized(opened, tokenizer, removed, tuple(words))


def resize_vocabulary(
    model: str,
    texts: Sequence[str],
    output: str | PathLike[str],
    *,
    trim: bool = False,
    add: int = 0,
    least: int | None = None,
    scripts: Collection[str] = (),
    overwrite: bool = False,
) -> VocabularySummary:
    """Write a model with fewer tokens, with more, or with others.

    Args:
        model: a name from ``vecloom models``, a directory, or a Hub id.
        texts: of the corpus.
        output: the folder to write.
        trim: remove what the corpus and ``scripts`` do not use. Texts whose tokens all stay keep their vectors exactly.
        add: so many words of the corpus become tokens. Texts without them keep their vectors exactly.
        least: how often a token has to occur to stay (1), or a word to come (5).
        scripts: with ``trim``: scripts whose tokens stay, as in "latin".
        overwrite: replace ``output``.

    Raises:
        UsageError: nothing to do, nothing to trim, an unknown script, or ``output`` exists.
        DataError: no word to add.
        ModelNotFoundError: there is no such model.
        ModelError: its vocabulary cannot be changed.
        OutputError: ``output`` cannot be written.
    """
    began = time.perf_counter()
    target = Path(output)
    check_output(target, overwrite=overwrite)
    plan = plan_resize(model, texts, trim=trim, add=add, least=least, scripts=scripts)
    opened = plan.opened
    if target.exists() and target.resolve() == opened.spec.path.resolve():
        raise UsageError(f"{output} is the model itself.", "Choose another output.")
    fitted = opened.fitted(Target(model, plan.tokenizer, opened.roles))
    tables = opened.tables()
    alignment = align(opened.tokenizer, fitted.tokenizer, fitted.specials)
    rows = mean(tables.rows, alignment, Context())
    write_vocabulary(opened, target, fitted, tables, rows, *_told(plan, least, scripts))
    return VocabularySummary(
        model=model,
        output=str(output),
        tokens_before=len(opened.tokenizer.get_vocab()),
        tokens_after=len(rows),
        removed=plan.removed,
        added=tuple(word.text for word in plan.words),
        saved=plan.saved,
        per_text=_per_text(texts, opened, fitted),
        parameters=(len(rows) - len(tables.rows)) * tables.rows.shape[1],
        seconds=time.perf_counter() - began,
    )


def _per_text(texts: Sequence[str], opened: Opened, fitted: Fitted) -> tuple[float, float] | tuple[()]:
    return tokens_per_text(texts, opened.tokenizer, fitted.tokenizer)


def _told(plan: Resized, least: int | None, scripts: Collection[str]) -> tuple[str, dict[str, Any]]:
    """A sentence and a record for the card."""
    what = [f"{counted(plan.removed, 'token')} fewer"] if plan.removed else []
    what += [f"{counted(len(plan.words), 'word')} more"] if plan.words else []
    record: dict[str, Any] = {
        "source": {"model": plan.opened.name, "fingerprint": plan.opened.spec.fingerprint},
        "removed": plan.removed,
        "added": [word.text for word in plan.words],
        "least": least,
        "scripts": sorted(scripts),
    }
    return f"`{plan.opened.name}` with {' and '.join(what)}.", record
