"""What runs a network: a ``Session`` takes batches of tokens and gives pooled vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from vecloom.runtime.batching import Batch, Floats

Emit = Callable[[Batch, Floats], None]
"""Receives a batch and its (n, width) float32 pooled vectors, before any Dense module or normalisation."""


class Session(Protocol):
    """A network, loaded on one backend at one precision.

    Attributes:
        backend: "openvino", "torch" or "onnx".
        precision: "f32" or "bf16".
        packing: whether several texts may share a row.
        parallel: batches that run at once.
        cells: tokens, padding included, of a batch of long rows.
        whole: whether the Dense modules behind the pooling have run too.
    """

    backend: str
    precision: str
    packing: bool
    parallel: int
    cells: int
    whole: bool

    def run(self, batches: Iterator[Batch], emit: Emit, *, single: bool = False) -> None:
        """Run batches as they come, calling ``emit`` for each in any order and from any thread.

        Args:
            batches: made while earlier ones compute, so that tokenising overlaps.
            emit: called once for each batch.
            single: the call is one short text: answer soon rather than use all cores well.
        """
        ...
