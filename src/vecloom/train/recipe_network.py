"""Parts of a recipe that say what network is trained, and how much of it."""

from __future__ import annotations

from typing import Literal

from vecloom.train.recipe_section import Section, setting


class DecoderChoice(Section):
    """How a decoder (LLaMA, Mistral, Qwen) becomes an encoder, before the first step."""

    attention: Literal["bidirectional", "causal"] = setting(
        "bidirectional", "whether a token sees those behind it", "NV-Embed, section 3.1"
    )
    pooling: Literal["latent", "mean", "lasttoken", "weightedmean"] = setting(
        "latent", "how states become a vector; latent is trained", "NV-Embed, section 3.2"
    )
    include_prompt: bool = setting(False, "whether a prompt's tokens are pooled; they are always read", "NV-Embed")
    end_token: bool = setting(True, "put the end-of-text token behind each text", "NV-Embed's code")
    padding: Literal["right", "left"] = setting("right", "side of the padding; batches are split on the right only")
    normalize: bool = setting(True, "scale vectors to length 1")
    latents: int = setting(512, "rows of the latent table", "NV-Embed", ge=1)
    heads: int = setting(8, "heads of the latent attention", "NV-Embed", ge=1)
    dim_head: int | None = setting(None, "width of a head; the network's over the heads (NV-Embed: 4096)", ge=1)
    ff_mult: int = setting(4, "width of the block's feed-forward, in the network's", "NV-Embed", ge=1)


class LoraChoice(Section):
    """Train small matrices beside the network's frozen weights; they are added to these in what is written."""

    rank: int = setting(16, "rank of the matrices", "NV-Embed", ge=1)
    alpha: float = setting(32, "their products count alpha / rank", "NV-Embed", gt=0)
    dropout: float = setting(0.1, "dropout before them", "NV-Embed", ge=0, lt=1)
    targets: tuple[str, ...] = setting((), "names of the linear maps, as in q_proj; all of the network")
    weights: Literal["fp32", "bf16"] = setting(
        "fp32", "what the frozen weights are held in; bf16 takes half the memory"
    )
