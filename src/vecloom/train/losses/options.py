"""Options of every loss, with where each default comes from.

They stand apart from the losses so that a recipe is read and explained without importing torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from vecloom.train.losses.context import LossOptions

Temperature = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class SimCSEOptions(LossOptions):
    """Unsupervised SimCSE."""

    temperature: Temperature = 0.05  # SimCSE, section 3
    head: bool = True  # SimCSE's Linear and tanh above the pooled vector, in training only


class ESimCSEOptions(SimCSEOptions):
    """ESimCSE: SimCSE with word repetition and a momentum queue."""

    repeat_rate: Share = 0.32  # ESimCSE, table of duplication rates (as remembered, not read again)
    queue_size: Annotated[int, Field(ge=0)] = 160  # ESimCSE: 2.5 x a batch of 64
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.995  # ESimCSE, section 3.2


class GISTOptions(LossOptions):
    """GISTEmbed."""

    guide: str | None = None  # our choice: a frozen copy of the model as it is at the start
    temperature: Temperature = 0.01  # GISTEmbed
    margin_strategy: Literal["absolute", "relative"] = "absolute"  # sentence-transformers
    margin: float = 0.0  # GISTEmbed
    contrast_anchors: bool = True  # GISTEmbed
    contrast_positives: bool = True  # GISTEmbed
    cache_rows: Positive = 1_000_000  # our choice: 1.5 GB of guide vectors at 384 dimensions


class ProgressiveOptions(LossOptions):
    """PEG. The weighting's formula is not in the abstract, and the paper's is not known to us: all values are ours."""

    temperature: Temperature = 0.02  # our choice, within the usual 0.01 to 0.02
    gamma_max: Annotated[float, Field(ge=0)] = 2.0  # our choice
    beta_max: Annotated[float, Field(ge=0)] = 2.0  # our choice
    noise_quantile: Annotated[float, Field(ge=0, lt=1)] = 0.05  # our choice
    noise_from: Share = 0.1  # our choice: the share of training after which the noise gate closes


class MnrOptions(LossOptions):
    """InfoNCE with in-batch negatives, or with each row's own only."""

    temperature: Temperature = 0.05  # sentence-transformers: scale 20
    symmetric: bool = False  # sentence-transformers
    in_batch: bool = True  # NV-Embed: false in its second stage

    @model_validator(mode="after")
    def _one_sided(self) -> MnrOptions:
        if self.symmetric and not self.in_batch:
            raise ValueError("symmetric needs the batch's negatives; set in_batch: true")
        return self


class RankingOptions(LossOptions):
    """CoSENT and AnglE."""

    temperature: Temperature = 0.05  # CoSENT and AnglE: scale 20


class CosineOptions(LossOptions):
    """Squared error of the cosine."""


class ContrastiveOptions(LossOptions):
    """Contrastive loss."""

    margin: Annotated[float, Field(gt=0)] = 0.5  # sentence-transformers
    distance: Literal["cosine", "euclidean", "manhattan"] = "cosine"  # sentence-transformers


class TripletOptions(LossOptions):
    """Triplet loss."""

    margin: Annotated[float, Field(gt=0)] = 0.3  # our choice; sentence-transformers has 5 with the Euclidean distance
    distance: Literal["cosine", "euclidean", "manhattan"] = "cosine"  # our choice: the distance used in search


class SoftmaxOptions(LossOptions):
    """A classifier over (u, v, |u - v|)."""

    labels: Annotated[int, Field(ge=2)] = 3  # Sentence-BERT: entailment, neutral, contradiction


class DistillOptions(LossOptions):
    """DSE: the student's form, and how much of the loss is the teacher's."""

    task: Literal["binary", "multiclass", "regression"] = "binary"
    labels: Annotated[int, Field(ge=2)] = 3  # of a multiclass task; entailment, neutral, contradiction
    distillation_weight: Share = 0.5  # DSE's code; the paper's value was not found
    head: Literal["concat", "dot", "cosine"] = "concat"  # DSE's code
    hidden: tuple[Positive, ...] | None = None  # DSE's code: 512 for concat, no layer for dot
    layers: Positive | None = 4  # DSE's code
    combine: Literal["concat", "mean"] = "concat"  # DSE's code
    reduce: Literal["mean", "sqrt_mean", "max"] = "mean"  # DSE's code
    include_cls: bool = False  # DSE's code
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1  # BERT's, as in DSE's code
    dim: Positive | None = None  # DSE's code: no smaller vector

    @property
    def classes(self) -> int:
        """Numbers that the head gives for a pair."""
        return self.labels if self.task == "multiclass" else 1


class BatchHardOptions(LossOptions):
    """Hardest positive and negative of each batch."""

    distance: Literal["cosine", "euclidean"] = "cosine"  # our choice: the distance used in search


class WrapperOptions(LossOptions):
    """A loss around another one."""

    base: Mapping[str, Any] = Field(default_factory=lambda: {"name": "mnr"})

    @field_validator("base", mode="before")
    @classmethod
    def _named(cls, base: Any) -> Any:
        """A name alone stands for that loss with its defaults."""
        return {"name": base} if isinstance(base, str) else base

    @model_validator(mode="after")
    def _known(self) -> WrapperOptions:
        from vecloom.train.losses.table import base_options

        base_options(self.base)
        return self


class MatryoshkaOptions(WrapperOptions):
    """Matryoshka representation learning."""

    dims: tuple[Positive, ...] | None = None  # the full width and 2DMSE's below it: 512, 256, 128, 64, 32
    weights: tuple[float, ...] | None = None  # MRL: all 1
    dims_per_step: int = -1  # all; MRL

    @model_validator(mode="after")
    def _weights_fit(self) -> MatryoshkaOptions:
        if self.weights is not None and (self.dims is None or len(self.weights) != len(self.dims)):
            raise ValueError("weights needs one number for each of dims")
        return self


class Matryoshka2dOptions(MatryoshkaOptions):
    """2DMSE."""

    layers: Literal["all"] | tuple[Positive, ...] = "all"
    layers_per_step: int = 1  # 2DMSE: one layer drawn in each step
    layer_weighting: Literal["uniform", "log", "linear"] = "uniform"  # 2DMSE: all weights 1
    last_weight: float = 1.0  # 2DMSE
    prior_weight: float = 1.0  # 2DMSE
    kl_weight: float = 1.0  # 2DMSE
    kl_temperature: Annotated[float, Field(ge=0)] = 0.3  # sentence-transformers
    detach_teacher: bool = True  # sentence-transformers 6
