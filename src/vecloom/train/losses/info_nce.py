"""InfoNCE over a matrix of cosines, with whatever is left out of it, weighed in it or added to it.

Source: van den Oord, Li, Vinyals 2018 (arXiv:1807.03748); with a queue of further negatives, He et al. 2020 (MoCo,
arXiv:1911.05722). For anchor i, positive column t, temperature tau, dropped set D, weights v and queue Q:

    L_i = -log [ exp(s_it / tau) / ( exp(s_it / tau) + sum_{j != t, j not in D} v_ij exp(s_ij / tau)
                                     + sum_{q in Q} exp(s_iq / tau) ) ]

All losses of this package that contrast are this function over different scores.
"""

from __future__ import annotations

import torch
from torch import Tensor


def unit(vectors: Tensor) -> Tensor:
    """(n, d) vectors at length 1, in float32 at least: at temperature 0.01 the rounding of bfloat16 is a whole logit."""
    with torch.autocast(vectors.device.type, enabled=False):
        return torch.nn.functional.normalize(_wide(vectors), dim=-1)


def products(left: Tensor, right: Tensor) -> Tensor:
    """(n, m) inner products of (n, d) and (m, d), in float32 at least, whatever autocast says."""
    with torch.autocast(left.device.type, enabled=False):
        return _wide(left) @ _wide(right).T


def info_nce(
    scores: Tensor,
    targets: Tensor,
    *,
    temperature: float,
    drop: Tensor | None = None,
    log_weights: Tensor | None = None,
    queue: Tensor | None = None,
) -> Tensor:
    """Each anchor's loss.

    Args:
        scores: (n, m) cosines of anchors and candidates.
        targets: (n,) the column of each anchor's positive.
        temperature: what cosines are divided by.
        drop: (n, m), True where a candidate is no negative; a positive stays in whatever it says.
        log_weights: (n, m) logarithms of the weights of negatives; the positive's is taken as 0.
        queue: (n, k) cosines with further negatives.

    Returns:
        (n,) losses; exactly 0 where no negative is left.
    """
    logits = scores / temperature
    own = targets.unsqueeze(1)
    positive = logits.gather(1, own)
    if log_weights is not None:
        logits = logits + log_weights
    if drop is not None:
        logits = logits.masked_fill(drop, -torch.inf)
    logits = logits.scatter(1, own, positive)
    if queue is not None and queue.shape[1]:
        logits = torch.cat([logits, queue / temperature], dim=1)
    return logits.logsumexp(1) - positive.squeeze(1)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
