"""What looks on while a model trains: divergence, the best model so far, progress.

Ours, as callbacks of transformers' trainer. Collapse is the state in which all texts get nearly one vector: the mean cosine of a
probe's pairs exceeds a threshold. A network whose vectors lie in a narrow cone from the start (many masked language models do) is
watched only once it has left that cone.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from transformers import TrainerCallback

from vecloom.errors import VecloomError
from vecloom.train.machine import memory_bytes
from vecloom.train.summary import RECENT, recent_loss

if TYPE_CHECKING:
    from vecloom.train.runs import RunFolder


class DivergenceError(VecloomError):
    """Training went wrong and was stopped; the last good checkpoint is kept."""

    @classmethod
    def of_loss(cls, loss: float, step: int, rate: float, folder: RunFolder) -> DivergenceError:
        """The loss is nan or infinite."""
        return cls(f"The loss is {loss} in step {step}.", _todo(rate, folder))

    @classmethod
    def of_collapse(cls, cosine: float, limit: float, step: int, rate: float, folder: RunFolder) -> DivergenceError:
        """All texts get nearly one vector."""
        what = f"The model collapsed by step {step}: the mean cosine between different texts is {cosine:.3f}, above {limit:g}."
        return cls(what, _todo(rate, folder))


def _todo(rate: float, folder: RunFolder) -> str:
    whole = folder.checkpoints()
    kept = f"The last good checkpoint is {whole[-1]}; it is a model too." if whole else "There was no checkpoint yet."
    return f"{kept} Lower learning_rate (now {rate:g}), lengthen warmup, or use precision: fp32, and train with --no-resume."


def mean_cosine(vectors: np.ndarray[Any, Any]) -> float:
    """Mean cosine over all pairs of different rows of (n, d), n > 1: (|sum v|^2 - n) / (n (n - 1)) for unit v."""
    rows = np.asarray(vectors, dtype=np.float64)
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    count = len(unit)
    return float((np.square(unit.sum(0)).sum() - count) / (count * (count - 1)))


class CollapseWatch(TrainerCallback):  # type: ignore[misc]
    """Stops a run whose texts get nearly one vector, before that is saved.

    Args:
        encode: texts to vectors, with the model in training.
        texts: the probe.
        limit: mean cosine above which it is a collapse.
        every: steps between looks, beside each checkpoint.
        folder: where the last good checkpoint is, for the message.
    """

    def __init__(
        self, encode: Callable[[list[str]], Any], texts: Sequence[str], limit: float, every: int, folder: RunFolder
    ) -> None:
        self._encode, self._texts, self._limit, self._every, self._folder = encode, list(texts), limit, every, folder
        self._armed = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look at the start."""
        self._armed = self._look() <= self._limit

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look from time to time, and before anything is saved."""
        if not (control.should_save or state.global_step % self._every == 0):
            return
        cosine = self._look()
        if not math.isfinite(cosine):
            raise DivergenceError.of_loss(math.nan, state.global_step, args.learning_rate, self._folder)
        if cosine <= self._limit:
            self._armed = True
        elif self._armed:
            raise DivergenceError.of_collapse(cosine, self._limit, state.global_step, args.learning_rate, self._folder)

    def _look(self) -> float:
        return mean_cosine(self._encode(self._texts))


class LogWithSave(TrainerCallback):  # type: ignore[misc]
    """Logs the loss where a checkpoint is saved, so that a run that goes on from there logs the same values."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After transformers' own callback has decided about saving."""
        control.should_log = control.should_log or control.should_save


