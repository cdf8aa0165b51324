"""Make a DSE student of an encoder: pooling over its last layers, no scaling to length 1, and a head over pairs of vectors.

Source: Barkan et al., AAAI 2020 (arXiv:1908.05161), see ``vecloom.encoders.top_layers`` and ``vecloom.encoders.pair_head``. The
head is a module of the model, so that checkpoints, the best model so far and the saved directory hold both together.
"""

from __future__ import annotations

from typing import Any

import torch

from vecloom.encoders.pair_head import PairHead
from vecloom.encoders.top_layers import TopLayersPooling
from vecloom.errors import ModelError, UsageError
from vecloom.train.losses.options import DistillOptions

HIDDEN = (512,)  # DSE's code


def make_student(model: Any, options: DistillOptions) -> PairHead:
    """Change a ``SentenceTransformer`` into a student, unless it is one already.

    Args:
        model: the encoder; its modules behind the transformer are replaced (``layers: null`` keeps all but the scaling).
        options: of the loss.

    Returns:
        the head, a module of the model.

    Raises:
        UsageError: the model has fewer layers, or a head of another form.
        ModelError: its first module is no transformer, whose layers could be pooled.
    """
    found = next((module for module in model if isinstance(module, PairHead)), None)
    if found is not None:
        _check_same(found, options)
        return found
    if options.layers is None:
        _keep(model, lambda module: type(module).__name__ != "Normalize")
    else:
        _pool_layers(model, options)
    hidden = options.hidden if options.hidden is not None else HIDDEN if options.head == "concat" else ()
    head = PairHead(model.get_embedding_dimension(), options.classes, options.head, hidden, options.task)
    _append(model, head)
    return head


def _pool_layers(model: Any, options: DistillOptions) -> None:
    if not hasattr(model[0], "auto_model"):
        raise ModelError(
            f"The model begins with {type(model[0]).__name__}, which has no layers to pool.",
            "Set the loss's layers to null.",
        )
    first = model[0]
    pooling = TopLayersPooling(
        first.get_embedding_dimension(),
        options.layers or 0,
        options.combine,
        options.reduce,
        options.include_cls,
        options.dropout,
    )
    pooling.on_model_ready(model)
    _keep(model, lambda module: module is first)
    _append(model, pooling)
    if options.dim is not None:
        from sentence_transformers.sentence_transformer.modules import Dense

        _append(model, Dense(pooling.get_embedding_dimension(), options.dim, activation_function=torch.nn.Identity()))


def _keep(model: Any, wanted: Any) -> None:
    kept = [module for module in model if wanted(module)]
    model._modules.clear()
    for module in kept:
        _append(model, module)


def _append(model: Any, module: torch.nn.Module) -> None:
    model.add_module(str(len(model._modules)), module.to(model.device))


def _check_same(head: PairHead, options: DistillOptions) -> None:
    wanted = {"labels": options.classes, "features": options.head, "task": options.task}
    for name, value in wanted.items():
        if getattr(head, name) != value:
            raise UsageError(
                f"The model has a head with {name} {getattr(head, name)!r}, and the loss asks for {value!r}.",
                "Begin from a model without a head, or set the loss's options to those of the head.",
            )
