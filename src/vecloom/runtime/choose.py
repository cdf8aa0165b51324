"""Which backend runs a model: the fastest that keeps its vectors, found once by trying and then remembered."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np

from vecloom.errors import BackendError, ModelError, UsageError, first_line
from vecloom.files import remembered
from vecloom.runtime import bert_graph, cpu
from vecloom.runtime.apart import measure_apart
from vecloom.runtime.batching import Floats
from vecloom.runtime.directory import ModelSpec, read_tokenizer
from vecloom.runtime.openvino_session import is_native
from vecloom.runtime.pipeline import TokenSource, cosine_rows, run_texts
from vecloom.runtime.session import Session

MIN_COSINE = 0.999  # a faster backend must stay this close to fp32 on every probe text
BACKENDS = ("auto", "openvino", "torch", "onnx")
_REPEATS = 3

PROBE = [
    "A short question?",
    "how do I read a csv file row by row",
    "The committee postponed its decision until the auditors had seen every receipt.",
    "Lift coefficients were measured on a swept wing at Mach numbers between 0.6 and 1.2, with and without tip tanks.",
    "def parse(line): return [field.strip() for field in line.split(',')]",
    "Übermäßig große Häuser, naïve façades and 42 % more: prices rose from 1,250.00 to 1,775.50.",
    "Rain.",
    " ".join(
        ["The valve opens when pressure exceeds the limit that the operator has set; it closes slowly afterwards."] * 4
    ),
    " ".join(["Meeting notes: budget approved, hiring paused, next review in March, owner to be named later."] * 12),
    "An apple a day keeps the doctor away, or so my grandmother used to say whenever the orchard was full.",
]


@dataclass(frozen=True)
class Trial:
    """What came out for one candidate.

    Attributes:
        backend: its name.
        precision: "f32" or "bf16".
        variant: "" or what is special about it ("cuda", "compiled").
        texts_per_second: on the probe texts, or 0 where it failed.
        min_cosine: to fp32, the worst of the probe texts.
        note: why it cannot be used, or "".
    """

    backend: str
    precision: str
    variant: str = ""
    texts_per_second: float = 0.0
    min_cosine: float = 0.0
    note: str = ""

    @property
    def usable(self) -> bool:
        """Whether it ran and kept the vectors."""
        return not self.note and self.min_cosine >= MIN_COSINE


@dataclass(frozen=True)
class Choice:
    """The winner, and all that were tried."""

    backend: str
    precision: str
    variant: str
    trials: tuple[Trial, ...]

    @property
    def reason(self) -> str:
        """One sentence for people."""
        winner = next((t for t in self.trials if (t.backend, t.precision, t.variant) == self.key), None)
        if winner is None or len(self.trials) == 1:
            return "the only backend here that can run this model"
        return f"fastest of {len(self.trials)} tried, min cosine {winner.min_cosine:.5f} to fp32"

    @property
    def key(self) -> tuple[str, str, str]:
        """Backend, precision, variant."""
        return self.backend, self.precision, self.variant


def open_session(
    spec: ModelSpec, backend: str = "auto", *, precision: str | None = None, threads: int | None = None
) -> Session:
    """Load a model on a backend.

    Args:
        spec: the model.
        backend: one of ``BACKENDS``.
        precision: "f32" or "bf16"; None lets "auto" choose, and means the backend's safest elsewhere.
        threads: CPU threads, all by default.

    Raises:
        UsageError: no such backend or precision.
        BackendError: it cannot run this model here.
        MissingExtraError: its packages are not installed.
    """
    if backend not in BACKENDS:
        raise UsageError(f"There is no backend {backend!r}.", f"Choose one of {', '.join(BACKENDS)}.")
    if precision not in (None, "f32", "bf16"):
        raise UsageError(f"There is no precision {precision!r}.", "Choose f32 or bf16.")
    if backend == "auto" and precision is None:
        choice = choose(spec, threads=threads)
        return make_session(spec, *choice.key, threads)
    if backend == "auto":
        backend = "openvino" if spec.pooling else "torch"
    default = "bf16" if backend == "openvino" and cpu.has_bf16() and spec.pooling else "f32"
    return make_session(spec, backend, precision or default, "", threads)


def choose(spec: ModelSpec, *, threads: int | None = None, every: bool = False) -> Choice:
    """Find the fastest backend whose vectors stay within ``MIN_COSINE`` of fp32, and remember it.

    Args:
        spec: the model.
        threads: CPU threads.
        every: try all that are installed (half a minute: torch is imported, ONNX exported) and not only those that are ready.
    """
    versions = [_version(name) for name in ("openvino", "torch", "onnxruntime", "sentence-transformers")]
    key = f"{spec.fingerprint} {cpu.identity()} {threads} {versions} {cpu.has_nvidia()}"
    found = remembered("choices", key, lambda: _try_all(spec, threads, every=every), renew=every)
    trials = tuple(Trial(**trial) for trial in found)
    usable = [trial for trial in trials if trial.usable]
    best = max(usable, key=lambda trial: trial.texts_per_second)
    return Choice(best.backend, best.precision, best.variant, trials)


def candidates(spec: ModelSpec, *, every: bool) -> Iterator[tuple[str, str, str]]:
    """(backend, precision, variant) that can be tried here; fp32 ones come before bf16 ones, since they are the reference."""
    torch_here = (
        importlib.util.find_spec("sentence_transformers") is not None and importlib.util.find_spec("torch") is not None
    )
    graph_here = bool(spec.pooling) and (bert_graph.supports(spec.config) or torch_here or spec.exported)
    cuda = torch_here and cpu.has_nvidia()
    if graph_here:
        yield "openvino", "f32", ""
    if torch_here and (every or not graph_here):
        yield "torch", "f32", ""
    if graph_here and cpu.has_bf16():
        yield "openvino", "bf16", ""
    if cuda:
        yield "torch", "bf16", "cuda"
    if every and spec.pooling and importlib.util.find_spec("onnxruntime") is not None:
        yield "onnx", "f32", ""
    if torch_here and cpu.has_bf16() and (every or not graph_here):
        yield "torch", "bf16", ""
    if torch_here and every:
        yield "torch", "bf16" if cpu.has_bf16() else "f32", "compiled"


def _try_all(spec: ModelSpec, threads: int | None, *, every: bool) -> list[dict[str, object]]:
    """Every candidate's ``Trial`` as a dictionary; raises where none is usable, so that failures are not remembered."""
    reference: Floats | None = None
    trials: list[Trial] = []
    broken: ModelError | None = None

    def attempt(backend: str, precision: str, variant: str) -> None:
        nonlocal reference, broken
        trial = Trial(backend, precision, variant)
        try:
            vectors, rate = _tried(spec, backend, precision, variant, threads)
        except Exception as error:  # libraries raise anything for a model that they do not take; the next may take it
            broken = broken or (error if isinstance(error, ModelError) else None)
            trials.append(replace(trial, note=first_line(error)))
            return
        trials.append(_judged(replace(trial, texts_per_second=round(rate, 1)), vectors, reference))
        if reference is None and trials[-1].usable:
            reference = vectors

    for candidate in candidates(spec, every=every):
        attempt(*candidate)
    tried = {(trial.backend, trial.precision, trial.variant) for trial in trials}
    if _LAST not in tried and not any(trial.usable for trial in trials):
        attempt(*_LAST)
    if not any(trial.usable for trial in trials):
        notes = "; ".join(f"{trial.backend} {trial.precision}: {trial.note}" for trial in trials)
        installed = importlib.util.find_spec("sentence_transformers") is not None
        todo = "Check the model." if installed else "Install the extra: pip install 'vecloom[torch]'"
        raise broken or BackendError(f"No backend here can run {spec.path} ({notes}).", todo)
    return [asdict(trial) for trial in trials]


