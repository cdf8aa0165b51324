"""What a run did, for people, programs and the run's own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

RECENT = 50
"""Steps that the loss shown is the mean of: that of a single batch says little."""


def recent_loss(curve: Sequence[tuple[int, float]], steps: int = RECENT) -> float | None:
    """The mean loss over the last steps, ``steps`` at least if there are so many.

    Args:
        curve: (step, mean loss since the entry before), in order.
        steps: how many.
    """
    total, taken = 0.0, 0
    for place in range(len(curve) - 1, -1, -1):
        since = curve[place - 1][0] if place else 0
        width = curve[place][0] - since
        total, taken = total + curve[place][1] * width, taken + width
        if taken >= steps:
            break
    return total / taken if taken else None


@dataclass(frozen=True)
class TrainSummary:
    """What a run did.

    Attributes:
        output: the model directory.
        run: the folder beside it, with checkpoints and logs.
        steps: of the optimiser, over all calls.
        resumed_from: the step that this call went on from; 0 where it began, ``steps`` where all had been done.
        seconds: of this call's steps.
        pairs_per_second: rows through the model in this call.
        loss: the mean over the last steps that were logged, ``RECENT`` at least, or None; the bar shows the same.
        curve: (step, mean loss since the last entry), over all calls.
        before: scores of the model before the first step.
        scores: scores of the model that was written.
        best_step: the step that it comes from.
        stopped: why before the end, or "".
        notes: what the data checks counted.
        tokens_per_second: tokens through the model in this call, padding not counted; 0 where texts have no masks.
        operations_per_second: of the model's arithmetic in this call (``flops``); 0 where unknown.
        utilisation: these as a share of what the GPU's data sheet names; None on other hardware.
    """

    output: str
    run: str
    steps: int
    resumed_from: int
    seconds: float
    pairs_per_second: float
    loss: float | None
    curve: tuple[tuple[int, float], ...]
    before: dict[str, float]
    scores: dict[str, float]
    best_step: int
    stopped: str
    notes: tuple[str, ...]
    tokens_per_second: float = 0.0
    operations_per_second: float = 0.0
    utilisation: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> TrainSummary:
        """One that was kept: nothing was left to do."""
        curve = tuple((int(step), float(loss)) for step, loss in values["curve"])
        return cls(**{**values, "curve": curve, "notes": tuple(values["notes"]), "resumed_from": values["steps"]})
