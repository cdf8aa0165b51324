"""Run a sentence-transformers pipeline with torch: any module, CPU or CUDA, fp32 or bf16.

The extra ``[torch]`` is needed. Batches are ours (length-sorted, a token budget each); the forward pass is the model's own,
so whatever sentence-transformers can load runs here. Attention is torch's scaled_dot_product_attention (on CUDA, its
FlashAttention kernels) wherever transformers offers it for the architecture: that is its default.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vecloom.errors import BackendError, MissingExtraError, ModelError, first_line
from vecloom.runtime import cpu
from vecloom.runtime.batching import Batch, Floats
from vecloom.runtime.directory import ModelSpec, is_trusted
from vecloom.runtime.session import Emit

CUDA_CELLS = 32_768
CPU_CELLS = 2_048
_HEEDS_CAUSAL = (5, 2)  # the first transformers with bidirectional decoders


class TorchSession:
    """The model's own modules up to its Normalize, which vecloom does itself."""

    backend = "torch"
    packing = False
    parallel = 1
    whole = True

    def __init__(
        self,
        spec: ModelSpec,
        *,
        precision: str = "f32",
        threads: int | None = None,
        device: str | None = None,
        compiled: bool = False,
    ) -> None:
        torch = _import_torch()
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        if self.device == "cpu":
            torch.set_num_threads(threads or cpu.threads())
        self.precision = precision
        self.cells = CPU_CELLS if self.device == "cpu" else CUDA_CELLS
        self.compiled = compiled
        self._modules = _load_modules(spec, self.device, torch.bfloat16 if precision == "bf16" else torch.float32)
        self._lock = threading.Lock()
        if compiled:
            self._modules[0].auto_model = torch.compile(self._modules[0].auto_model, dynamic=True)

    def run(self, batches: Iterator[Batch], emit: Emit, *, single: bool = False) -> None:
        """See ``Session.run``. Calls from several threads take turns."""
        import torch

        with self._lock, torch.inference_mode():
            for batch in batches:
                emit(batch, self._forward(torch, batch))

    def _forward(self, torch: Any, batch: Batch) -> Floats:
        ids = torch.from_numpy(batch.input_ids).to(self.device, dtype=torch.int64)
        mask = torch.from_numpy(batch.segments > 0).to(self.device, dtype=torch.int64)
        features = {"input_ids": ids, "attention_mask": mask, **_left_out(torch, batch, self.device)}
        for module in self._modules:
            features = module(features)
        pooled: Floats = features["sentence_embedding"].float().cpu().numpy()
        return pooled[batch.rows]


def _left_out(torch: Any, batch: Batch, device: str) -> dict[str, Any]:
    """What pooling leaves out at the start: sentence-transformers' one number, or vecloom's number for each text."""
    if isinstance(batch.skip, int):
        return {"prompt_length": batch.skip}
    by_row = np.zeros(len(batch.input_ids), np.int64)
    by_row[batch.rows] = batch.skip
    return {"prompt_lengths": torch.from_numpy(by_row).to(device)}


def traceable(spec: ModelSpec) -> tuple[Any, Any]:
    """The transformer of a model as a module of (input_ids, attention_mask) -> (R, L, hidden), and example inputs."""
    torch = _import_torch()

    class LastHidden(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            extra = {"use_cache": False} if "use_cache" in self.network.config.to_dict() else {}
            return self.network(input_ids=input_ids, attention_mask=attention_mask, **extra).last_hidden_state

    network = LastHidden(_auto_model(spec)).eval()
    ids = torch.arange(4, 20).reshape(2, 8) % max(2, int(spec.config.get("vocab_size", 30)))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    return network, (ids, mask)


def check_release(config: Mapping[str, Any]) -> None:
    """Make sure that transformers heeds ``is_causal: false`` where a configuration has it.

    Raises:
        BackendError: it is too old, and would silently compute something else.
    """
    from transformers import __version__ as found

    if config.get("is_causal") is False and tuple(map(int, found.split(".")[:2])) < _HEEDS_CAUSAL:
        needed = ".".join(map(str, _HEEDS_CAUSAL))
        raise BackendError(
            f"This decoder sees both sides of a token, which transformers {found} cannot do.",
            f"Update it: pip install --upgrade 'transformers>={needed}'",
        )


def _load_modules(spec: ModelSpec, device: str, dtype: Any) -> list[Any]:
    sentence_transformers = _import_sentence_transformers()
    check_release(spec.config)
    try:
        with quiet_loading():
            model = sentence_transformers.SentenceTransformer(
                str(spec.path),
                device=device,
                local_files_only=True,
                trust_remote_code=is_trusted(spec.path),
                model_kwargs={"dtype": dtype},
            )
    except Exception as error:  # whatever a foreign model raises, the user needs one sentence
        raise ModelError(
            f"sentence-transformers cannot load {spec.path}: {first_line(error)}.", "Check the model."
        ) from error
    return [module.eval() for module in model if type(module).__name__ != "Normalize"]


def _auto_model(spec: ModelSpec) -> Any:
    try:
        from transformers import AutoModel
    except ImportError as error:
        raise MissingExtraError("Converting this model needs transformers.", "torch") from error
    check_release(spec.config)
    with quiet_loading():
        return AutoModel.from_pretrained(str(spec.weights_path), local_files_only=True).float().eval()


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep the loading bars and notices of transformers from the user's terminal."""
    from transformers.utils import logging as transformers_logging

    level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    root = logging.getLogger("sentence_transformers")
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(before)
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("The torch backend needs torch and sentence-transformers.", "torch") from error
    return torch


def _import_sentence_transformers() -> Any:
    try:
        import sentence_transformers
    except ImportError as error:
        raise MissingExtraError("The torch backend needs torch and sentence-transformers.", "torch") from error
    except RuntimeError as error:
        raise BackendError(
            f"sentence-transformers does not import: {first_line(error)}.", "Repair the installation."
        ) from error
    return sentence_transformers