_LAST = ("torch", "f32", "")
"""What is tried where nothing else can be used: sentence-transformers runs whatever it can load."""


def _judged(trial: Trial, vectors: Floats, reference: Floats | None) -> Trial:
    """A trial with its worst cosine, and why it cannot be used."""
    if not np.isfinite(vectors).all():
        return replace(trial, note="it gives numbers that are not finite")
    if reference is None and trial.precision != "f32":
        return replace(trial, note="there is no fp32 run to compare it with")
    worst = float(cosine_rows(vectors, vectors if reference is None else reference).min())
    note = "" if worst >= MIN_COSINE else f"its vectors differ from fp32's: cosine {worst:.4f}"
    return replace(trial, min_cosine=round(worst, 6), note=note)


def _tried(spec: ModelSpec, backend: str, precision: str, variant: str, threads: int | None) -> tuple[Floats, float]:
    """The probe's vectors and the rate, from a process of its own where a converted network may crash its library."""
    if backend == "openvino" and not is_native(spec):
        return measure_apart(spec.path, backend, precision, variant, threads)
    return measure(spec, make_session(spec, backend, precision, variant, threads))


def measure(spec: ModelSpec, session: Session) -> tuple[Floats, float]:
    """The vectors of the probe texts (n, width) and texts per second."""
    source = TokenSource(read_tokenizer(spec), spec.max_length)

    def run() -> Floats:
        return run_texts(PROBE, source=source, session=session, pooling=spec.pooling or "mean")

    vectors, seconds = run(), []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return vectors, len(PROBE) / min(seconds)


def make_session(spec: ModelSpec, backend: str, precision: str, variant: str, threads: int | None) -> Session:
    """The session of a candidate; raises what ``open_session`` does."""
    if backend != "torch" and not spec.pooling:
        modules = ", ".join(spec.extra_modules)
        raise BackendError(f"The {backend} backend cannot run {spec.path}: it has {modules}.", "Use --backend torch.")
    return _MAKERS[backend](spec, precision, variant, threads)


def _openvino(spec: ModelSpec, precision: str, variant: str, threads: int | None) -> Session:
    from vecloom.runtime.openvino_session import OpenVinoSession

    return OpenVinoSession(spec, precision=precision, threads=threads)


def _torch(spec: ModelSpec, precision: str, variant: str, threads: int | None) -> Session:
    from vecloom.runtime.torch_session import TorchSession

    device = "cuda" if variant == "cuda" else None
    return TorchSession(spec, precision=precision, threads=threads, device=device, compiled=variant == "compiled")


def _onnx(spec: ModelSpec, precision: str, variant: str, threads: int | None) -> Session:
    from vecloom.runtime.onnx_session import OnnxSession

    return OnnxSession(spec, precision=precision, threads=threads)


_MAKERS: dict[str, Callable[[ModelSpec, str, str, int | None], Session]] = {
    "openvino": _openvino,
    "torch": _torch,
    "onnx": _onnx,
}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "-"
