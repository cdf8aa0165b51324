"""SelfExtend for encoders and decoders: true positions near a token, grouped ones far from it, in one softmax.

Source: Jin et al., "LLM Maybe LongLM" (arXiv:2401.01325), in the two-sided form of Zhu et al., EMNLP 2024, arXiv 2404.12096,
section 4.2. With a neighbour window w and a group size g, query i sees key j at

    |i - j| < w    j - i
    j < i          j // g - (i // g + w - w // g)
    j > i          (j // g + w - w // g) - i // g

so that no distance is larger than (n - 1) // g + w - w // g. Rotation is the half-split one: entries k and k + d/2 are a pair.

Our form: the scores are computed by blocks of queries, and each score that no query of the block needs is left out, so memory is
O(n) for a block and the work is that of one score matrix and a band, not of three matrices.

When to use it: rotary models, where it beats stretched positions in the paper. When not: the scores pass through memory,
which fused attention avoids (``benchmarks/extend.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 256  # queries whose scores are in memory at once


def relative_positions(length: int, window: int, group: int) -> Tensor:
    """What each query sees each key at: (length, length) int64, queries down, keys across. For reading and for tests."""
    query, key = torch.arange(length)[:, None], torch.arange(length)[None]
    shift = window - window // group
    below = key // group - (query // group + shift)
    above = key // group + shift - query // group
    far = torch.where(key < query, below, above)
    return torch.where((key - query).abs() < window, key - query, far)


def rotate(states: Tensor, positions: Tensor, frequencies: Tensor) -> Tensor:
    """Turn states by their positions.

    Args:
        states: (B, heads, n, d); entries behind the first ``2 * len(frequencies)`` are left alone.
        positions: (B, n).
        frequencies: (r,) radians a position; r <= d / 2.

    Returns:
        the shape and type of ``states``; angles are computed in float32.
    """
    angles = positions[:, None, :, None].float() * frequencies.float()
    cos, sin = angles.cos(), angles.sin()
    size = len(frequencies)
    first, second, rest = states[..., :size], states[..., size : 2 * size], states[..., 2 * size :]
    turned = [first * cos - second * sin, second * cos + first * sin]
    return torch.cat([part.to(states.dtype) for part in (*turned, rest)], dim=-1)


def self_extend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    positions: Tensor,
    allowed: Tensor,
    frequencies: Tensor,
    window: int,
    group: int,
    scale: float,
) -> Tensor:
    """Attention with neighbours in their places and the others in groups.

    Args:
        query: (B, heads, n, d), not rotated.
        key: the same shape.
        value: (B, heads, n, dv).
        positions: (B, n) int64, rising by one along each text.
        allowed: (B, 1, n, n) bool, which keys a query may see.
        frequencies: (r,) radians a position.
        window: w, 1 or more.
        group: g, 1 or more.
        scale: factor of the scores before the softmax.

    Returns:
        (B, heads, n, dv). A query that may see nothing gets the mean of all values.
    """
    grouped, shift = positions // group, window - window // group
    query = query * scale
    near = rotate(query, positions, frequencies), rotate(key, positions, frequencies)
    below = rotate(query, grouped + shift, frequencies), rotate(key, grouped, frequencies)
    above = rotate(query, grouped, frequencies), rotate(key, grouped + shift, frequencies)
    length, step = query.shape[2], max(1, min(BLOCK, 2 * window))
    mixed = []
    for start in range(0, length, step):
        stop = min(start + step, length)
        scores, may = _block(near, below, above, allowed, window, start, stop), allowed[:, :, start:stop]
        if not bool(may.all()):
            scores = scores.masked_fill_(~may, torch.finfo(scores.dtype).min)
        shares = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
        mixed.append(shares @ value)
    return torch.cat(mixed, dim=2)


def _block(
    near: tuple[Tensor, Tensor],
    below: tuple[Tensor, Tensor],
    above: tuple[Tensor, Tensor],
    allowed: Tensor,
    window: int,
    start: int,
    stop: int,
) -> Tensor:
    """Scores of queries ``start`` to ``stop`` with all keys; anything where no query of the block may look."""
    length = near[0].shape[2]
    scores = near[0].new_empty((*near[0].shape[:2], stop - start, length))
    left, right = max(0, stop - window), min(length, start + window)
    for (query, key), keys in ((below, slice(0, left)), (above, slice(right, length))):
        if keys.stop > keys.start and bool(allowed[:, :, start:stop, keys].any()):
            scores[..., keys] = query[:, :, start:stop] @ key[:, :, keys].transpose(2, 3)
    keys = slice(max(0, start - window + 1), min(length, stop + window - 1))
    close = near[0][:, :, start:stop] @ near[1][:, :, keys].transpose(2, 3)
    place = torch.arange(length, device=scores.device)
    is_near = (place[keys][None] - place[start:stop][:, None]).abs() < window
    scores[..., keys] = torch.where(is_near, close, scores[..., keys])
    return scores
