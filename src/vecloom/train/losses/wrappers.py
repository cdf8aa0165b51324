"""Matryoshka losses around a base loss that a recipe names.

Source: Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022 (arXiv:2205.13147): the base loss at
several widths, each prefix scaled to length 1. The widths are sentence-transformers' ``MatryoshkaLoss``, which is as
in the paper; the depths are ``layerwise``.
"""

from __future__ import annotations

from typing import Any

import torch

from vecloom.errors import UsageError
from vecloom.train.losses.context import LossContext
from vecloom.train.losses.options import Matryoshka2dOptions, MatryoshkaOptions
from vecloom.train.losses.table import base_options, table

NARROWER = (512, 256, 128, 64, 32)  # 2DMSE, for 768 dimensions


def widths(dim: int) -> list[int]:
    """The full width and 2DMSE's widths below it: for 384 dimensions 384, 256, 128, 64, 32."""
    return [dim, *(width for width in NARROWER if width < dim)]


def make_matryoshka(model: Any, options: MatryoshkaOptions, context: LossContext) -> torch.nn.Module:
    """The base loss at several widths.

    Raises:
        UsageError: a width exceeds the model's, or the base loss has parts of a fixed width.
    """
    base = _base(model, options, context)
    return _at_widths(model, base, options)


def make_matryoshka_2d(model: Any, options: Matryoshka2dOptions, context: LossContext) -> torch.nn.Module:
    """The base loss at several widths and depths.

    Raises:
        UsageError: as ``make_matryoshka``; the base loss caches gradients; the model or the layers do not go with this.
    """
    from vecloom.train.losses.layerwise import LayerwiseLoss

    base = _base(model, options, context)
    loss = LayerwiseLoss(
        model,
        _at_widths(model, base, options),
        options.layers,
        options.layers_per_step,
        layer_weighting=options.layer_weighting,
        last_weight=options.last_weight,
        prior_weight=options.prior_weight,
        kl_weight=options.kl_weight,
        kl_temperature=options.kl_temperature,
        detach_teacher=options.detach_teacher,
    )
    loss.callbacks = list(getattr(base, "callbacks", []))
    return loss


def _base(model: Any, options: MatryoshkaOptions, context: LossContext) -> torch.nn.Module:
    name, settings = base_options(options.base)
    if getattr(settings, "head", False) or getattr(settings, "queue_size", 0):
        raise UsageError(
            f"{name} has parts of one width (its head or its queue), so it cannot be trained at several.",
            "Give the base loss head: false and, for esimcse, queue_size: 0.",
        )
    if name == "softmax-nli":
        raise UsageError("softmax-nli has a classifier of one width, so it cannot be trained at several.", "Use mnr.")
    made: torch.nn.Module = table()[name].make(model, settings, context)
    return made


def _at_widths(model: Any, base: torch.nn.Module, options: MatryoshkaOptions) -> torch.nn.Module:
    from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

    full = model.get_embedding_dimension()
    dims = list(options.dims or widths(full))
    if max(dims) > full:
        raise UsageError(f"dims={dims} holds {max(dims)}, but the model has {full} dimensions.", f"Use 1 to {full}.")
    loss: torch.nn.Module = MatryoshkaLoss(model, base, dims, options.weights, options.dims_per_step)
    loss.callbacks = list(getattr(base, "callbacks", []))
    return loss
