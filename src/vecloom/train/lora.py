"""LoRA: train small matrices beside frozen ones, and leave nothing of them in the model that is written.

Source: Hu et al. 2021 (arXiv:2106.09685): a linear map W (out, in) becomes W + alpha / r * B A, with A (r, in) random,
B (out, r) zero, and W frozen. The layers are peft's. Ours: what is written is a stock directory with the products added to the
weights; while training goes on, weights are put back bit by bit afterwards (peft's own way back subtracts, which rounds);
and a checkpoint holds what is trained and nothing else.

When to use it: for networks whose gradients and optimiser states do not fit (AdamW takes four times the weights); NV-Embed
does it with 7 billion. Pooling weights are trained in full. When not: small models learn more from being trained whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vecloom.errors import MissingExtraError, UsageError, first_line

if TYPE_CHECKING:
    from vecloom.train.recipe_network import LoraChoice

ADAPTER = "trained.safetensors"
"""File of a checkpoint with what is trained."""


def add_lora(model: Any, choice: LoraChoice) -> None:
    """Freeze the network of a ``SentenceTransformer`` and put trainable matrices beside its linear maps.

    Raises:
        MissingExtraError: peft is not installed.
        UsageError: the network has no layers of these names, or the model no network.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError("LoRA needs peft.", "train") from error
    network = getattr(model[0], "auto_model", None)
    if network is None:
        raise UsageError("lora needs a transformer, and this model has none.", "Leave lora out.")
    settings = LoraConfig(
        r=choice.rank,
        lora_alpha=choice.alpha,
        lora_dropout=choice.dropout,
        target_modules=list(choice.targets) if choice.targets else "all-linear",
    )
    if choice.weights == "bf16":
        network.to(torch.bfloat16)
    try:
        inject_adapter_in_model(settings, network)
    except ValueError as error:
        names = sorted({name.rsplit(".", 1)[-1] for name, part in network.named_modules() if _linear(part)})
        raise UsageError(
            f"lora.targets does not fit this network: {first_line(error)}.", f"Its linear maps are {', '.join(names)}."
        ) from error
    for part in network.parameters():
        if part.requires_grad:
            part.data = part.data.float()


def has_lora(model: Any) -> bool:
    """Whether a model has matrices beside its weights."""
    return any(True for _ in _layers(model))


@contextmanager
def merged(model: Any) -> Iterator[None]:
    """Within the block the model is a stock one with the products added; afterwards it is as before, bit by bit."""
    kept = []
    try:
        for parent, name, layer in list(_layers(model)):
            weight = layer.get_base_layer().weight
            kept.append((parent, name, layer, weight, weight.detach().to("cpu", copy=True)))
            _replace(parent, name, layer)
        yield
    finally:
        for parent, name, layer, weight, before in kept:
            weight.data.copy_(before)
            layer.merged_adapters.clear()
            setattr(parent, name, layer)


def merge(model: Any) -> None:
    """Add the products to the weights for good; the model is a stock one, all of it trainable."""
    found = list(_layers(model))
    for parent, name, layer in found:
        _replace(parent, name, layer)
    if found:
        vars(model[0].auto_model).pop("peft_config", None)
        model.requires_grad_(True)


def save_trained(model: Any, folder: Path) -> None:
    """Write what is trained to ``folder``."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    trained = {name: part.detach().contiguous() for name, part in model.named_parameters() if part.requires_grad}
    save_file(trained, folder / ADAPTER)


def load_trained(model: Any, folder: Path) -> None:
    """Read what ``save_trained`` wrote into a model of the same making."""
    from safetensors.torch import load_file

    parts = dict(model.named_parameters())
    for name, value in load_file(folder / ADAPTER).items():
        parts[name].data.copy_(value)


def _layers(model: Any) -> Iterator[tuple[Any, str, Any]]:
    """(parent, name in it, layer) of each map with matrices beside it."""
    network = getattr(model[0], "auto_model", None)
    if network is None or not hasattr(network, "peft_config"):
        return
    from peft.tuners.lora import LoraLayer

    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, LoraLayer):
                yield parent, name, child


def _replace(parent: Any, name: str, layer: Any) -> None:
    layer.merge()
    setattr(parent, name, layer.get_base_layer())


def _linear(part: Any) -> bool:
    return isinstance(part, torch.nn.Linear)
