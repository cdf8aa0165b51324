"""What TASK means: a local path, a kind and a path, or the name of one of mteb's tasks or benchmarks.

    cranfield/                 a data set, or a folder of data sets
    clustering:news.jsonl      a data set, used as this kind of task
    STS12                      a task of mteb
    MTEB(eng, v2)              all tasks of a benchmark of mteb

A local task's name that comes twice gets its folder in front.
"""

from __future__ import annotations

import copy
import difflib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vecloom.errors import DataError, UsageError, first_line
from vecloom.evaluate.tasks.local import KINDS, LocalTask, discover, is_rows, is_task, open_task

HUB_FAULTS = ("ConnectionError", "OfflineModeIsEnabled", "LocalEntryNotFoundError", "TransportError", "ConnectError")


@dataclass(frozen=True)
class TaskSource:
    """A task before its data are loaded.

    Attributes:
        name: as it stands in results.
        type: mteb's name of the task type.
        local: the data set on disk, or None for mteb's own tasks.
    """

    name: str
    type: str
    local: LocalTask | None = None

    def load(self) -> Any:
        """The mteb task with its data.

        Raises:
            DataError: the data are broken, or cannot be reached.
        """
        from vecloom.evaluate.tasks.eager import eager

        task = self._loaded()
        task.dataset = eager(task.dataset)
        return task

    def _loaded(self) -> Any:
        if self.local:
            from vecloom.evaluate.tasks.mteb_tasks import as_mteb

            return as_mteb(self.local)
        import mteb

        task = mteb.get_task(self.name)
        try:
            task.load_data()
        except Exception as error:  # the libraries below have dozens of classes for "not here and no network"
            raise _unreachable(self.name, error) from error
        if hasattr(task, "convert_v1_dataset_format_to_v2"):
            task.convert_v1_dataset_format_to_v2(num_proc=None)
        return task


def resolve(names: Sequence[str]) -> list[TaskSource]:
    """The tasks that a command line names, in order, each once.

    Raises:
        UsageError: a name is neither a path nor known to mteb.
        DataError: a path holds no data set.
    """
    found = [source for name in names for source in _meant(name)]
    kept = list({(source.name, source.local and source.local.path): source for source in found}.values())
    twice = {name for name, count in Counter(source.name for source in kept).items() if count > 1}
    return [_with_folder(source) if source.name in twice else source for source in kept]


def fresh(task: Any) -> Any:
    """A copy of a loaded task with its random numbers at their start, sharing the data.

    mteb's tasks draw from one stream of random numbers, so that a second model on the same object would get other draws.
    """
    made = copy.copy(task)
    other = type(task)()
    made.rng_state, made.np_rng = other.rng_state, other.np_rng
    return made


def here(folder: Path | None = None) -> list[TaskSource]:
    """Tasks that can run now: local ones in ``folder`` (default: ``$VECLOOM_DATA``), and mteb's whose data are in the cache."""
    folder = folder or (Path(os.environ["VECLOOM_DATA"]) if os.environ.get("VECLOOM_DATA") else None)
    local = [TaskSource(task.name, task.type, task) for task in discover(folder)] if folder else []
    return local + list(_cached())


def _meant(name: str) -> Iterator[TaskSource]:
    path = Path(name).expanduser()
    if path.exists():
        yield from _at(path, None)
        return
    kind, colon, rest = name.partition(":")
    if colon and (kind in KINDS or Path(rest).expanduser().exists()):
        path = Path(rest).expanduser()
        if not path.exists():
            raise UsageError(f"There is no file or folder {rest!r}.", "Correct the path.")
        yield from _at(path, kind)
        return
    yield from _of_mteb(name)


def _at(path: Path, kind: str | None) -> Iterator[TaskSource]:
    if is_rows(path) or (path.is_dir() and (kind or is_task(path))):
        task = open_task(path, kind)
        name = f"{task.name}-{kind}" if kind and not task.settings.get("name") else task.name
        yield TaskSource(name, task.type, replace(task, name=name))
        return
    tasks = discover(path) if path.is_dir() else []
    if not tasks:
        raise DataError(f"{path} holds no data set.", "See 'vecloom tasks --help' for the forms that are read.")
    yield from (TaskSource(task.name, task.type, task) for task in tasks)


def _of_mteb(name: str) -> Iterator[TaskSource]:
    import mteb
    from mteb.get_tasks import _TASKS_REGISTRY

    if name in _TASKS_REGISTRY:
        yield from _expanded(mteb.get_task(name))
        return
    benchmarks = {benchmark.name: benchmark for benchmark in mteb.get_benchmarks()}
    if name in benchmarks:
        for task in benchmarks[name].tasks:
            yield from _expanded(task)
        return
    close = difflib.get_close_matches(name, [*_TASKS_REGISTRY, *benchmarks], n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(close)}?" if close else "'vecloom tasks' lists what can run here."
    raise UsageError(f"There is no file, task or benchmark {name!r}.", hint)


def _expanded(task: Any) -> Iterator[TaskSource]:
    parts = getattr(task.metadata, "tasks", None)
    for part in parts or [task]:
        yield TaskSource(part.metadata.name, part.metadata.type)


def _with_folder(source: TaskSource) -> TaskSource:
    if source.local is None:
        return source
    name = f"{source.local.path.resolve().parent.name}-{source.name}"
    return TaskSource(name, source.type, replace(source.local, name=name))


def _unreachable(name: str, error: Exception) -> DataError:
    names = {base.__name__ for cause in _causes(error) for base in type(cause).__mro__}
    if names & set(HUB_FAULTS):
        return DataError(
            f"The data of {name} are not in the local cache, and the Hub cannot be reached.",
            "Run it once with a network, or give a local data set.",
        )
    return DataError(f"The data of {name} cannot be loaded: {first_line(error)}.", "Try another task.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _cached() -> Iterator[TaskSource]:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cached = {repo.repo_id for repo in scan_cache_dir(constants.HF_HUB_CACHE).repos if repo.repo_type == "dataset"}
    except CacheNotFound:
        return
    if not cached:
        return
    import mteb

    for task in mteb.get_tasks(modalities=["text"]):
        if task.metadata.dataset["path"] in cached:
            yield TaskSource(task.metadata.name, task.metadata.type)
