"""From what the command line names to a ``State``: models, indexes, a reranker, keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vecloom.encoders import load
from vecloom.encoders.protocol import Encoder
from vecloom.encoders.resolve import BUNDLED
from vecloom.errors import UsageError
from vecloom.search import Index, metadata
from vecloom.serve.engine import RERANKER, Engine
from vecloom.serve.keys import KeyRing
from vecloom.serve.metrics import Metrics
from vecloom.serve.room.room import Room
from vecloom.serve.settings import Settings
from vecloom.serve.state import State
from vecloom.serve.tracing import over_otlp

if TYPE_CHECKING:
    from vecloom.serve.cross_encoder import PairComputer


def open_state(
    settings: Settings,
    *,
    models: Sequence[str] = (),
    indexes: Sequence[str] = (),
    reranker: str | None = None,
    backend: str = "auto",
    threads: int | None = None,
) -> State:
    """Load everything; nothing is listened to yet.

    Args:
        settings: of the server.
        models: names or directories, ``NAME=MODEL`` to serve one under another name. Where none is given, those of the indexes;
            where there are none either, the bundled one.
        indexes: folders, ``NAME=FOLDER`` to serve one under another name than the folder's. Their models are served too.
        reranker: a cross-encoder's directory, ``NAME=MODEL`` for another name.
        backend: for transformers, as in ``vecloom.load``.
        threads: CPU threads, as in ``vecloom.load``.

    Raises:
        UsageError: two things have one name.
        VecloomError: whatever loading raises.
    """
    encoders: dict[str, Encoder] = {}
    wanted = [named(text) for text in models]
    if not models and not indexes:
        wanted = [(BUNDLED, BUNDLED)]
    for name, model in wanted:
        _check_new(name, encoders, "models")
        encoders[name] = load(model, backend=backend, threads=threads)
    folders: dict[str, Path] = {}
    for text in indexes:
        name, folder = named_folder(text)
        _check_new(name, folders, "indexes")
        folders[name] = folder
    makers = {name: _maker(folder, encoders, backend, threads) for name, folder in folders.items()}
    pairs = _reranker(reranker)
    metrics = Metrics()
    engine = Engine(encoders, settings, metrics, pairs)
    opened = {name: Index.open(folder, engine.encoder(makers[name])) for name, folder in folders.items()}
    if settings.desk is not None and not opened:
        raise UsageError("A desk stands on indexes, and none is served.", "Give one with -i INDEX.")
    return State(
        settings=settings,
        metrics=metrics,
        models=encoders,
        engine=engine,
        indexes=opened,
        room=_room(settings, opened),
        reranker=pairs.name if pairs else None,
        keys=None if settings.key_file is None else KeyRing(settings.key_file),
        tracing=over_otlp() if settings.tracing else None,
    )


def _room(settings: Settings, indexes: Mapping[str, Index]) -> Room | None:
    """The reading room, where one is wanted."""
    if settings.desk is None:
        return None
    from vecloom.serve.room.room import Room

    return Room.open(settings.desk, indexes, multi_user=settings.multi_user, allowed=settings.allowed_readers)


def named(text: str) -> tuple[str, str]:
    """Split ``NAME=MODEL``; a model without a name is known by the name it was given, a directory by its own."""
    name, equals, model = text.partition("=")
    if equals:
        return name, model
    path = Path(text).expanduser()
    return (path.resolve().name if path.is_dir() else text), text


def named_folder(text: str) -> tuple[str, Path]:
    """Split ``NAME=FOLDER``; a folder without a name is known by its own, less the ending ``.index``."""
    name, equals, folder = text.partition("=")
    path = Path(folder if equals else text)
    return (name if equals else path.resolve().name.removesuffix(".index")), path


def _maker(folder: Path, encoders: dict[str, Encoder], backend: str, threads: int | None) -> str:
    """Name of the served model that made an index; it is loaded where it is not there."""
    known = metadata.read(folder)
    for name, encoder in encoders.items():
        if encoder.fingerprint == known.fingerprint:
            return name
    name, model = named(known.model)
    _check_new(name, encoders, "models")
    encoders[name] = load(model, backend=backend, threads=threads)
    return name


def _reranker(text: str | None) -> PairComputer | None:
    if text is None:
        return None
    from vecloom.serve.cross_encoder import PairComputer

    name, model = named(text)
    return PairComputer(model, name)


def _check_new(name: str, known: object, what: str) -> None:
    if name == RERANKER and what == "models":
        raise UsageError(f"A model cannot be called {name!r}.", "Give it another name: -m NAME=MODEL.")
    if name in known:  # type: ignore[operator]
        raise UsageError(f"Two {what} are called {name!r}.", "Give one another name: NAME=PATH.")
