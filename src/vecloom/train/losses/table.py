"""Every loss that a recipe can name. Importing this costs no torch: a loss is imported when it is made."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from vecloom.errors import UsageError
from vecloom.train.losses import options as opt
from vecloom.train.losses.context import LossContext, LossEntry, LossOptions

_PAIRS = ("pairs", "triplets")


@cache
def table() -> dict[str, LossEntry]:
    """Name to loss."""
    own, stock, around = (_maker(module) for module in ("own", "stock", "wrappers"))
    any_shape = ("sentences", *_PAIRS, "scored", "labels", "labelled-pairs")
    return {
        "mnr": LossEntry(stock("make_mnr"), opt.MnrOptions, _PAIRS, "InfoNCE with in-batch negatives."),
        "cached-mnr": LossEntry(
            stock("make_cached_mnr"),
            opt.MnrOptions,
            _PAIRS,
            "The same with gradient caching: large batches in little memory.",
        ),
        "gist": LossEntry(
            own("make_gist"), opt.GISTOptions, _PAIRS, "In-batch negatives without those a guide takes for positives."
        ),
        "progressive": LossEntry(
            own("make_progressive"),
            opt.ProgressiveOptions,
            _PAIRS,
            "Very large batches; hard cases weigh more with time.",
        ),
        "simcse": LossEntry(
            own("make_simcse"), opt.SimCSEOptions, ("sentences",), "Raw sentences; dropout makes the positive."
        ),
        "esimcse": LossEntry(
            own("make_esimcse"),
            opt.ESimCSEOptions,
            ("sentences",),
            "The same with word repetition and a momentum queue.",
        ),
        "cosent": LossEntry(stock("make_cosent"), opt.RankingOptions, ("scored",), "Ranks pairs by their scores."),
        "angle": LossEntry(
            stock("make_angle"), opt.RankingOptions, ("scored",), "Ranks pairs by angles in complex space."
        ),
        "cosine": LossEntry(stock("make_cosine"), opt.CosineOptions, ("scored",), "The cosine is to be the score."),
        "contrastive": LossEntry(
            stock("make_contrastive"), opt.ContrastiveOptions, ("scored",), "Pairs that match (1) or do not (0)."
        ),
        "triplet": LossEntry(stock("make_triplet"), opt.TripletOptions, ("triplets",), "One negative, at a margin."),
        "batch-hard": LossEntry(
            stock("make_batch_hard"),
            opt.BatchHardOptions,
            ("labels",),
            "Texts with classes; the hardest of each batch.",
        ),
        "softmax-nli": LossEntry(
            stock("make_softmax"),
            opt.SoftmaxOptions,
            ("labelled-pairs",),
            "A classifier over pairs, as in Sentence-BERT.",
        ),
        "dse": LossEntry(
            own("make_dse"),
            opt.DistillOptions,
            ("scored", "labelled-pairs", "pairs"),
            "A head over two vectors learns what a cross-encoder says of a pair.",
        ),
        "matryoshka": LossEntry(
            around("make_matryoshka"), opt.MatryoshkaOptions, any_shape, "A base loss at several widths."
        ),
        "matryoshka-2d": LossEntry(
            around("make_matryoshka_2d"),
            opt.Matryoshka2dOptions,
            any_shape,
            "A base loss at several widths and depths.",
        ),
    }


def entry(name: str) -> LossEntry:
    """The loss of this name.

    Raises:
        UsageError: there is none; the sentence offers the close names.
    """
    known = table()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
        meant = f"Did you mean {' or '.join(close)}? " if close else ""
        raise UsageError(f"There is no loss {name!r}.", f"{meant}Known: {', '.join(known)}.")
    return known[name]


def make_loss(
    model: Any, name: str, options: LossOptions | Mapping[str, Any] | None = None, context: LossContext | None = None
) -> Any:
    """Build a loss by name.

    Args:
        model: a ``SentenceTransformer``.
        name: a key of ``LOSSES``.
        options: an instance of its options, or a mapping of them; defaults where None.
        context: the run around it.

    Returns:
        a ``torch.nn.Module`` for ``SentenceTransformerTrainer(loss=...)``; give its ``callbacks``, where it has them, to the
        trainer too.

    Raises:
        UsageError: no such loss or option, or the options do not go with the model.
    """
    found = entry(name)
    settings = options if isinstance(options, LossOptions) else _parsed(found, name, options or {})
    return found.make(model, settings, context or LossContext())


def base_options(base: Mapping[str, Any]) -> tuple[str, LossOptions]:
    """Name and options of the loss inside a wrapper, from ``{"name": ..., option: value}``.

    Raises:
        UsageError: no such loss or option, or it is itself a wrapper.
    """
    settings = dict(base)
    name = str(settings.pop("name", "mnr"))
    found = entry(name)
    if issubclass(found.options, opt.WrapperOptions):
        raise UsageError(f"{name} cannot be the base of another wrapper.", "Use matryoshka-2d for widths and depths.")
    return name, _parsed(found, name, settings)


def base_shapes(name: str, options: LossOptions) -> tuple[str, ...]:
    """The data that a loss takes, with these options: a wrapper takes what its base takes."""
    if isinstance(options, opt.WrapperOptions):
        return base_shapes(*base_options(options.base))
    if isinstance(options, opt.MnrOptions) and not options.in_batch:
        return ("triplets",)
    return entry(name).shapes


def _parsed(found: LossEntry, name: str, options: Mapping[str, Any]) -> LossOptions:
    try:
        return found.options(**options)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "options"
        known = ", ".join(found.options.model_fields)
        raise UsageError(f"{place} of the loss {name}: {first['msg']}.", f"Its options: {known or 'none'}.") from error


def _maker(module: str) -> Callable[[str], Callable[[Any, Any, LossContext], Any]]:
    """Functions of a module that is imported when one of them is called."""

    def named(function: str) -> Callable[[Any, Any, LossContext], Any]:
        def make(model: Any, options: Any, context: LossContext) -> Any:
            return getattr(importlib.import_module(f"vecloom.train.losses.{module}"), function)(model, options, context)

        return make

    return named
