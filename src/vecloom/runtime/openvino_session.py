"""Run a network on the CPU with OpenVINO.

BERT-family models are built straight from their weights (``bert_graph``) and take packed rows; any other architecture is
converted once from transformers (extra ``[torch]``) and takes one text a row. Graph and compiled blob are cached on disk,
keyed by weights, OpenVINO version and CPU.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.errors import BackendError, ModelError
from vecloom.files import cache_dir, text_digest
from vecloom.runtime import bert_graph, cpu
from vecloom.runtime.batching import Batch, Floats
from vecloom.runtime.directory import ModelSpec
from vecloom.runtime.session import Emit
from vecloom.runtime.tensors import read_weights

PRECISIONS = {"f32": "f32", "bf16": "bf16"}
# Compiled kernels of each kind that a stream keeps, those used last. OpenVINO's own 5,000 are all that a process has ever met,
# some for each shape of a batch: a server took 200 MiB more over 16,000 requests. Batches took 3 % more processor time with 64,
# within the noise.
KERNELS = "64"


class OpenVinoSession:
    """A network compiled by OpenVINO's CPU plugin: one stream a core for throughput, one stream over all for one query."""

    backend = "openvino"
    whole = False

    def __init__(self, spec: ModelSpec, *, precision: str = "f32", threads: int | None = None) -> None:
        if precision == "bf16" and not cpu.has_bf16():
            raise BackendError("This CPU has no bfloat16 units (AMX or AVX512-BF16).", "Use precision f32.")
        self.precision = precision
        self.packing = is_native(spec) and spec.pooling != "max"
        self.parallel = threads or cpu.threads()
        self.cells = 1024
        self._spec = spec
        self._lock = threading.Lock()
        self._compiled: Any = None  # the queue does not keep its model alive
        self._queue: Any = None
        self._request: Any = None
        self._sink = _Sink()

    def run(self, batches: Iterator[Batch], emit: Emit, *, single: bool = False) -> None:
        """See ``Session.run``. Calls from several threads take turns."""
        with self._lock:
            if single:
                self._run_alone(batches, emit)
            else:
                self._run_queued(batches, emit)

    def _run_alone(self, batches: Iterator[Batch], emit: Emit) -> None:
        if self._request is None:
            self._request = self._compile(streams=1).create_infer_request()
        for batch in batches:
            self._request.infer(self._inputs(batch), share_inputs=True)
            emit(batch, _pooled(self._request, batch))

    def _run_queued(self, batches: Iterator[Batch], emit: Emit) -> None:
        if self._queue is None:
            import openvino as ov

            self._compiled = self._compile(streams=self.parallel)
            self._queue = ov.AsyncInferQueue(self._compiled, 2 * self.parallel)
            # Once, for good: a callback that was replaced is dropped by one of OpenVINO's threads, which needs the interpreter
            # for that, and aborts the process (exit code 134) where it has ended.
            self._queue.set_callback(self._sink.take)
        self._sink.emit = emit
        try:
            for batch in batches:
                self._queue.start_async(self._inputs(batch), batch)
        finally:
            self._queue.wait_all()
            self._sink.emit = None  # or it would keep this call's vectors alive until the next

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        if is_native(self._spec):
            return {
                "input_ids": batch.input_ids,
                "positions": batch.positions,
                "segments": batch.segments,
                "pool": batch.pool,
            }
        mask = (batch.segments > 0).astype(np.int64)
        return {"input_ids": batch.input_ids.astype(np.int64), "attention_mask": mask, "pool": batch.pool}

    def _compile(self, streams: int) -> Any:
        import openvino as ov

        core = ov.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.precision],
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": self.parallel,
            "CPU_RUNTIME_CACHE_CAPACITY": KERNELS,
        }
        try:
            graph = _cached_graph(self._spec)
            with _blob_cache(graph, settings) as folder:
                return core.compile_model(graph, "CPU", {**settings, "CACHE_DIR": str(folder)})
        except OSError:  # nowhere to cache: slower to start, the same afterwards
            return core.compile_model(_make_graph(self._spec), "CPU", settings)


class _Sink:
    """Where a queue's results go at the moment."""

    emit: Emit | None = None

    def take(self, request: Any, batch: Batch) -> None:
        """Copy a result, so that the queue's request is free again, and hand it on."""
        if self.emit is not None:
            self.emit(batch, _pooled(request, batch))


