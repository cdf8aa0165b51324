"""Run a network with ONNX Runtime (extra ``[onnx]``): the model's own ``onnx/model.onnx``, or one exported once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.errors import BackendError, MissingExtraError
from vecloom.files import atomic_path, cache_dir, text_digest
from vecloom.runtime import cpu
from vecloom.runtime.batching import Batch, Floats
from vecloom.runtime.directory import ModelSpec
from vecloom.runtime.session import Emit


class OnnxSession:
    """Token vectors from ONNX Runtime's CPU provider, pooled in NumPy."""

    backend = "onnx"
    precision = "f32"
    packing = False
    parallel = 1
    cells = 2048
    whole = False

    def __init__(self, spec: ModelSpec, *, precision: str = "f32", threads: int | None = None) -> None:
        if precision != "f32":
            raise BackendError(
                f"The onnx backend runs in f32, not {precision}.", "Use precision f32, or another backend."
            )
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("The onnx backend needs onnxruntime.", "onnx") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cpu.threads()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(_model_file(spec)), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._max = spec.pooling == "max"
        self._lock = threading.Lock()

    def run(self, batches: Iterator[Batch], emit: Emit, *, single: bool = False) -> None:
        """See ``Session.run``."""
        for batch in batches:
            mask = (batch.segments > 0).astype(np.int64)
            known = {"input_ids": batch.input_ids.astype(np.int64), "attention_mask": mask}
            feed = {name: known.get(name, np.zeros_like(mask)) for name in self._inputs}  # token types are all 0
            hidden = self._session.run(None, feed)[0]
            emit(batch, pool_hidden(hidden, batch, maximum=self._max))


def pool_hidden(hidden: Floats, batch: Batch, *, maximum: bool) -> Floats:
    """Pool (R, L, hidden) token vectors to (n, hidden)."""
    if maximum:
        marked = batch.pool[:, 0, :, None] > 0
        return np.asarray(np.where(marked, hidden, -np.inf).max(axis=1)[batch.rows], np.float32)
    return np.asarray((batch.pool @ hidden)[batch.rows, batch.slots] / batch.scale[:, None], np.float32)


def _model_file(spec: ModelSpec) -> Path:
    for name in ("onnx/model.onnx", "model.onnx"):
        if (spec.path / name).is_file():
            return spec.path / name
    exported = cache_dir("onnx") / f"{text_digest(spec.fingerprint)}.onnx"
    if not exported.is_file():
        with atomic_path(exported) as temporary:
            _export(spec, temporary)
    return exported


def _export(spec: ModelSpec, target: Path) -> None:
    try:
        import onnxscript  # noqa: F401 - torch.onnx needs it, and says so less clearly
        import torch
    except ImportError as error:
        raise MissingExtraError(
            f"{spec.path} ships no onnx/model.onnx, and exporting one needs torch.", "onnx"
        ) from error
    from vecloom.runtime.torch_session import quiet_loading, traceable

    network, example = traceable(spec)
    rows, cells = torch.export.Dim("rows"), torch.export.Dim("cells")
    with quiet_loading():
        torch.onnx.export(
            network,
            example,
            str(target),
            input_names=["input_ids", "attention_mask"],
            output_names=["last_hidden_state"],
            dynamic_shapes=({0: rows, 1: cells}, {0: rows, 1: cells}),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def providers() -> list[str]:
    """Execution providers of the installed ONNX Runtime, or none."""
    try:
        import onnxruntime
    except ImportError:
        return []
    names: list[Any] = onnxruntime.get_available_providers()
    return [str(name) for name in names]
