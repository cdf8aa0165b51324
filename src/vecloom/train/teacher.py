"""A cross-encoder's scores of pairs, computed once and kept on disk.

Source of the step: DSE (Barkan et al., AAAI 2020, arXiv:1908.05161), which saves its teacher's logits in the order of the train
file. Here each pair's logits are found by the teacher's digest and the pair's texts, so that another order, more rows or another
teacher cannot give a row the scores of another one.

A folder for each teacher holds parts, ``NAME.npz`` with ``keys`` (n, 16) uint8 and ``logits`` (n, C) float32. Parts are only
added, whole or not at all: a stopped run goes on after the last one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecloom.errors import DataError, ModelError, UsageError, from_os_error
from vecloom.files import atomic_path, cache_dir, file_digest, text_digest
from vecloom.train.recipe import DataSource, Recipe, TeacherChoice, checked_options

if TYPE_CHECKING:
    from vecloom.train.data import Table

Logits: TypeAlias = npt.NDArray[np.float32]
Pair: TypeAlias = tuple[str, str]

PART = 1024  # pairs scored between two writes
_GENERIC = "LABEL_"  # transformers' names of classes that nobody named


class Teacher:
    """A cross-encoder and what it has said.

    Args:
        directory: of a sentence-transformers ``CrossEncoder``.
        cache: folder of kept logits; vecloom's cache by default.
        batch_size: pairs scored at once.
        device: where.

    Attributes:
        scored: pairs that were computed, not read.

    Raises:
        ModelError: the directory holds no cross-encoder, whose head would be random numbers.
    """

    def __init__(
        self, directory: Path, *, cache: Path | None = None, batch_size: int = 64, device: str = "cpu"
    ) -> None:
        _check_is_cross_encoder(directory)
        self.directory = directory
        self.digest = digest_of_teacher(directory)
        self.scored = 0
        self._folder = (cache or cache_dir("teachers")) / self.digest
        self._batch_size, self._device = batch_size, device
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The cross-encoder, opened when it is first needed."""
        if self._model is None:
            from sentence_transformers import CrossEncoder

            self._model = CrossEncoder(str(self.directory), device=self._device, local_files_only=True)
        return self._model

    @property
    def label_names(self) -> list[str]:
        """What its classes are called, in the order of its logits; empty where nobody named them."""
        config = json.loads((self.directory / "config.json").read_text(encoding="utf-8"))
        names = [str(name) for _, name in sorted(config.get("id2label", {}).items(), key=lambda item: int(item[0]))]
        return [] if all(name.startswith(_GENERIC) for name in names) else names

    def logits(self, pairs: Sequence[Pair], progress: Callable[[int], None] | None = None) -> Logits:
        """Raw logits, before any activation.

        Args:
            pairs: texts in the order in which the teacher reads them.
            progress: called with the number of pairs that were scored since.

        Returns:
            (n, C) float32 in the order of the pairs.

        Raises:
            ModelError: a logit is no finite number.
            OutputError: they cannot be kept.
        """
        keys = [_key(pair) for pair in pairs]
        known = self._read()
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
        # The longest first: batches are of like length, and memory that does not suffice is met at once.
        order = sorted(missing, key=lambda key: -sum(map(len, missing[key])))
        for at in range(0, len(order), PART):
            part = order[at : at + PART]
            made = self._predict([missing[key] for key in part])
            self._write(part, made)
            known.update(zip(part, made, strict=True))
            if progress:
                progress(len(part))
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, 1), np.float32)

    def scores(self, pairs: Sequence[Pair], progress: Callable[[int], None] | None = None) -> Logits:
        """The same after the teacher's own activation: what its ``predict`` gives, (n, C) float32."""
        import torch

        logits = torch.from_numpy(self.logits(pairs, progress))
        made: Logits = self.model.activation_fn(logits).numpy()
        return made

    def _predict(self, pairs: list[Pair]) -> Logits:
        import torch

        found = self.model.predict(
            pairs, batch_size=self._batch_size, activation_fn=torch.nn.Identity(), show_progress_bar=False
        )
        made = np.asarray(found, np.float32).reshape(len(pairs), -1)
        if not np.isfinite(made).all():
            raise ModelError(f"{self.directory} gives scores that are not finite.", "Train the teacher again.")
        self.scored += len(pairs)
        return made

    def _read(self) -> dict[bytes, Logits]:
        found: dict[bytes, Logits] = {}
        for path in sorted(self._folder.glob("*.npz")) if self._folder.is_dir() else []:
            with np.load(path) as part:
                found.update(zip(map(bytes, part["keys"]), part["logits"], strict=True))
        return found

    def _write(self, keys: Sequence[bytes], logits: Logits) -> None:
        part = self._folder / f"{uuid.uuid4().hex}.npz"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(part) as temporary, temporary.open("wb") as stream:
                np.savez(stream, keys=np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1), logits=logits)
        except OSError as error:
            raise from_os_error(error, "keeping the teacher's scores", part) from error


