"""Losses that are sentence-transformers' own, as recipes name them; the tests hold each to an independent formula.

Sources: multiple negatives ranking, Henderson et al. 2017 (arXiv:1705.00652); CoSENT, Huang et al. 2024 (TASLP);
AnglE, Li and Li 2024 (arXiv:2309.12871); contrastive, Hadsell, Chopra, LeCun 2006; triplet, Hermans, Beyer, Leibe 2017
(arXiv:1703.07737); softmax over (u, v, |u - v|), Reimers and Gurevych 2019 (arXiv:1908.10084).
"""

from __future__ import annotations

from typing import Any

import torch

from vecloom.train.losses.context import LossContext
from vecloom.train.losses.options import (
    BatchHardOptions,
    ContrastiveOptions,
    CosineOptions,
    MnrOptions,
    RankingOptions,
    SoftmaxOptions,
    TripletOptions,
)

MINI_BATCH = 32  # sentence-transformers


def make_mnr(model: Any, options: MnrOptions, context: LossContext) -> torch.nn.Module:
    """In-batch negatives, or a row's own; with gradient caching where the context has a mini-batch size."""
    from sentence_transformers.sentence_transformer import losses

    if not options.in_batch:
        return _own_negatives(model, options, context.mini_batch_size)
    settings = _mnr_settings(options, context)
    if context.mini_batch_size is None:
        plain: torch.nn.Module = losses.MultipleNegativesRankingLoss(model, **settings)
        return plain
    return make_cached_mnr(model, options, context)


def make_cached_mnr(model: Any, options: MnrOptions, context: LossContext) -> torch.nn.Module:
    """In-batch negatives with gradient caching."""
    from sentence_transformers.sentence_transformer import losses

    size = context.mini_batch_size or MINI_BATCH
    if not options.in_batch:
        return _own_negatives(model, options, size)
    cached: torch.nn.Module = losses.CachedMultipleNegativesRankingLoss(
        model, mini_batch_size=size, **_mnr_settings(options, context)
    )
    return cached


def make_cosent(model: Any, options: RankingOptions, _: LossContext) -> torch.nn.Module:
    """Order of cosines as order of scores."""
    from sentence_transformers.sentence_transformer import losses

    loss: torch.nn.Module = losses.CoSENTLoss(model, scale=1 / options.temperature)
    return loss


def make_angle(model: Any, options: RankingOptions, _: LossContext) -> torch.nn.Module:
    """Order of angles in complex space as order of scores."""
    from sentence_transformers.sentence_transformer import losses

    loss: torch.nn.Module = losses.AnglELoss(model, scale=1 / options.temperature)
    return loss


def make_cosine(model: Any, _: CosineOptions, __: LossContext) -> torch.nn.Module:
    """Cosine as score."""
    from sentence_transformers.sentence_transformer import losses

    loss: torch.nn.Module = losses.CosineSimilarityLoss(model)
    return loss


def make_contrastive(model: Any, options: ContrastiveOptions, _: LossContext) -> torch.nn.Module:
    """Distance 0 for score 1, at least the margin for score 0."""
    from sentence_transformers.sentence_transformer import losses

    metrics = losses.SiameseDistanceMetric
    distance = {"cosine": metrics.COSINE_DISTANCE, "euclidean": metrics.EUCLIDEAN, "manhattan": metrics.MANHATTAN}
    loss: torch.nn.Module = losses.ContrastiveLoss(model, distance[options.distance], options.margin)
    return loss


def make_triplet(model: Any, options: TripletOptions, _: LossContext) -> torch.nn.Module:
    """The positive nearer than the negative by a margin; one negative."""
    from sentence_transformers.sentence_transformer import losses

    metrics = losses.TripletDistanceMetric
    distance = {"cosine": metrics.COSINE, "euclidean": metrics.EUCLIDEAN, "manhattan": metrics.MANHATTAN}
    loss: torch.nn.Module = losses.TripletLoss(model, distance[options.distance], options.margin)
    return loss


def make_softmax(model: Any, options: SoftmaxOptions, _: LossContext) -> torch.nn.Module:
    """A class for each pair of texts."""
    from sentence_transformers.sentence_transformer import losses

    from vecloom.train.losses.ranks import average_gradients

    loss: torch.nn.Module = losses.SoftmaxLoss(model, model.get_embedding_dimension(), options.labels)
    average_gradients(loss.classifier.parameters())
    return loss


def make_batch_hard(model: Any, options: BatchHardOptions, _: LossContext) -> torch.nn.Module:
    """Each text's farthest text of its label nearer than its nearest text of another."""
    from sentence_transformers.sentence_transformer import losses

    metrics = losses.BatchHardTripletLossDistanceFunction
    distance = {"cosine": metrics.cosine_distance, "euclidean": metrics.eucledian_distance}
    loss: torch.nn.Module = losses.BatchHardSoftMarginTripletLoss(model, distance[options.distance])
    return loss


def _own_negatives(model: Any, options: MnrOptions, mini_batch_size: int | None) -> torch.nn.Module:
    from vecloom.train.losses.own_negatives import OwnNegativesLoss

    return OwnNegativesLoss(model, options.temperature, mini_batch_size)


def _mnr_settings(options: MnrOptions, context: LossContext) -> dict[str, Any]:
    settings: dict[str, Any] = {"scale": 1 / options.temperature, "gather_across_devices": context.gather}
    if options.symmetric:
        settings |= {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    return settings
