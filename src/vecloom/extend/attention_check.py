"""Whether a network's own attention is what vecloom computes in its place: tried, not assumed."""

from __future__ import annotations

from pathlib import Path

from vecloom.errors import ModelError
from vecloom.extend.source import Source

TOLERANCE = 1e-3  # of the largest state; float32 leaves about 1e-6, another rotation more than 1e-1


def check_attention(source: Source, made: Path) -> None:
    """Run a short text through an extended network with vecloom's attention and with its own, which has to be the same.

    Args:
        source: the model before.
        made: the finished copy, whose first module is an ``ExtendedTransformer``.

    Raises:
        ModelError: it is not the same, so that this family rotates or scales in another way, or it does not ask for attention by
            transformers' interface.
    """
    import torch

    from vecloom.extend.modules import ExtendedTransformer
    from vecloom.runtime.torch_session import quiet_loading

    below = source.spec.weights_path.relative_to(source.path).as_posix()
    with quiet_loading(), torch.inference_mode():
        module = ExtendedTransformer.load(str(made), subfolder="" if below == "." else below).eval()
        ids = torch.arange(max(3, min(24, source.length)))[None] % int(source.spec.config.get("vocab_size", 3))
        features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        found = module(dict(features))["token_embeddings"].float()
        module.use_stock_attention()
        expected = module(dict(features))["token_embeddings"].float()
    if float((found - expected).abs().max()) > TOLERANCE * float(expected.abs().max()):
        raise ModelError(
            f"{source.name} is a {source.family} model, whose attention vecloom cannot replace.",
            "Use a method that leaves attention alone, as windows does, without attention_scaling.",
        )
