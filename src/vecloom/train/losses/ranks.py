"""Vectors of several processes as one batch, with gradients.

Source: the scheme of CLIP and of sentence-transformers' ``gather_across_devices``: each process scores its own anchors
against everybody's candidates, and a candidate's gradient is the sum over the processes that scored it. Where
gradients are averaged over processes afterwards, as DistributedDataParallel does, the result is the gradient of the
mean over the joined batch. The processes' shares may differ in size (the last batch of an epoch): they are padded for
the journey, and ``Joined.share`` corrects the average.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Joined:
    """Columns of vectors from all processes.

    Attributes:
        columns: one (rows of all processes, d) tensor per column, in order of rank.
        start: where this process' rows begin.
        rows: how many they are.
        share: what the mean over this process' rows is to be multiplied with, so that the average over the processes is
            the mean over all rows; 1 where all have the same number.
    """

    columns: list[Tensor]
    start: int
    rows: int
    share: float

    @property
    def local(self) -> slice:
        """This process' rows."""
        return slice(self.start, self.start + self.rows)


def several() -> bool:
    """Whether there is more than one process."""
    return bool(dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1)


def join(columns: Sequence[Tensor], *, gather: bool) -> Joined:
    """Columns (rows, d) of this process, or of all where ``gather``; gradients flow back to where each row came from."""
    rows = len(columns[0])
    if not (gather and several()):
        return Joined(list(columns), 0, rows, 1.0)
    sizes = _sizes(rows, columns[0].device)
    rank, together = dist.get_rank(), sum(sizes)
    share = rows * len(sizes) / together
    return Joined([_gathered(column, sizes) for column in columns], sum(sizes[:rank]), rows, share)


def join_fixed(rows: Tensor, *, gather: bool) -> Tensor:
    """The same for one tensor without gradients: hashes, guide vectors, statistics of rows."""
    if not (gather and several()):
        return rows.detach()
    sizes = _sizes(len(rows), rows.device)
    padded = _padded(rows.detach(), max(sizes))
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Have the gradients of a loss' own parameters averaged over processes, which DistributedDataParallel does for a model only.

    Each gradient is averaged as it is made, so it does not matter over how many batches it is accumulated.
    """

    def average(gradient: Tensor) -> Tensor:
        if not several():
            return gradient
        summed = gradient.contiguous().clone()
        dist.all_reduce(summed)
        return summed / dist.get_world_size()

    for parameter in parameters:
        parameter.register_hook(average)


def _sizes(rows: int, device: torch.device) -> list[int]:
    own = torch.tensor([rows], device=device)
    found = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(found, own)
    return [int(size) for size in found]


def _gathered(column: Tensor, sizes: Sequence[int]) -> Tensor:
    from sentence_transformers.util import all_gather_with_grad

    everything = all_gather_with_grad(_padded(column, max(sizes)))
    if min(sizes) == max(sizes):
        return everything
    parts = everything.split(max(sizes))
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def _padded(rows: Tensor, size: int) -> Tensor:
    if len(rows) == size:
        return rows.contiguous()
    return torch.cat([rows, rows.new_zeros(size - len(rows), *rows.shape[1:])])
