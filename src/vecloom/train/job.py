"""A training run from a recipe to a model directory: read and check, train, keep the best, write it with its card.

    from vecloom import train
    recipe = train.load_recipe("recipe.yaml", ["epochs=2"])
    summary = train.run(recipe)

Ours, on ``trainer``. Killed at any moment, the same call goes on from the last whole checkpoint, and the losses are those of a
run left in peace (bitwise on a CPU with the same number of threads). Under ``torchrun`` or ``accelerate launch`` the processes
share each batch, and the first one writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vecloom.encoders.resolve import resolve
from vecloom.errors import MissingExtraError, VecloomError
from vecloom.outputs import check_apart
from vecloom.train.recipe import Recipe, check_named, checked_options
from vecloom.train.runs import RunFolder
from vecloom.train.summary import TrainSummary

if TYPE_CHECKING:
    from vecloom.train.watch import Progress

_NEEDED = ("torch", "sentence_transformers", "accelerate", "datasets")


def run(
    recipe: Recipe,
    *,
    resume: bool = True,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> TrainSummary:
    """Train a model.

    Args:
        recipe: what ``load_recipe`` read, or ``Recipe(...)``.
        resume: go on where a run of the same recipe stopped; otherwise what it left is removed.
        progress: told about each step.
        warn: told, before the first step, what changes the model for good.

    Returns:
        what was done. The model lies in ``recipe.output``, whole or not at all.

    Raises:
        DataError: the data are not what they have to be; nothing was trained.
        UsageError: the recipe does not name the user's data, its values do not go together, or another run lies there.
        ModelError: the model cannot be trained.
        DivergenceError: the loss became nan, or the vectors collapsed.
        VecloomError: memory did not suffice; the sentence names the key to change.
        MissingExtraError: accelerate or datasets is not installed.
    """
    check_extra()
    check_named(recipe)
    read = read_by(recipe)
    check_apart(recipe.output, [*read, *([recipe.file] if recipe.file else [])])
    check_apart(RunFolder(recipe.output).path, read)
    from vecloom.train.session import Session
    from vecloom.train.setup import rank

    folder = RunFolder(recipe.output)
    with _quiet(), folder.locked() if rank() == 0 else contextlib.nullcontext():
        session = Session(recipe, folder)
        check_apart(recipe.output, [resolve(recipe.model)])  # a model that was named by a name has a folder too
        session.claim(resume=resume)
        done = folder.read("finished.json")
        if done is not None and folder.output.is_dir():
            return TrainSummary.of(done)
        if warn is not None and rank() == 0 and session.cutting.warning():
            warn(session.cutting.warning())
        try:
            return session.train(progress)
        except (RuntimeError, MemoryError) as error:
            raise out_of_memory(error, recipe) from error


def read_by(recipe: Recipe) -> list[str]:
    """Files and folders that training reads, beside the recipe itself."""
    models = [recipe.model, *(source.teacher.model for source in recipe.data if source.teacher is not None)]
    choices = [recipe.loss, *(recipe.loss_of(source) for source in recipe.data)]
    models += [value for choice in choices for value in choice.options.values() if isinstance(value, str)]
    return [
        *models,
        *(source.path for source in recipe.data if source.path),
        *(task.path for task in recipe.evaluation.tasks),
    ]


def check_extra() -> None:
    """Say which extra is missing before anything else is done.

    Raises:
        MissingExtraError: a package that training needs is not installed.
    """
    import importlib.util

    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"Training needs {', '.join(name.replace('_', '-') for name in missing)}.", "train")


def out_of_memory(error: BaseException, recipe: Recipe) -> BaseException:
    """The error to raise for one that a step raised: about memory, a sentence with the key to change; else itself."""
    said = str(error).lower()
    is_memory = (
        isinstance(error, MemoryError)
        or "out of memory" in said
        or "not enough memory" in said
        or "can't allocate" in said
    )
    if not is_memory:
        return error
    takes_small = _caches(recipe)
    if takes_small and recipe.mini_batch_size is None:
        todo = f"Set mini_batch_size: {max(recipe.batch_size // 4, 1)}; the gradient stays that of the whole batch."
    elif takes_small and (recipe.mini_batch_size or 1) > 1:
        todo = f"Set mini_batch_size: {(recipe.mini_batch_size or 2) // 2} (now {recipe.mini_batch_size})."
    else:
        todo = f"Set batch_size: {max(recipe.batch_size // 2, 2)} (now {recipe.batch_size}), or max_length lower."
    return VecloomError(f"Memory does not suffice for a batch of {recipe.batch_size}.", todo)


def _caches(recipe: Recipe) -> bool:
    """Whether the losses encode in small batches where mini_batch_size says so: those with in-batch negatives do."""
    from vecloom.train.losses import base_shapes

    choices = [recipe.loss_of(source) for source in recipe.data]
    return all("pairs" in base_shapes(choice.name, checked_options(choice)) for choice in choices) and not any(
        choice.name == "matryoshka-2d" for choice in choices
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bars and advice: what matters is raised or reported."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
