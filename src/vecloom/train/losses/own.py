"""From a recipe's options to the losses that are vecloom's own."""

from __future__ import annotations

import copy
from typing import Any

import torch

from vecloom.errors import UsageError
from vecloom.train.losses.context import Guide, LossContext
from vecloom.train.losses.options import (
    DistillOptions,
    ESimCSEOptions,
    GISTOptions,
    ProgressiveOptions,
    SimCSEOptions,
)


def make_simcse(model: Any, options: SimCSEOptions, context: LossContext) -> torch.nn.Module:
    """Dropout as augmentation."""
    from vecloom.train.losses.simcse import SimCSELoss

    return SimCSELoss(model, options.temperature, head=options.head, gather=context.gather)


def make_esimcse(model: Any, options: ESimCSEOptions, context: LossContext) -> torch.nn.Module:
    """Dropout and word repetition, and a queue of negatives."""
    from vecloom.train.losses.simcse import ESimCSELoss

    return ESimCSELoss(
        model,
        options.temperature,
        options.queue_size,
        options.momentum,
        repeat_rate=options.repeat_rate,
        head=options.head,
        gather=context.gather,
    )


def make_gist(model: Any, options: GISTOptions, context: LossContext) -> torch.nn.Module:
    """In-batch negatives that a guide lets through.

    Raises:
        UsageError: there is a guide's name, and the context cannot load one.
    """
    from vecloom.train.losses.gist import GuidedContrastive

    return GuidedContrastive(
        model,
        _guide(model, options, context),
        options.temperature,
        options.margin_strategy,
        options.margin,
        contrast_anchors=options.contrast_anchors,
        contrast_positives=options.contrast_positives,
        cache_rows=options.cache_rows,
        mini_batch_size=context.mini_batch_size,
        gather=context.gather,
    )


def make_progressive(model: Any, options: ProgressiveOptions, context: LossContext) -> torch.nn.Module:
    """Very large batches, hard rows and negatives weighing more with time."""
    from vecloom.train.losses.progressive import ProgressiveContrastive

    return ProgressiveContrastive(
        model,
        options.temperature,
        options.gamma_max,
        options.beta_max,
        options.noise_quantile,
        context.mini_batch_size,
        noise_from=options.noise_from,
        gather=context.gather,
        progress=context.progress,
    )


def make_dse(model: Any, options: DistillOptions, _: LossContext) -> torch.nn.Module:
    """The model becomes a student with a head, unless it is one already.

    Raises:
        UsageError: the options do not go with the model.
        ModelError: it has no layers to pool.
    """
    from vecloom.train.losses.distill import DistilledPairLoss
    from vecloom.train.student import make_student

    return DistilledPairLoss(model, make_student(model, options), options.distillation_weight)


def _guide(model: Any, options: GISTOptions, context: LossContext) -> Guide:
    if options.guide is None:
        start: Guide = copy.deepcopy(model).eval()
        return start
    if context.load_guide is None:
        raise UsageError(f"The guide {options.guide!r} cannot be loaded here.", "Give LossContext a load_guide.")
    return context.load_guide(options.guide)
