"""The attention of extended networks: queries scaled with the text's length, and SelfExtend; plugged into transformers by name.

Scaling: Su 2021 and Zhu et al., arXiv 2404.12096: queries are multiplied by max(1, ln n / ln L_o), n the tokens of the text
(padding is not counted) and L_o those that the model was made for, so that attention stays as sharp over more keys.

What the attention knows of the texts of a batch it learns from ``Reading``, which the module sets for the time of a forward pass.
For SelfExtend the network is given position 0 for every token, so that its own rotation does nothing and is done here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vecloom.extend.self_extend import rotate, self_extend

NAME = "vecloom_extend"
"""Of the attention among transformers' implementations."""


@dataclass
class Reading:
    """What the attention needs to know of a batch.

    Attributes:
        first: (B,) column of each text's first token.
        count: (B,) tokens of each text.
        source_length: L_o.
        scaled: whether queries grow with the logarithm of the count.
        window: of SelfExtend; 0 where the network places tokens itself.
        group: of SelfExtend.
        frequencies: radians a position by kind of layer ("" where there is one kind).
        layers: how many layers came by.
    """

    first: Tensor
    count: Tensor
    source_length: int
    scaled: bool = False
    window: int = 0
    group: int = 1
    frequencies: Mapping[str, Tensor] | None = None
    layers: int = 0


_READING: ContextVar[Reading | None] = ContextVar("vecloom_reading", default=None)


@contextmanager
def reading(given: Reading) -> Iterator[Reading]:
    """Have the attention read a batch as ``given`` says, within the block."""
    token = _READING.set(given)
    try:
        yield given
    finally:
        _READING.reset(token)


def length_scale(count: Tensor, source_length: int) -> Tensor:
    """``max(1, ln n / ln L_o)`` of each text: (B,) float32."""
    return (count.clamp(min=1).float().log() / math.log(source_length)).clamp(min=1.0)


def install(network: Any) -> None:
    """Have a network of transformers use this attention."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, whole_mask)
    network.set_attn_implementation(NAME)


def whole_mask(*args: Any, **given: Any) -> Any:
    """Transformers' boolean mask, (B, 1, n, n), also where a fused kernel would need none."""
    from transformers.masking_utils import sdpa_mask

    return sdpa_mask(*args, **{**given, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False})


def frequencies_of(network: Any) -> dict[str, Tensor]:
    """Radians a position by kind of layer, as a rotary network of transformers holds them."""
    found = {}
    for name, buffer in network.named_buffers():
        last = name.rsplit(".", 1)[-1]
        if last.endswith("inv_freq") and "original" not in last:
            found[last.removesuffix("inv_freq").rstrip("_")] = buffer
    return found


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **given: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention interface: queries (B, heads, n, d) to (B, n, heads, d)."""
    now = _READING.get()
    if now is None:
        raise RuntimeError("This network runs inside of vecloom's module only.")
    now.layers += 1
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    if now.scaled:
        query = query * length_scale(now.count, now.source_length)[:, None, None, None].to(query.dtype)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    mixed = _placed(module, query, key, value, attention_mask, scale, now) if now.window else None
    if mixed is None:
        mixed = _plain(query, key, value, attention_mask, scale, dropout)
    return mixed.transpose(1, 2).contiguous(), None


def _plain(
    query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, scale: float, dropout: float = 0
) -> Tensor:
    return torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=allowed, dropout_p=dropout, scale=scale
    )


def _placed(
    module: Any, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, scale: float, now: Reading
) -> Tensor:
    """Rotate and attend: as ever in texts that the model was made for and in layers that look near, else SelfExtend."""
    batch, _, length, _ = query.shape
    if allowed is None:
        allowed = torch.ones((batch, 1, length, length), dtype=torch.bool, device=query.device)
    allowed = allowed.expand(batch, 1, length, length)
    places = (torch.arange(length, device=query.device)[None] - now.first[:, None]).clamp(min=0)
    frequencies = _frequencies(module, now)
    long = now.count > now.source_length
    if getattr(module, "sliding_window", None) is not None:
        long = torch.zeros_like(long)
    mixed = torch.empty((*query.shape[:3], value.shape[-1]), dtype=value.dtype, device=value.device)
    for rows in (torch.where(~long)[0], torch.where(long)[0]):
        if not len(rows):
            continue
        q, k, v, where, may = query[rows], key[rows], value[rows], places[rows], allowed[rows]
        if long[rows[0]]:
            mixed[rows] = self_extend(
                q, k, v, positions=where, allowed=may, frequencies=frequencies,
                window=now.window, group=now.group, scale=scale,
            )  # fmt: skip
        else:
            mixed[rows] = _plain(rotate(q, where, frequencies), rotate(k, where, frequencies), v, may, scale)
    return mixed


def _frequencies(module: Any, now: Reading) -> Tensor:
    held = now.frequencies or {}
    if len(held) == 1:
        return next(iter(held.values()))
    return held[module.config.layer_types[module.layer_idx]]