class Tracker(TrainerCallback):  # type: ignore[misc]
    """Keeps the best model so far, and stops when it has not been beaten for a while.

    Args:
        metric: the score that decides, larger is better.
        patience: measurements without a better one after which to stop, or None.
        save: writes the model as the best one.
    """

    def __init__(self, metric: str, patience: int | None, save: Callable[[], None]) -> None:
        self._metric, self._patience, self._save = metric, patience, save
        self.best: float | None = None
        self.best_step = 0
        self.stale = 0
        self.stopped = False

    def state(self) -> dict[str, Any]:
        """What has to be remembered with a checkpoint."""
        return {"best": self.best, "best_step": self.best_step, "stale": self.stale}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what was remembered."""
        self.best, self.best_step, self.stale = state["best"], state["best_step"], state["stale"]

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **_: Any) -> None:
        """Compare a measurement with the best one."""
        value = float(metrics[f"eval_{self._metric}"])
        if self.best is None or value > self.best:
            self.best, self.best_step, self.stale = value, int(state.global_step), 0
            if args.should_save:
                self._save()
            return
        self.stale += 1
        if self._patience is not None and self.stale >= self._patience:
            self.stopped = control.should_training_stop = True


class Share(TrainerCallback):  # type: ignore[misc]
    """The share of training that is done, for losses that change with time."""

    def __init__(self) -> None:
        self._done = 0.0

    def __call__(self) -> float:
        """0 at the start, 1 at the end."""
        return self._done

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before each step."""
        self._done = state.global_step / max(state.max_steps, 1)


@dataclass(frozen=True)
class TrainProgress:
    """How far a run is.

    Attributes:
        step: steps done.
        steps: steps in all.
        epoch: passes over the data, as a decimal number.
        loss: the mean over the last steps that were logged (``summary.recent_loss``), or None.
        learning_rate: now.
        pairs_per_second: rows through the model, over the last steps, without measuring and saving.
        eta_seconds: time that the remaining steps will take.
        memory_bytes: what the process holds.
        scores: the last measurement.
    """

    step: int
    steps: int
    epoch: float
    loss: float | None
    learning_rate: float
    pairs_per_second: float
    eta_seconds: float
    memory_bytes: int
    scores: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


Progress: TypeAlias = Callable[[TrainProgress], None]
"""Called after each step."""


def curve_of(history: Sequence[Mapping[str, Any]]) -> tuple[tuple[int, float], ...]:
    """(step, mean loss since the entry before) from the trainer's log."""
    return tuple((int(entry["step"]), float(entry["loss"])) for entry in history if "loss" in entry)


class Reporter(TrainerCallback):  # type: ignore[misc]
    """Tells a ``Progress`` after each step, and measures the speed.

    Args:
        rows: rows per step, over all processes.
        progress: who wants to know, or None.
    """

    def __init__(self, rows: int, progress: Progress | None) -> None:
        self._rows, self._progress = rows, progress
        self._times: deque[float] = deque(maxlen=50)
        self._began = 0.0
        self.seconds = 0.0
        self.steps = 0
        self._loss: float | None = None
        self._rate = 0.0
        self._scores: dict[str, float] = {}

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock: waiting for a batch counts."""
        self._began = time.perf_counter()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Saving does not count."""
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A step is done: tell."""
        now = time.perf_counter()
        took, self._began = now - self._began, now
        self._times.append(took)
        self.seconds += took
        self.steps += 1
        if self._progress is not None and state.is_world_process_zero:
            self._progress(self._now(state))

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **_: Any) -> None:
        """Remember the loss and the learning rate."""
        self._loss = recent_loss(curve_of(state.log_history[-4 * RECENT :]))
        self._rate = logs.get("learning_rate", self._rate)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **_: Any) -> None:
        """Remember the scores; measuring does not count."""
        self._scores = {name.removeprefix("eval_"): value for name, value in metrics.items()}
        self._began = time.perf_counter()

    def _now(self, state: Any) -> TrainProgress:
        each = sum(self._times) / len(self._times)
        left = max(state.max_steps - state.global_step, 0)
        return TrainProgress(
            state.global_step, state.max_steps, float(state.epoch or 0.0), self._loss, self._rate, self._rows / each,
            left * each, memory_bytes(), self._scores,
        )  # fmt: skip
