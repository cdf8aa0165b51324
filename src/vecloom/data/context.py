"""What every format's reader is given: the file (``Source``) and how to read it (``Context``).

``Context`` also holds the two rules for what cannot be read. A bad record stops the run, naming file and line, unless
``skip_bad``. A bad file stops it likewise when the user named it, and is counted when it was merely found in a folder.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from vecloom.data.fields import (
    BadRecordError,
    Columns,
    FieldMap,
    check_title_alone,
    find_columns,
    is_vector,
    to_document,
)
from vecloom.data.names import STDIN, file_of
from vecloom.data.records import Document
from vecloom.data.report import ReadReport
from vecloom.data.vectors import VectorColumn, WidthError
from vecloom.errors import DataError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BYTES = 64 * 1024 * 1024
"""Longest line, and largest text file that is one document: beyond it a record is bad, so that memory stays bounded."""
BUFFER = 1024 * 1024


@dataclass(frozen=True)
class Source:
    """One file to read.

    Attributes:
        name: the path as given or as found, in its shortest spelling and as text; "-" for standard input.
        explicit: the user named this very file (not a folder or a glob).
        file: what is opened, where that is not ``name``.
    """

    name: str
    explicit: bool = True
    file: str | None = None

    @property
    def path(self) -> Path:
        """The file's path."""
        return Path(file_of(self.name) if self.file is None else self.file)


@dataclass
class Context:
    """How to read, and where to count.

    Attributes:
        fields: column names.
        skip_bad: count bad records and files instead of stopping.
        lines: a .txt file is one document per line.
        report: the counts.
        lenient: how a caller has bad records skipped, for what an error advises; empty where there is no way.
        vectors: the column that holds the documents' vectors; None where there is none.
    """

    fields: FieldMap = field(default_factory=FieldMap)
    skip_bad: bool = False
    lines: bool = False
    report: ReadReport = field(default_factory=ReadReport)
    lenient: str = "with --skip-bad"
    vectors: VectorColumn | None = None
    _met: set[Columns] = field(default_factory=set, init=False, repr=False)

    def bad_record(self, source: Source, line: int, what: str, todo: str = "", *, unit: str = "line") -> None:
        """Stop at a bad record, or count it.

        Args:
            source: the file.
            line: 1-based line or ordinal.
            what: the rest of the sentence after "file, line n: ".
            todo: what to do; a general advice where it is empty.
            unit: what ``line`` counts.

        Raises:
            DataError: unless ``skip_bad``.
        """
        sentence = f"{source.name}, {unit} {line}: {what}"
        if not self.skip_bad:
            raise DataError(sentence, todo or f"Correct it, or leave such records out {self.lenient}.")
        self.report.bad_records += 1
        self.report.note(sentence)

    def bad_file(self, source: Source, what: str, todo: str = "", *, always: bool = False) -> None:
        """Stop at a file that cannot be read, or count it.

        Args:
            source: the file.
            what: the rest of the sentence after "file: ".
            todo: what to do.
            always: stop also where the file was found in a folder: it holds records, and losing them all in
                silence is worse than a stop.

        Raises:
            DataError: the file was named (or ``always``), and not ``skip_bad``.
        """
        sentence = f"{source.name}: {what}"
        if (source.explicit or always) and not self.skip_bad:
            raise DataError(sentence, todo or f"Correct or remove it, or leave such files out {self.lenient}.")
        self.report.unreadable += 1
        self.report.note(sentence)

    def document(
        self, record: Mapping[str, object], source: Source, position: int, *, unit: str = "line"
    ) -> Document | None:
        """Make a document of a record; None where it is bad and bad records are skipped.

        Raises:
            DataError: it is bad, and not ``skip_bad``.
            UsageError: the first vector of ``vectors`` has another width than the model's.
        """
        try:
            vector, record = self.vectors.take(record) if self.vectors is not None else (None, record)
            record = self._without_vectors(record)
            self._meet(record)
            return replace(to_document(record, self.fields, source.name, position), vector=vector)
        except WidthError as error:
            if self.vectors is not None and not self.vectors.met:
                raise UsageError(f"{source.name}, {unit} {position}: {error.what}", error.todo) from None
            self.bad_record(source, position, error.what, error.todo, unit=unit)
        except BadRecordError as error:
            self.bad_record(source, position, error.what, error.todo, unit=unit)
        return None

    def _without_vectors(self, record: Mapping[str, object]) -> Mapping[str, object]:
        """The record without its other vectors, which would be longer than all else in an answer."""
        names = [name for name, value in record.items() if is_vector(value)]
        if not names:
            return record
        used = find_columns(self.fields, tuple(record))
        left_out = [name for name in names if name not in used]
        self.report.vector_fields.update(dict.fromkeys(left_out))
        return {name: value for name, value in record.items() if name not in left_out}

    def _meet(self, record: Mapping[str, object]) -> None:
        columns = find_columns(self.fields, tuple(record))
        if columns in self._met:
            return
        if columns.text is None and columns.title is not None and not self.report.text_columns:
            check_title_alone(record, columns, self.fields)
        self._met.add(columns)
        self.report.meet(columns.text, columns.title)


class _Counted(io.RawIOBase):
    """A raw file that tells how many bytes were taken from it."""

    def __init__(self, raw: IO[bytes], count: Callable[[int], None]) -> None:
        self._raw, self._count = raw, count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        taken = cast(int, self._raw.readinto(buffer))  # type: ignore[attr-defined]
        self._count(taken or 0)
        return taken

    def close(self) -> None:
        if not self.closed and self._raw is not sys.stdin.buffer:
            self._raw.close()
        super().close()


@contextmanager
def open_bytes(source: Source, context: Context) -> Iterator[io.BufferedReader]:
    """Open a file or standard input for reading, decompressed by its last suffix (.gz, .zst), buffered and counted.

    Raises:
        OSError, EOFError, zlib.error: it cannot be opened, or its compressed data is broken or ends too early; what
            came before has been given out by then.
    """
    report = context.report

    def count(taken: int) -> None:
        report.bytes_read += taken

    raw = sys.stdin.buffer if source.name == STDIN else source.path.open("rb", buffering=0)
    raw_bytes = cast(io.RawIOBase, _Counted(raw, count))
    with io.BufferedReader(raw_bytes, BUFFER) as buffered, _decompressed(source.name, buffered) as stream:
        yield stream


def _decompressed(name: str, stream: Any) -> io.BufferedReader:
    suffix = Path(name).suffix.lower()
    if suffix == ".gz":
        import gzip

        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)), BUFFER)
    if suffix == ".zst":
        import pyarrow  # python-zstandard's stream reader takes a truncated file for a complete one

        return io.BufferedReader(pyarrow.CompressedInputStream(stream, "zstd"), BUFFER)
    return cast(io.BufferedReader, stream)
