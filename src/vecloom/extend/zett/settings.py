"""How a hypernetwork is trained: the paper's figures, and where ours differ."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from vecloom.errors import UsageError

_WARM_SHARE = 20  # the paper: 10,000 of 200,000 steps
_CHOICES = {"start": ("least-squares", "random"), "precision": ("fp32", "bf16")}
_ZERO = {"hidden", "inner", "identity_steps", "warmup_steps", "noise_centre", "noise_spread", "auxiliary_weight",
         "auxiliary_tokens", "weight_decay", "final_rate", "seed"}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Settings of a training; figures are those of ZeTT's configurations but where another reason stands.

    Attributes:
        steps: in both stages together. The paper: 200,000, on accelerators.
        identity_steps: of stage 1; 0: a twentieth of ``steps``, as in the paper; -1: none.
        warmup_steps: of stage 2's learning rate; 0: as many as stage 1 has, as in the paper, one at least.
        batch_size: texts in a step.
        identity_tokens: of the model's own in a step of stage 1.
        identity_rate: learning rate at the end of stage 1.
        learning_rate: highest in stage 2. The paper's 6e-5 is for 200,000 steps; ours for hundreds or thousands.
        final_rate: what is left of it at the end, as a share.
        weight_decay: AdamW's.
        clip: the gradient's length at most.
        auxiliary_weight: of the auxiliary loss.
        auxiliary_tokens: shared tokens of each sampled vocabulary that it is computed on, drawn at random; 0: all.
        vocabulary_size: of sampled tokenizers.
        noise_centre: of the noise's deviation; 0: no noise.
        noise_spread: of its logarithm.
        queue_texts: texts whose substrings a tokenizer comes from.
        longest: bytes of a token at most.
        stride: substrings begin at every so-many-th byte of a word.
        layers: of the hypernetwork.
        length: ids of a surface form at most.
        hidden: its width; 0: the model's, rounded up to a multiple of 64.
        inner: width inside its blocks; 0: twice ``hidden``.
        start: "least-squares" (the last projections begin as the closed solution of stage 1's task) or "random" (the paper's).
        precision: of the frozen model: "fp32" or "bf16" (the paper's).
        max_length: tokens of a training text.
        checkpoint_every: steps between checkpoints.
        seed: of weights, order, tokenizers.
    """

    steps: int = 2_000
    identity_steps: int = 0
    warmup_steps: int = 0
    batch_size: int = 128
    identity_tokens: int = 16_384
    identity_rate: float = 3e-4
    learning_rate: float = 3e-4
    final_rate: float = 0.1
    weight_decay: float = 0.01
    clip: float = 0.1
    auxiliary_weight: float = 0.5
    auxiliary_tokens: int = 2_048
    vocabulary_size: int = 32_768
    noise_centre: float = 1e-5
    noise_spread: float = 4.0
    queue_texts: int = 2_048
    longest: int = 15
    stride: int = 4
    layers: int = 3
    length: int = 7
    hidden: int = 0
    inner: int = 0
    start: str = "least-squares"
    precision: str = "fp32"
    max_length: int = 128
    checkpoint_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 0 if name in _ZERO else 1 if isinstance(value, int) else math.ulp(0.0)
            if name == "identity_steps":
                least = -1
            if isinstance(value, (int, float)) and not least <= value < math.inf:
                raise UsageError(
                    f"{name}={value} is not possible.", f"Use {'0' if name in _ZERO else 'more than 0'} or more."
                )
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name}={getattr(self, name)!r} is not possible.", f"Use {' or '.join(choices)}.")
        if self.first_steps >= self.steps:
            raise UsageError(
                f"All {self.steps} steps are stage 1's ({self.first_steps}).", "Raise steps, or lower identity_steps."
            )
        if self.vocabulary_size < 300:
            raise UsageError(
                f"vocabulary_size={self.vocabulary_size} holds little more than bytes.", "Use 300 or more."
            )

    @property
    def first_steps(self) -> int:
        """Steps of stage 1."""
        return max(self.identity_steps, 0) if self.identity_steps else self.steps // _WARM_SHARE

    @property
    def warm_steps(self) -> int:
        """Steps over which stage 2's learning rate rises."""
        return min(self.warmup_steps or max(self.first_steps, 1), self.steps - self.first_steps)

    def rate(self, step: int) -> float:
        """The learning rate of a step: a rise in each stage, and in stage 2 then half a cosine down to ``final_rate``."""
        if step < self.first_steps:
            return self.identity_rate * (step + 1) / self.first_steps
        done, warm = step - self.first_steps, self.warm_steps
        if done < warm:
            return self.learning_rate * (done + 1) / warm
        share = (done - warm) / max(self.steps - self.first_steps - warm, 1)
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * share)) / 2)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from names and values.

    Raises:
        UsageError: a name or a value is none of a setting's.
    """
    known = {item.name: item.default for item in fields(Settings)}
    for name, value in given.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(known)}."
            raise UsageError(f"There is no setting {name!r}.", hint)
        kinds = (int, float) if isinstance(known[name], float) else type(known[name])
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise UsageError(f"{name}={value!r} is not possible.", f"Its default is {known[name]!r}.")
    return Settings(**dict(given))
