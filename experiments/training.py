"""What the experiments with training share: data, a plain training loop, scores and intervals. Not run by itself.

The loop is AdamW with a linear warm-up over the first tenth of the steps and a linear descent, gradients scaled down to norm 1,
bfloat16 autocast where the processor has it, and the callbacks that a loss brings. It is short on purpose: what is compared is
the loss.
"""

from __future__ import annotations

import json
import os
import platform
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from scipy import stats
from sentence_transformers import SentenceTransformer

import vecloom as vl
from vecloom.encoders.resolve import resolve
from vecloom.files import write_text
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
Column = Sequence[str]
Vectors = np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Scored pairs of texts."""

    left: list[str]
    right: list[str]
    scores: np.ndarray

    def some(self, count: int, seed: int = 0) -> Pairs:
        """A sample, always the same."""
        chosen = sorted(random.Random(seed).sample(range(len(self.left)), min(count, len(self.left))))
        return Pairs([self.left[i] for i in chosen], [self.right[i] for i in chosen], self.scores[chosen])


def rows(*parts: str) -> list[dict[str, Any]]:
    """A file of the public collections."""
    path = Path(os.environ["VECLOOM_DATA"], *parts)
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def sts(*parts: str) -> Pairs:
    """Scored pairs, 0 to 5."""
    found = rows("sts", *parts)
    scores = np.array([float(row["score"]) for row in found])
    return Pairs([row["sentence1"] for row in found], [row["sentence2"] for row in found], scores)


def brown(shortest: int, longest: int) -> list[str]:
    """Different sentences of the Brown corpus with so many words, in an order of their own."""
    texts = dict.fromkeys(row["text"] for row in rows("text", "brown", "sentences.jsonl"))
    kept = [text for text in texts if shortest <= len(text.split()) <= longest]
    random.Random(0).shuffle(kept)
    return kept


def load(name: str | Path = "minilm", tokens: int = 32) -> SentenceTransformer:
    """A model in training mode that cuts texts at ``tokens``."""
    model = SentenceTransformer(str(resolve(str(name))), device="cpu").train()
    model.max_seq_length = tokens
    return model


def train(
    model: SentenceTransformer,
    loss: Any,
    batches: Sequence[tuple[Sequence[Column], Any]],
    rate: float,
    after_step: Callable[[int], None] | None = None,
) -> list[float]:
    """One step per batch of (columns, labels or None); the losses on the way."""
    model.train()
    parameters = [p for p in loss.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=0.01)
    warm = max(1, len(batches) // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, (len(batches) - step) / (len(batches) - warm + 1))
    )
    callbacks = getattr(loss, "callbacks", [])
    values = []
    network, forward, own = model[0], model[0].forward, model[0].__dict__.get("forward")
    network.forward = lambda *given, **named: _in_float32(_autocast_call(forward, given, named))
    for step, (columns, labels) in enumerate(batches):
        state = SimpleNamespace(global_step=step, max_steps=len(batches))
        for callback in callbacks:
            callback.on_step_begin(None, state, None)
        value = loss([model.preprocess(list(column)) for column in columns], labels)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        for callback in callbacks:
            callback.on_step_end(None, state, None)
        values.append(value.item())
        if after_step is not None:
            after_step(step)
    del network.forward  # back to the class' own, or to what the caller had put there
    network.__dict__.update({"forward": own} if own else {})
    model.eval()
    return values


def _autocast_call(forward: Callable[..., Any], given: Any, named: Any) -> Any:
    """Only the network may be in bfloat16: a loss that divides cosines by 0.05 needs float32."""
    with autocast():
        return forward(*given, **named)


def _in_float32(found: dict[str, Any]) -> dict[str, Any]:
    def cast(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16:
            return value.float()
        return type(value)(cast(one) for one in value) if isinstance(value, tuple | list) else value

    return {name: cast(value) for name, value in found.items()}


def autocast() -> Any:
    """Bfloat16 where the processor computes it."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.backends.mkldnn.is_available() and _has_bf16())


def _has_bf16() -> bool:
    try:
        return "bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def encode(model: SentenceTransformer, texts: Sequence[str]) -> Vectors:
    """Unit vectors: (n, d) float32."""
    model.eval()
    with autocast():
        return model.encode(list(texts), batch_size=128, normalize_embeddings=True, show_progress_bar=False)


def cosines(model: SentenceTransformer, pairs: Pairs) -> np.ndarray:
    """(n,) predicted similarities."""
    return (encode(model, pairs.left) * encode(model, pairs.right)).sum(1)


def spearman(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Rank correlation x 100."""
    return 100 * float(stats.spearmanr(predicted, truth).statistic)


def interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Mean over seeds with its 95 % t interval."""
    found = np.array(list(values), float)
    half = float(stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found)))
    return float(found.mean()), float(found.mean()) - half, float(found.mean()) + half


def cell(values: Iterable[float], digits: int = 1, sign: bool = False) -> str:
    """Mean over seeds with its 95 % t interval, as a table shows it."""
    mean, low, high = interval(values)
    plus = "+" if sign else ""
    return f"{mean:{plus}.{digits}f} ({low:{plus}.{digits}f} to {high:{plus}.{digits}f})"


class Kept:
    """Outcomes of runs, in a file that grows with each, so that a stopped experiment goes on where it was."""

    def __init__(self, name: str) -> None:
        self._path = RESULTS / f"{name}.json"
        self.runs: dict[str, Any] = json.loads(self._path.read_text())["runs"] if self._path.is_file() else {}

    def run(self, key: str, compute: Callable[[], Any]) -> Any:
        """The outcome of a run, from the file where it is there."""
        if key not in self.runs:
            self.runs[key] = compute()
            RESULTS.mkdir(exist_ok=True)
            write_text(self._path, lines({**machine(), "runs": self.runs}))
            print(key, json.dumps(self.runs[key])[:200], flush=True)
        return self.runs[key]


def lines(results: Mapping[str, Any]) -> str:
    """JSON with one run a line: thousands of scores would be as many lines."""
    head = [f" {json.dumps(name)}: {json.dumps(value)}," for name, value in results.items() if name != "runs"]
    runs = ",\n".join(f"  {json.dumps(key)}: {json.dumps(run)}" for key, run in results["runs"].items())
    return "\n".join(["{", *head, ' "runs": {', runs, " }", "}"]) + "\n"


def machine() -> dict[str, Any]:
    """Where this was measured."""
    return {
        "processor": cpu.name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vecloom": vl.__version__,
    }


def report(name: str, lines: Sequence[str]) -> None:
    """Write the page of results."""
    write_text(RESULTS / f"{name}.md", "\n".join(lines) + "\n")
    print("\n".join(lines))
