"""Give a model another tokenizer: fit the tokenizer, align the vocabularies, compose the rows, write the directory.

This is the one place where a transfer touches files; the methods are pure functions (``methods``). What changes in the directory
are the tensors with a row for each token, the tokenizer's files, and the sizes and ids in ``config.json``. Layers, pooling,
prompts and the length limit stay.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.encoders.layouts import kind_of
from vecloom.encoders.protocol import Vectors
from vecloom.encoders.resolve import resolve
from vecloom.errors import ModelError, UsageError
from vecloom.extend.card import card_text
from vecloom.extend.output import changed_copy, replace_tensors
from vecloom.extend.source import ABSOLUTE
from vecloom.extend.vocabulary.alignment import Alignment, align
from vecloom.extend.vocabulary.auxiliary import WordVectors
from vecloom.extend.vocabulary.fitting import Fitted, Target, fit, read_target
from vecloom.extend.vocabulary.methods import Context, check_options, method_named
from vecloom.extend.vocabulary.special import read_roles
from vecloom.extend.vocabulary.tables import Tables, read_tables
from vecloom.extend.vocabulary.tokenizer_files import write_tokenizer
from vecloom.files import check_output
from vecloom.runtime.directory import ModelSpec, read_spec, read_tokenizer
from vecloom.wording import counted

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_COUNTED = 2000  # texts whose tokens are counted before and after


@dataclass(frozen=True)
class TransferSummary:
    """What was done.

    Attributes:
        model: as it was given.
        tokenizer: as it was given.
        method: the table's name.
        output: the folder.
        tokens_before: size of the old vocabulary.
        tokens_after: size of the new one.
        shared: tokens of the new one, special ones aside, that the old one has.
        new: tokens that had to be composed.
        per_text: tokens of a text of the corpus, before and after, special ones included; empty without a corpus.
        options: of the method.
        seconds: it took.
    """

    model: str
    tokenizer: str
    method: str
    output: str
    tokens_before: int
    tokens_after: int
    shared: int
    new: int
    per_text: tuple[float, float] | tuple[()]
    options: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Opened:
    """A model whose vocabulary is to change.

    Attributes:
        name: as it was given.
        spec: what its directory says.
        tokenizer: its own.
        roles: of its special tokens.
    """

    name: str
    spec: ModelSpec
    tokenizer: Tokenizer
    roles: dict[str, str]

    def fitted(self, target: Target) -> Fitted:
        """A tokenizer as this model needs it; see ``fitting.fit``."""
        counts = bool(ABSOLUTE.get(str(self.spec.config.get("model_type")), 0))
        return fit(self.tokenizer, self.roles, target, padding_counts=counts)

    def tables(self) -> Tables:
        """Its rows.

        Raises:
            ModelError: there are fewer than tokens, or none.
        """
        found = read_tables(self.spec.weights_path)
        highest = max(self.tokenizer.get_vocab().values())
        if highest >= len(found.rows):
            raise ModelError(
                f"{self.name} has a token {highest} and only {counted(len(found.rows), 'row')} of embeddings.",
                "Copy the model again.",
            )
        return found


@dataclass(frozen=True)
class Plan:
    """A transfer, checked and aligned, before anything is composed.

    Attributes:
        opened: the model.
        target: the tokenizer as it was given.
        fitted: the tokenizer as it will be.
        alignment: of both vocabularies.
        method: the table's name.
        options: of the method, with its defaults.
    """

    opened: Opened
    target: Target
    fitted: Fitted
    alignment: Alignment
    method: str
    options: dict[str, Any]


def open_model(name: str) -> Opened:
    """Find a model whose vocabulary can be changed.

    Raises:
        ModelNotFoundError: there is none of this name.
        ModelError: it is no transformer, or its directory is broken.
    """
    path = resolve(name)
    kind = kind_of(path)
    if kind != "transformer":
        raise ModelError(
            f"{name} is a {kind} model; only a transformer's vocabulary can be changed.", "Distil it anew."
        )
    spec = read_spec(path)
    tokenizer = read_tokenizer(spec)
    return Opened(name, spec, tokenizer, read_roles(spec.weights_path, tokenizer))


def plan_transfer(
    model: str, tokenizer: str, *, method: str = "mean", options: Mapping[str, Any] | None = None
) -> Plan:
    """Check a transfer without composing anything; see ``transfer_tokenizer``."""
    from vecloom.extend.vocabulary.methods import METHODS

    chosen = method_named(method)
    name = next(name for name, entry in METHODS.items() if entry is chosen)
    settings = check_options(name, options or {})
    opened, target = open_model(model), read_target(tokenizer)
    fitted = opened.fitted(target)
    return Plan(opened, target, fitted, align(opened.tokenizer, fitted.tokenizer, fitted.specials), name, settings)


def transfer_tokenizer(
    model: str,
    tokenizer: str,
    output: str | PathLike[str],
    *,
    method: str = "mean",
    texts: Sequence[str] = (),
    words: WordVectors | None = None,
    donor: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> TransferSummary:
    """Write a model like another with a tokenizer of its own choosing.

    Args:
        model: a name from ``vecloom models``, a directory, or a Hub id.
        tokenizer: a ``tokenizer.json``, a folder with one, or the name of a model.
        output: the folder to write.
        method: a name of ``METHODS``.
        texts: of the language or domain, for methods that learn from them, and to count tokens.
        words: word vectors for WECHSEL.
        donor: a model with exactly this tokenizer, whose embeddings FOCUS and OMP compare in.
        options: the method's.
        seed: of what is random.
        overwrite: replace ``output``.

    Raises:
        UsageError: unknown method or option, no such tokenizer, or the method lacks what it learns from.
        ModelNotFoundError: there is no such model.
        ModelError: model or tokenizer cannot be read, or the donor has another vocabulary.
        OutputError: ``output`` cannot be written.
    """
    began = time.perf_counter()
    target = Path(output)
    check_output(target, overwrite=overwrite)
    plan = plan_transfer(model, tokenizer, method=method, options=options)
    if target.exists() and target.resolve() == plan.opened.spec.path.resolve():
        raise UsageError(f"{output} is the model itself.", "Choose another output.")
    context = Context(texts, words, donor_rows(donor, plan.fitted) if donor else None, seed)
    tables = plan.opened.tables()
    rows = method_named(plan.method)(tables.rows, plan.alignment, context, **plan.options)
    write_vocabulary(plan.opened, target, plan.fitted, tables, rows, *_told(plan, seed, donor))
    return TransferSummary(
        model=model,
        tokenizer=tokenizer,
        method=plan.method,
        output=str(output),
        tokens_before=len(plan.opened.tokenizer.get_vocab()),
        tokens_after=plan.alignment.size,
        shared=len(plan.alignment.shared),
        new=len(plan.alignment.missing),
        per_text=tokens_per_text(texts, plan.opened.tokenizer, plan.fitted.tokenizer),
        options=plan.options,
        seconds=time.perf_counter() - began,
    )


def write_vocabulary(
    opened: Opened, target: Path, fitted: Fitted, tables: Tables, rows: Vectors, does: str, record: Mapping[str, Any]
) -> None:
    """Write the model with other rows and another tokenizer, whole or not at all.

    Args:
        opened: the old model.
        target: the folder.
        fitted: the new tokenizer.
        tables: the old rows.
        rows: (V', c) float32, with the columns of ``tables.rows``.
        does: a sentence for the card.
        record: what one needs to make it again.
    """
    spec = opened.spec
    with changed_copy(spec.path, target) as made:
        folder = made / spec.weights_path.relative_to(spec.path)
        replace_tensors(folder, tables.split(rows))
        write_tokenizer(folder, fitted, len(rows), opened.tokenizer)
        card = card_text(target.name, opened.name, spec.path, does, record)
        (made / "README.md").write_text(card, encoding="utf-8")


def donor_rows(name: str, fitted: Fitted) -> Vectors:
    """A donor's input embeddings by the ids of the fitted tokenizer: (V', a) float32, zeros for tokens that were added.

    Raises:
        ModelNotFoundError: there is no such model.
        ModelError: its vocabulary is not the tokenizer's.
    """
    donor = open_model(name)
    theirs, ours = donor.tokenizer.get_vocab(), fitted.tokenizer.get_vocab()
    kept = [token for token, number in ours.items() if fitted.origin[number] >= 0]
    other = next((token for token in kept if theirs.get(token) != fitted.origin[ours[token]]), None)
    if other is not None:
        raise ModelError(f"The donor {name} has another vocabulary: it differs at {other!r}.", "Give its tokenizer.")
    tables = donor.tables()
    embeddings = tables.rows[:, next(iter(tables.columns.values()))]
    rows = np.zeros((len(fitted.origin), embeddings.shape[1]), np.float32)
    known = np.flatnonzero(fitted.origin >= 0)
    rows[known] = embeddings[fitted.origin[known]]
    return rows


def tokens_per_text(texts: Sequence[str], before: Tokenizer, after: Tokenizer) -> tuple[float, float] | tuple[()]:
    """Mean tokens of the first 2,000 texts under both tokenizers, special ones included; () without texts."""
    some = list(texts[:_COUNTED])
    if not some:
        return ()
    counts = [sum(len(encoding.ids) for encoding in side.encode_batch(some)) / len(some) for side in (before, after)]
    return counts[0], counts[1]


def _told(plan: Plan, seed: int, donor: str | None) -> tuple[str, dict[str, Any]]:
    """A sentence and a record for the card."""
    entry = method_named(plan.method)
    does = f"`{plan.opened.name}` with the tokenizer of `{plan.target.name}`: `{plan.method}` ({entry.does}; {entry.source})."
    record: dict[str, Any] = {
        "method": plan.method,
        "options": plan.options,
        "source": {"model": plan.opened.name, "fingerprint": plan.opened.spec.fingerprint},
        "tokenizer": plan.target.name,
        "seed": seed,
        **plan.alignment.as_dict(),
    }
    return does, record | ({"donor": donor} if donor else {})
