"""Every way to make the vectors of a new vocabulary out of those of an old one, in one table.

A method is a pure function

    method(table, alignment, context, **options) -> (V', c) float32

of ``table`` (V, c) float32, the model's rows by source id; ``alignment``, which says what the two vocabularies share; and
``context``, what some methods learn from (texts, word vectors, a donor's rows). The columns of the table are those of the input
embeddings, and behind them those of output embeddings and output bias where the model has its own; all methods here treat
each column alike, so one call serves all. Rows of special tokens and of shared tokens are copied, so that a tokenizer that is
the source's own gives back the table; ``random`` and ``unknown`` copy special tokens alone. Where a new token is composed of
nothing, its row is the unknown token's, or the mean row where there is none.

Adding a method: a function of this form, a line in ``METHODS``.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import UsageError

if TYPE_CHECKING:
    from vecloom.extend.vocabulary.alignment import Alignment, Ids
    from vecloom.extend.vocabulary.auxiliary import WordVectors


@dataclass(frozen=True)
class Context:
    """What a method may learn from.

    Attributes:
        texts: of the language or domain of the target tokenizer.
        words: word vectors, in the space that WECHSEL compares in; learned from ``texts`` where None.
        donor: (V', a) float32: vectors of the target's tokens in another model; learned from ``texts`` where None.
        seed: of what is drawn or approximated at random.
    """

    texts: Sequence[str] = ()
    words: WordVectors | None = None
    donor: Vectors | None = None
    seed: int = 0


class Compose(Protocol):
    """The form of a method."""

    def __call__(self, table: Vectors, alignment: Alignment, context: Context, **options: Any) -> Vectors:
        """New rows out of old ones."""
        ...


@dataclass(frozen=True)
class Method:
    """A line of the table.

    Attributes:
        place: module and function, "module:function"; imported when it is called.
        does: one line.
        source: paper.
        needs: what the context has to hold beside nothing: "" or a sentence's end.
        options: name to default.
        random: whether the outcome depends on the seed.
    """

    place: str
    does: str
    source: str
    needs: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    random: bool = False

    def __call__(self, table: Vectors, alignment: Alignment, context: Context, **options: Any) -> Vectors:
        """Call the function with its defaults and these options: (V', c) float32."""
        module, _, name = self.place.partition(":")
        function: Compose = getattr(importlib.import_module(module), name)
        rows = function(table, alignment, context, **{**self.options, **options})
        return np.ascontiguousarray(rows, dtype=np.float32)


_HERE = "vecloom.extend.vocabulary"
METHODS: dict[str, Method] = {
    "random": Method(
        f"{_HERE}.methods:random", "rows drawn around the old ones' mean; a floor to compare with", "-", random=True
    ),
    "unknown": Method(f"{_HERE}.methods:unknown", "the unknown token's row for all; a floor to compare with", "-"),
    "lexical": Method(
        f"{_HERE}.methods:lexical",
        "copies shared tokens; the others are random, or the unknown token",
        "arXiv:2405.07883",
        options={"others": "random"},
        random=True,
    ),
    "mean": Method(
        f"{_HERE}.methods:mean",
        "copies shared tokens; the others are the mean of the pieces that the old tokenizer cuts them into (FVT)",
        "Gee et al. 2022, arXiv:2402.09977",
    ),
    "wechsel": Method(
        f"{_HERE}.wechsel:wechsel",
        "copies shared tokens; the others mix the tokens that are nearest by word vectors",
        "arXiv:2112.06598",
        needs="texts, or word vectors",
        options={"neighbours": 10, "temperature": 0.1, "copy": True, "others": "pieces", "dimensions": 100},
    ),
    "focus": Method(
        f"{_HERE}.focus:focus",
        "copies shared tokens; the others mix them by sparsemax of similarities learned from texts",
        "arXiv:2305.14481",
        needs="texts, or a donor model",
        options={"others": "pieces", "dimensions": 100},
    ),
    "omp": Method(
        f"{_HERE}.omp:omp",
        "copies shared tokens; the others are rebuilt from a few of them, as in another space (matching pursuit)",
        "arXiv:2506.06607",
        needs="texts, or a donor model",
        options={"atoms": 16, "others": "pieces", "dimensions": 100},
    ),
    "zett": Method(
        "vecloom.extend.zett.apply:zett",
        "a hypernetwork, trained once for the model, predicts the rows of all tokens",
        "arXiv:2405.07883",
        needs="a hypernetwork",
        options={"hypernetwork": "", "copy": False},
    ),
}
_OTHER_NAMES = {"fvt": "mean", "lexical-overlap": "lexical", "overlap": "lexical", "unk": "unknown", "average": "mean"}


def method_named(name: str, known: Mapping[str, Method] = METHODS) -> Method:
    """The method of a name, or of another name for it.

    Raises:
        UsageError: there is none; the sentence offers the close names.
    """
    plain = name.strip().lower().replace("_", "-")
    found = known.get(_OTHER_NAMES.get(plain, plain))
    if found is not None:
        return found
    close = difflib.get_close_matches(plain, [*known, *_OTHER_NAMES], n=2, cutoff=0.5)
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    raise UsageError(f"There is no method {name!r}.", f"{meant}There are {', '.join(known)}.")


def check_options(name: str, given: Mapping[str, Any], known: Mapping[str, Method] = METHODS) -> dict[str, Any]:
    """The options of a method with its defaults.

    Raises:
        UsageError: it has no such option, or a value is of another kind than its default.
    """
    defaults = dict(method_named(name, known).options)
    for option, value in given.items():
        if option not in defaults:
            offered = f"It has {', '.join(defaults)}." if defaults else "It has none."
            raise UsageError(f"The method {name} has no option {option!r}.", offered)
        default = defaults[option]
        numeric = isinstance(default, (int, float)) and not isinstance(default, bool)
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) if numeric else True
        if not fits or (not numeric and default is not None and not isinstance(value, type(default))):
            raise UsageError(f"{option}={value!r} is not possible for {name}.", f"Its default is {default!r}.")
    return defaults | dict(given)


def random(table: Vectors, alignment: Alignment, context: Context) -> Vectors:
    """Rows drawn from N(mean, std) of each column; special tokens are copied."""
    rows = drawn(table, alignment.size, context.seed)
    return _with_copies(rows, table, alignment, alignment.special)


def unknown(table: Vectors, alignment: Alignment, context: Context) -> Vectors:
    """The unknown token's row for every token; special tokens are copied."""
    rows = np.repeat(spare_row(table, alignment)[None], alignment.size, axis=0)
    return _with_copies(rows, table, alignment, alignment.special)


def lexical(table: Vectors, alignment: Alignment, context: Context, *, others: str = "random") -> Vectors:
    """Shared tokens are copied; the others are drawn ("random"), or the unknown token's row ("unknown").

    Raises:
        UsageError: ``others`` is neither.
    """
    if others == "pieces":
        raise UsageError("lexical composes nothing of pieces.", "Use --method mean.")
    return start(table, alignment, context, others)


def mean(table: Vectors, alignment: Alignment, context: Context) -> Vectors:
    """Shared tokens are copied; the others are the mean of their pieces' rows, unknown pieces left out."""
    return start(table, alignment, context, "pieces")


def start(table: Vectors, alignment: Alignment, context: Context, others: str) -> Vectors:
    """Copies of shared tokens, and for the others what ``others`` says: (V', c) float32.

    Args:
        table: (V, c) old rows.
        alignment: of the vocabularies.
        context: its seed is used.
        others: "pieces" (the mean of the pieces, or the unknown token's row), "unknown" or "random".

    Raises:
        UsageError: ``others`` is none of these.
    """
    if others == "pieces":
        rows = mean_rows(table, alignment.pieces, spare_row(table, alignment))
    elif others == "unknown":
        rows = np.repeat(spare_row(table, alignment)[None], alignment.size, axis=0)
    elif others == "random":
        rows = drawn(table, alignment.size, context.seed)
    else:
        raise UsageError(f"others={others!r} is not possible.", "Use pieces, unknown or random.")
    return _with_copies(rows, table, alignment, alignment.copied >= 0)


def mean_rows(table: Vectors, pieces: Sequence[tuple[int, ...]], spare: Vectors) -> Vectors:
    """The mean row of each tuple of ids, ``spare`` (c,) for an empty one: (n, c) float32."""
    rows = np.repeat(spare[None].astype(np.float32), len(pieces), axis=0)
    for place, numbers in enumerate(pieces):
        if numbers:
            rows[place] = table[list(numbers)].mean(axis=0)
    return rows


def drawn(table: Vectors, count: int, seed: int) -> Vectors:
    """Rows from N(mean, std) of each column: (count, c) float32."""
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((count, table.shape[1]), dtype=np.float32)
    return np.asarray(noise * table.std(axis=0) + table.mean(axis=0), np.float32)


def spare_row(table: Vectors, alignment: Alignment) -> Vectors:
    """The unknown token's row, or the mean row where there is no such token: (c,)."""
    return np.asarray(table.mean(axis=0) if alignment.unknown is None else table[alignment.unknown], np.float32)


def combine(rows: Vectors, places: Ids, weights: Vectors, atoms: Vectors) -> Vectors:
    """``rows`` with ``weights @ atoms`` at ``places``, but where a row of weights is all 0: a new (V', c) float32."""
    changed = rows.copy()
    told = np.abs(weights).sum(axis=1) > 0
    changed[places[told]] = weights[told] @ atoms
    return changed


def _with_copies(rows: Vectors, table: Vectors, alignment: Alignment, which: Any) -> Vectors:
    """``rows`` with the old rows of those target ids that ``which`` (V',) marks and that are shared."""
    numbers = np.flatnonzero(which & (alignment.copied >= 0))
    rows[numbers] = table[alignment.copied[numbers]]
    return rows