def _pooled(request: Any, batch: Batch) -> Floats:
    values = request.get_output_tensor(0).data
    chosen = values if values.ndim == 2 else values[batch.rows, batch.slots]
    return np.asarray(chosen / batch.scale[:, None], np.float32)


@contextmanager
def _blob_cache(graph: Path, settings: Mapping[str, object]) -> Iterator[Path]:
    """A folder for OpenVINO's compiled blob that holds a whole one or none.

    OpenVINO writes blobs in place, and a blob cut short by a kill makes later processes crash, not fail. So each is made in a
    folder of its own, which gets its name when it is complete.
    """
    final = graph.parent / f"compiled-{text_digest(f'{cpu.identity()} {sorted(settings.items())}')}"
    if final.is_dir():
        yield final
        return
    with tempfile.TemporaryDirectory(prefix=".compiling-", dir=graph.parent, ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary) / "blob"
        yield folder
        with suppress(OSError):  # another process was first
            folder.rename(final)


def _cached_graph(spec: ModelSpec) -> Path:
    """Path of the network in OpenVINO's own format, made if it is not there."""
    import openvino as ov

    version = ov.__version__.split("-")[0]
    folder = cache_dir("openvino") / text_digest(f"{spec.fingerprint} {version} {bert_graph.VERSION}")
    if not (folder / "model.xml").is_file():
        temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
        try:
            ov.save_model(_make_graph(spec), temporary / "model.xml", compress_to_fp16=False)
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
        except OSError:
            if not (folder / "model.xml").is_file():  # unless another process was first
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder / "model.xml"


def is_native(spec: ModelSpec) -> bool:
    """Whether the network is built here from its weights, and takes packed rows."""
    return bert_graph.supports(spec.config) and not spec.exported


def _make_graph(spec: ModelSpec) -> Any:
    if spec.exported:
        return _exported(spec)
    if not bert_graph.supports(spec.config):
        return _convert(spec)
    try:
        return bert_graph.build(spec.config, read_weights(spec), max_pooling=spec.pooling == "max")
    except KeyError as error:
        raise ModelError(f"The weights of {spec.path} lack the tensor {error}.", "Copy the model again.") from error


def _convert(spec: ModelSpec) -> Any:
    """Trace a transformers network and put pooling behind it."""
    import openvino as ov

    from vecloom.runtime.torch_session import traceable

    network, example = traceable(spec)
    model = ov.convert_model(network, example_input=example)
    for port, name in zip(model.inputs, ("input_ids", "attention_mask"), strict=True):
        port.get_tensor().set_names({name})
    return _with_pooling(spec, model)


def _exported(spec: ModelSpec) -> Any:
    """A network that others exported; token types, where it asks for them, are all 0."""
    import openvino as ov
    from openvino import opset15 as op

    model = ov.Core().read_model(spec.weights)
    ports = {name: port for port in model.inputs for name in port.names}
    if not {"input_ids", "attention_mask"} <= set(ports) or set(ports) - {
        "input_ids",
        "attention_mask",
        "token_type_ids",
    }:
        raise ModelError(
            f"{spec.weights} asks for {', '.join(ports)}, which is not what texts give.", "Export it anew."
        )
    if "token_type_ids" in ports:
        types = ports["token_type_ids"].get_node()
        zeros = op.broadcast(op.constant(0, np.int64), op.shape_of(ports["input_ids"].get_node()))
        for target in types.output(0).get_target_inputs():
            target.replace_source_output(zeros.output(0))
        model.remove_parameter(types)
    return _with_pooling(spec, model)


def _with_pooling(spec: ModelSpec, model: Any) -> Any:
    """A network that gives token vectors first, with pooling behind them."""
    import openvino as ov
    from openvino import opset15 as op

    pool = op.parameter([-1, -1, -1], np.float32, name="pool")
    pool.output(0).set_names({"pool"})
    hidden = model.outputs[0].get_node().input_value(0)
    pooled = bert_graph.pooled(pool, hidden, max_pooling=spec.pooling == "max")
    return ov.Model([op.result(pooled)], [*model.get_parameters(), pool], "converted")
