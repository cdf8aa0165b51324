"""Embed any amount of text into one file: bounded memory, safe against interruption, the same result either way.

Documents are gathered into buffers by a rule that knows the input alone; each buffer is encoded by itself and becomes
a part on disk; at the end the parts are joined. After a kill the same call reads the input again, checks by digest that
it is still the input of the parts that are there, and goes on with the first buffer that is missing. So even standard
input can be resumed, by piping the same again. The output needs its own size twice on disk until it is complete.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.data.chunks import token_counter
from vecloom.data.heads import cut
from vecloom.data.records import Document
from vecloom.data.selection import ALL, Selection
from vecloom.embed import parts, quantize
from vecloom.embed.formats import FORMATS
from vecloom.embed.quantize import Dtype, Floats
from vecloom.embed.rows import Limits, Row, ahead, buffers, digest
from vecloom.embed.settings import Settings
from vecloom.encoders.protocol import Encoder, Kind, Progress
from vecloom.errors import DataError, ModelError, OutputError, UsageError, from_os_error
from vecloom.files import sync
from vecloom.outputs import check_apart

if TYPE_CHECKING:
    from vecloom.data import FieldMap, ReadReport

SIDE_FILES = (".rows.jsonl", ".json")  # what formats write beside the output
Total = Callable[[int], None]
"""Called once, when the number of rows is known."""


@dataclass(frozen=True)
class EmbedSummary:
    """What a finished job did.

    Attributes:
        output: the file that was written.
        rows: vectors in it.
        dim: dimensions of each.
        dtype: how they are stored.
        encoded: rows encoded by this call; the others came from parts that were there.
        truncated: texts longer than the encoder reads, in all rows.
        seconds: wall time of this call.
    """

    output: str
    rows: int
    dim: int
    dtype: str
    encoded: int
    truncated: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows encoded per second by this call."""
        return self.encoded / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "rows_per_second": round(self.rate, 1)}


def check_output(output: str | PathLike[str]) -> Path:
    """Say early whether ``output`` can be written.

    Raises:
        UsageError: its suffix names no format.
        OutputError: it is a folder.
    """
    path = Path(output)
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"The output {path} has no suffix that names a format.", f"Use one of {known}.")
    if path.is_dir():
        raise OutputError(f"The output {path} is a folder.", "Give the name of a file in it.")
    return path


def run(
    inputs: Sequence[str],
    encoder: Encoder,
    output: str | PathLike[str],
    *,
    kind: Kind = "document",
    prompt: str | None = None,
    dim: int | None = None,
    dtype: Dtype = "float32",
    with_text: bool = False,
    with_fields: bool = False,
    buffer: Limits | None = None,
    fields: FieldMap | None = None,
    skip_bad: bool = False,
    lines: bool = False,
    report: ReadReport | None = None,
    selection: Selection | None = None,
    restart: bool = False,
    progress: Progress | None = None,
    total: Total | None = None,
) -> EmbedSummary:
    """Embed files into one output file; called again after an interruption, go on where it stopped.

    Args:
        inputs: files, folders, globs or "-", as ``vecloom.data.read`` takes them.
        encoder: the model.
        output: path ending in ``.parquet``, ``.npy`` or ``.jsonl``; replaced when all is done.
        kind: which of the model's stored prompts to use.
        prompt: text to put before each text instead.
        dim: keep the first ``dim`` dimensions, renormalised.
        dtype: how to store vectors; the int8 range is that of the first buffer, later values saturate.
        with_text: write the encoded text too.
        with_fields: write the records' other fields too.
        buffer: how much is encoded at once and kept in memory.
        fields: which of a record's fields are text, title and id.
        skip_bad: count records that cannot be read instead of stopping.
        lines: take each line of a text file as a document.
        report: filled with what was read and skipped.
        selection: which files of folders and globs are read; all where None.
        restart: throw away what an interrupted call left.
        progress: called as rows are finished.
        total: called when the number of rows is known.

    Raises:
        UsageError: unknown suffix, dtype or dim, the output is an input, or the interrupted job had other settings.
        DataError: a record cannot be read, or the input is not what it was when the job was interrupted.
        ModelError: the model gave NaN or infinity.
        OutputError: disk full, no permission, or another process writes the same output.
    """
    from vecloom import data

    for ending in ("", *SIDE_FILES):
        check_apart(f"{os.fspath(output)}{ending}", inputs)
    mapping = data.FieldMap() if fields is None else fields
    documents = data.read(
        inputs, fields=mapping, skip_bad=skip_bad, report=report, lines=lines, selection=selection or ALL
    )
    settings = Settings(kind, prompt, dim, dtype, with_text, with_fields, buffer or Limits())
    return run_documents(documents, encoder, output, settings, restart=restart, progress=progress, total=total)


