"""Latent-attention pooling: each token looks up a learned table of latents before the mean is taken (NV-Embed).

Source: Lee et al., "NV-Embed: Improved Techniques for Training LLMs as Generalist Embedding Models", ICLR 2025
(arXiv:2405.17428); where the paper's figure and the authors' published model code differ, the code is followed. For the
states H (t, d) of a text's t tokens, r latents Z (r, d), h heads of width d_h and LayerNorms n_q, n_c, n_f:

    Q = W_q n_q(H);  [K; V] = W_kv n_c(Z)
    A = softmax over the latents of Q K^T / sqrt(d_h), for each head
    X = W_o concat(A V) + H
    [a; g] = W_1 n_f(X) + b_1;  Y = W_2 (a * GELU(g)) + b_2 + X
    e = mean of Y over the tokens that are pooled; e / |e| where ``normalize``

All latents are visible to each token; padding, and the prompt's tokens unless ``include_prompt``, are left out of the mean only.

When to use it: on a decoder that is trained for embedding, in place of the mean or the last token. It has weights of its own (25
million for d = 1024, 740 million at the paper's size), which mean nothing before training. Needs torch.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from sentence_transformers.base.modules import Module
from torch import Tensor, nn

from vecloom.encoders.prompted import LENGTHS, pool_mask
from vecloom.errors import ModelError

LATENTS = 512  # NV-Embed
HEADS = 8  # NV-Embed
FF_MULT = 4  # NV-Embed


class LatentAttentionPooling(Module):  # type: ignore[misc]
    """A sentence-transformers module from ``token_embeddings`` to ``sentence_embedding``.

    Args:
        dim: d, the width of the states.
        num_latents: r, rows of the learned table.
        num_heads: h.
        dim_head: d_h; d / h by default. The released NV-Embed has d_h = d = 4096, hence its 740 million weights.
        ff_mult: inner width of the feed-forward, in d.
        normalize: scale vectors to length 1: the block ends in a residual, so lengths vary widely between texts.
        include_prompt: whether a prompt's tokens are pooled.
        compat: "nv-embed" leaves out one token less: the released code counts an instruction's tokens without the one at
            the start of the text, so that the instruction's last token is pooled. For weights trained so.

    Raises:
        ModelError: ``num_heads`` does not divide ``dim`` and there is no ``dim_head``, or ``compat`` is unknown.
    """

    config_keys = ["dim", "num_latents", "num_heads", "dim_head", "ff_mult", "normalize", "include_prompt", "compat"]  # noqa: RUF012 - as its base has it

    def __init__(
        self,
        dim: int,
        num_latents: int = LATENTS,
        num_heads: int = HEADS,
        dim_head: int | None = None,
        ff_mult: int = FF_MULT,
        normalize: bool = True,
        include_prompt: bool = False,
        compat: str | None = None,
    ) -> None:
        super().__init__()
        if dim_head is None and dim % num_heads:
            raise ModelError(f"{num_heads} heads do not divide a width of {dim}.", "Give dim_head, or other heads.")
        if compat not in (None, "nv-embed"):
            raise ModelError(f"compat is {compat!r}.", "Use nv-embed, or leave it out.")
        self.dim, self.num_latents, self.num_heads = dim, num_latents, num_heads
        self.dim_head = dim_head or dim // num_heads
        self.ff_mult, self.normalize = ff_mult, normalize
        self.include_prompt, self.compat = include_prompt, compat
        inner = self.num_heads * self.dim_head
        self.latents = nn.Parameter(torch.randn(num_latents, dim))  # N(0, 1), as published
        self.norm_query, self.norm_context, self.norm_feed = (nn.LayerNorm(dim) for _ in range(3))
        self.to_query = nn.Linear(dim, inner, bias=False)
        self.to_key_value = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)
        self.feed_in = nn.Linear(dim, 2 * ff_mult * dim)
        self.feed_out = nn.Linear(ff_mult * dim, dim)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Pool ``token_embeddings`` (n, t, d) by ``attention_mask`` (n, t), or by ``pool_mask`` (n, t) where there is one.

        Raises:
            ModelError: a text has no token to pool.
        """
        tokens = features["token_embeddings"]
        pooled = pooled_mean(self.block(tokens.to(self.latents.dtype)), self.mask(features))
        features["sentence_embedding"] = nn.functional.normalize(pooled, dim=-1) if self.normalize else pooled
        return features

    def block(self, tokens: Tensor) -> Tensor:
        """Y (n, t, d) of H (n, t, d)."""
        attended = self.to_out(self.attend(tokens)) + tokens
        value, gate = self.feed_in(self.norm_feed(attended)).chunk(2, dim=-1)
        made: Tensor = self.feed_out(value * nn.functional.gelu(gate)) + attended
        return made

    def attend(self, tokens: Tensor) -> Tensor:
        """What each token of H (n, t, d) reads from the latents: (n, t, h * d_h)."""
        query = self.to_query(self.norm_query(tokens))
        key, value = self.to_key_value(self.norm_context(self.latents)).chunk(2, dim=-1)
        n, t, _ = query.shape
        heads = [part.unflatten(-1, (self.num_heads, self.dim_head)).transpose(-3, -2) for part in (query, key, value)]
        key, value = (part.expand(n, -1, -1, -1) for part in heads[1:])
        read = nn.functional.scaled_dot_product_attention(heads[0], key, value)
        return read.transpose(1, 2).reshape(n, t, -1)

    def weights(self, tokens: Tensor) -> Tensor:
        """A: (n, h, t, r), how much each token of H (n, t, d) reads of each latent; rows sum to 1."""
        query = self.to_query(self.norm_query(tokens)).unflatten(-1, (self.num_heads, self.dim_head)).transpose(1, 2)
        key = self.to_key_value(self.norm_context(self.latents)).chunk(2, dim=-1)[0]
        key = key.unflatten(-1, (self.num_heads, self.dim_head)).transpose(0, 1)
        return (query @ key.transpose(-1, -2) / math.sqrt(self.dim_head)).softmax(-1)

    def mask(self, features: dict[str, Any]) -> Tensor:
        """(n, t) bool: which tokens the mean is over."""
        if "pool_mask" in features:
            given: Tensor = features["pool_mask"].bool()
            return given
        tokens = features["token_embeddings"]
        mask = features.get("attention_mask")
        if mask is None:
            mask = torch.ones(tokens.shape[:2], dtype=torch.int64, device=tokens.device)
        lengths = features.get(LENGTHS, features.get("prompt_length"))
        if self.include_prompt or lengths is None:
            return pool_mask(mask, 0)
        left_out = torch.as_tensor(lengths)
        return pool_mask(mask, left_out - 1 if self.compat == "nv-embed" else left_out)

    def get_embedding_dimension(self) -> int:
        """The width of the states."""
        return self.dim

    def save(self, output_path: str, *_: Any, safe_serialization: bool = True, **__: Any) -> None:
        """Write settings and weights."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **hub: Any) -> LatentAttentionPooling:
        """Read a local directory or a Hub repository."""
        known = ("token", "cache_folder", "revision", "local_files_only")
        place = {"subfolder": subfolder, **{key: hub[key] for key in known if key in hub}}
        made = cls(**cls.load_config(model_name_or_path, **place))
        loaded: LatentAttentionPooling = cls.load_torch_weights(model_name_or_path, model=made, **place)
        return loaded


def pooled_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Means of (n, t, d) over the tokens of ``mask`` (n, t): (n, d), summed in float32 at least.

    Raises:
        ModelError: a text has no token to pool.
    """
    counts = mask.sum(1)
    if not bool((counts > 0).all()):
        raise ModelError("A text has no token to pool.", "Let the tokenizer add a token at the end (eos: true).")
    wide = torch.promote_types(tokens.dtype, torch.float32)
    with torch.autocast(tokens.device.type, enabled=False):
        total = tokens.to(wide).masked_fill(~mask.unsqueeze(-1), 0).sum(1)
        return total / counts.unsqueeze(1)