def taught(recipe: Recipe, tables: Sequence[Table], device: str) -> list[Table]:
    """Tables whose gold values are followed by the teacher's logits, for data sets with a teacher; the others as they are.

    A data set of plain pairs becomes scored pairs with the gold value nan.

    Raises:
        UsageError: the data set or its loss does not take a teacher, or has to have one and has none.
        DataError: labels and teacher's classes do not fit.
        ModelNotFoundError: there is no such teacher.
        ModelError: it is no cross-encoder.
    """
    return [_taught(recipe, source, table, device) for source, table in zip(recipe.data, tables, strict=True)]


def digest_of_teacher(directory: Path) -> str:
    """32 hex digits of all of a teacher's files but its card."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.suffix != ".md")
    return text_digest(" ".join(f"{path.relative_to(directory)} {file_digest(path)}" for path in files))


def _taught(recipe: Recipe, source: DataSource, table: Table, device: str) -> Table:
    loss = recipe.loss_of(source)
    if source.teacher is None:
        if loss.name == "dse" and table.shape == "pairs":
            raise UsageError(
                f"{table.name!r} has pairs without labels and no teacher: there is nothing to learn.",
                "Name a cross-encoder, as in teacher: models/cross-encoder.",
            )
        return table
    if loss.name != "dse":
        raise UsageError(
            f"The loss {loss.name!r} takes no teacher's scores.", "Use the loss dse, or leave teacher out."
        )
    from vecloom.encoders.resolve import resolve

    columns = table.text_columns
    pairs = list(zip(table.rows[columns[0]], table.rows[columns[1]], strict=True))
    teacher = Teacher(resolve(source.teacher.model), batch_size=source.teacher.batch_size, device=device)
    values = _values(teacher, pairs, table, source.teacher, checked_options(loss).task)
    return _with_values(table, columns, values)


def _values(teacher: Teacher, pairs: list[Pair], table: Table, choice: TeacherChoice, task: str) -> Logits:
    from accelerate import PartialState

    with PartialState(cpu=teacher._device == "cpu").main_process_first():  # the others read what the first one has kept
        found = teacher.scores(pairs) if task == "regression" else teacher.logits(pairs)
    found = found[:, _order(teacher, table, found.shape[1])]
    if task == "binary" and found.shape[1] == 2:
        found = found[:, 1:] - found[:, :1]
    # Divided only: a shift would move the boundary between the classes.
    return found / found.std() if choice.standardise and task != "regression" else found


def _order(teacher: Teacher, table: Table, classes: int) -> list[int]:
    """The teacher's logits in the order of the table's labels; by name where both have names."""
    ours = [name.lower() for name in table.labels]
    theirs = [name.lower() for name in teacher.label_names]
    if not ours or classes == 1:
        return list(range(classes))
    if not theirs:
        return _unnamed(table, classes)
    if sorted(ours) != sorted(theirs):
        raise DataError(
            f"The labels of {table.name!r} are {', '.join(table.labels)}, and the teacher's {', '.join(theirs)}.",
            "Call them alike, in the data or in the teacher's config.json.",
        )
    return [theirs.index(name) for name in ours]


def _unnamed(table: Table, classes: int) -> list[int]:
    raise DataError(
        f"{table.name!r} has labels by name, and the teacher's {classes} classes have none: their order is not known.",
        "Name them under id2label in the teacher's config.json, or number the labels in the data.",
    )


def _with_values(table: Table, columns: list[str], values: Logits) -> Table:
    from datasets import Dataset

    name = {"scored": "score", "labelled-pairs": "label"}.get(table.shape)
    gold = [float(value) for value in table.rows[name]] if name else [float("nan")] * len(table)
    texts = dict(zip(("sentence1", "sentence2"), ([*table.rows[column]] for column in columns), strict=True))
    known = [[own, *row] for own, row in zip(gold, values.tolist(), strict=True)]
    prompts = {new: table.prompts[old] for new, old in zip(texts, columns, strict=True) if old in table.prompts}
    rows = Dataset.from_dict({**texts, name or "score": known})
    return replace(table, shape=table.shape if name else "scored", rows=rows, prompts=prompts)


def _check_is_cross_encoder(directory: Path) -> None:
    config, settings = (_json(directory / name) for name in ("config.json", "config_sentence_transformers.json"))
    heads = [str(name) for name in config.get("architectures") or []]
    named = settings.get("model_type") == "CrossEncoder"
    if not named and not any(head.endswith("ForSequenceClassification") for head in heads):
        raise ModelError(
            f"{directory} is no cross-encoder: it has no head that scores pairs.",
            "Give a directory that sentence-transformers' CrossEncoder has saved.",
        )


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _key(pair: Pair) -> bytes:
    return blake2b(json.dumps(pair).encode(), digest_size=16).digest()