def run_documents(
    documents: Iterable[Document],
    encoder: Encoder,
    output: str | PathLike[str],
    settings: Settings | None = None,
    *,
    restart: bool = False,
    progress: Progress | None = None,
    total: Total | None = None,
) -> EmbedSummary:
    """Do what ``run`` does, with documents from anywhere.

    Args:
        documents: in the same order at each call; read in a thread while the encoder works.
        encoder: the model.
        output: path ending in ``.parquet``, ``.npy`` or ``.jsonl``; replaced when all is done.
        settings: what to write and how.
        restart: throw away what an interrupted call left.
        progress: called as rows are finished.
        total: called when the number of rows is known.
    """
    path = check_output(output)
    fitted = (settings or Settings()).fitted(encoder)
    job_of = {
        "model": encoder.fingerprint,
        "format": path.suffix.lower(),
        "runs on": _runs_on(encoder),
        **asdict(fitted),
    }
    started = time.perf_counter()
    with parts.opened(path, job_of, restart=restart) as folder:
        job = _Job(encoder, fitted, folder, path)
        made = job.make_parts(documents, progress, total)
        job.finish(made)
    return EmbedSummary(
        output=str(path),
        rows=sum(part.rows for part in made),
        dim=job.layout.dim,
        dtype=fitted.dtype,
        encoded=job.encoded,
        truncated=sum(part.truncated for part in made),
        seconds=round(time.perf_counter() - started, 3),
    )


class _Job:
    """One call's state: what it writes with, and how much it encoded."""

    def __init__(self, encoder: Encoder, settings: Settings, folder: parts.PartFolder, output: Path) -> None:
        self.encoder = encoder
        self.settings = settings
        self.folder = folder
        self.output = output
        self.format = FORMATS[output.suffix.lower()]
        self.layout = settings.layout(encoder)
        self.encoded = 0

    def make_parts(
        self, documents: Iterable[Document], progress: Progress | None, total: Total | None
    ) -> list[parts.Part]:
        """Make every part that is missing and return all of them."""
        made: list[parts.Part] = []
        settings = self.settings
        rows_of = buffers(
            documents, settings.buffer, with_fields=settings.with_fields, shorten=_shorten_for(self.encoder)
        )
        with closing(ahead(_counted(rows_of, total))) as ready:
            for number, rows in enumerate(ready):
                part = self.folder.find(number)
                if part is None:
                    part = self._make(number, rows, progress)
                else:
                    self._compare(part, rows, sum(earlier.rows for earlier in made))
                    if progress:
                        progress(part.rows)
                made.append(part)
        if self.folder.find(len(made)):
            raise self._other_input(sum(part.rows for part in made))
        return made

    def finish(self, made: Sequence[parts.Part]) -> None:
        """Join the parts and put the result in place, the output itself last."""
        about = self._about() | {"rows": sum(part.rows for part in made)}
        about["int8"] = self.folder.span.as_dict() if self.folder.span else None
        stems = [self.folder.stem(number) for number in range(len(made))]
        with _writing(self.output):
            joined = self.format.join(stems, self.folder.path, self.layout, about)
            for suffix, file in sorted(joined.items(), reverse=True):
                file.replace(self.output.with_name(self.output.name + suffix))
            sync(self.output.parent)

    def _about(self) -> dict[str, Any]:
        settings, encoder = self.settings, self.encoder
        told: dict[str, Any] = {
            "vecloom": version("vecloom"),
            "model": encoder.name,
            "fingerprint": encoder.fingerprint,
        }
        told["backend"] = _runs_on(encoder)
        return told | {"kind": settings.kind, "prompt": settings.prompt, "dim": settings.dim, "dtype": settings.dtype}

    def _make(self, number: int, rows: list[Row], progress: Progress | None) -> parts.Part:
        before = int(getattr(self.encoder, "truncated", 0))
        vectors = self._encode(rows, progress)
        truncated = int(getattr(self.encoder, "truncated", 0)) - before
        with _writing(self.output):
            if self.settings.dtype == "int8" and self.folder.span is None:
                self.folder.keep_span(quantize.calibrate(vectors))
            codes = quantize.quantize(vectors, self.settings.dtype, self.folder.span)
            written = self.format.write_part(self.folder.stem(number), rows, codes, self.layout)
            part = self.folder.finish(number, written, rows=len(rows), digest=digest(rows), truncated=truncated)
        self.encoded += len(rows)
        return part

    def _encode(self, rows: list[Row], progress: Progress | None) -> Floats:
        settings = self.settings
        texts = [row.text for row in rows]
        vectors = self.encoder.encode(
            texts, kind=settings.kind, dim=settings.dim, prompt=settings.prompt, progress=progress
        )
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            row = rows[int(np.argmin(finite))]
            raise ModelError(
                f"{self.encoder.name} gave NaN or infinity for {row.id!r} ({row.source}:{row.position}).",
                "Try --backend torch, or another model.",
            )
        return vectors

    def _compare(self, part: parts.Part, rows: Sequence[Row], before: int) -> None:
        if part.digest != digest(rows):
            raise self._other_input(before)

    def _other_input(self, before: int) -> DataError:
        return DataError(
            f"The input is not what it was when this job was interrupted: it differs after row {before:,}.",
            self.folder.advice,
        )


def _shorten_for(encoder: Encoder) -> Callable[[str], str]:
    """Cuts titles to a quarter of what the encoder reads: the text after it needs the rest."""
    tokens = token_counter(encoder.tokenizer)
    return lambda title: cut(title, encoder.max_length // 4, tokens)


def _runs_on(encoder: Encoder) -> str | None:
    # Backends agree to three digits; rows of one output are to agree to the last bit.
    session = getattr(encoder, "session", None)
    return f"{session.backend} {session.precision}" if session else None


def _counted(rows_of: Iterable[list[Row]], total: Total | None) -> Iterator[list[Row]]:
    count = 0
    for rows in rows_of:
        count += len(rows)
        yield rows
    if total:
        total(count)


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, "Writing the vectors", output) from error
