"""What reading met: counts of everything that was read, skipped or repaired, for one line at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from vecloom.wording import MOST_NAMES, counted, some

MAX_PLACES = 5  # "file:line" kept for invalid UTF-8: enough to find the cause, and the report stays small
MAX_NOTES = 20  # sentences kept about what was left out

LEFT_OUT = {
    "hidden": "hidden",
    "excluded": "excluded",
    "binary": "binary",
    "unsupported": "of other formats",
    "unreadable": "unreadable",
    "missing_extras": "needing 'vecloom[files]'",
    "empty_files": "empty",
    "repeated": "named twice or linked",
    "index_files": "of search indexes",
}
"""Kinds of files that are not read, and what they are called."""


@dataclass
class ReadReport:
    """Counts that grow while ``read`` goes on.

    Attributes:
        files: files (and standard input) that were opened.
        documents: documents that were given out.
        bytes_read: bytes taken from the files, before decompression; grows to the sum of their sizes.
        hidden: files and folders whose name starts with a dot, left out.
        binary: files that are no text, left out.
        unsupported: files of a kind that is not read, left out.
        unreadable: files with a known format that cannot be read (broken, no permission, not parsable), left out.
        missing_extras: files that need an optional package which is not installed, left out.
        empty_files: files of 0 bytes or without any text.
        excluded: files and folders that ``--include`` and ``--exclude`` do not take.
        repeated: files that came by before, named twice or by a link.
        index_files: folders that are search indexes, left out.
        renamed: files that an index knows under another name, which they keep.
        empty_texts: documents with neither text nor title; they are given out.
        bad_records: records left out because of ``skip_bad``.
        long_lines: those among ``bad_records`` that were longer than a line may be.
        invalid_utf8: lines (files, where a file is one document) with invalid UTF-8, which was replaced by U+FFFD.
        invalid_utf8_at: the first few of those as "file:line".
        windows_1252: lines (files, where a file is one document) that are not UTF-8 and were read as Windows-1252.
        windows_1252_at: the first few of those as "file:line".
        nul_bytes: lines and files from which NUL bytes were taken.
        repeated_keys: records in JSON with a key that comes twice; its last value is kept.
        repeated_keys_at: the first few of those as "file:line".
        vector_fields: names of fields that hold vectors, left out (a dict, for its order).
        notes: the first few sentences on what was left out and why.
        text_columns: columns of records that became the text.
        title_columns: columns of records that became the title.
        names: the first few of each kind of file that was left out.
    """

    files: int = 0
    documents: int = 0
    bytes_read: int = 0
    hidden: int = 0
    binary: int = 0
    unsupported: int = 0
    unreadable: int = 0
    missing_extras: int = 0
    empty_files: int = 0
    excluded: int = 0
    repeated: int = 0
    index_files: int = 0
    renamed: int = 0
    empty_texts: int = 0
    bad_records: int = 0
    long_lines: int = 0
    invalid_utf8: int = 0
    invalid_utf8_at: list[str] = field(default_factory=list)
    windows_1252: int = 0
    windows_1252_at: list[str] = field(default_factory=list)
    nul_bytes: int = 0
    repeated_keys: int = 0
    repeated_keys_at: list[str] = field(default_factory=list)
    vector_fields: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    text_columns: list[str] = field(default_factory=list)
    title_columns: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)

    def meet(self, text: str | None, title: str | None) -> None:
        """Keep which columns of a record were its text and its title."""
        for column, known in ((text, self.text_columns), (title, self.title_columns)):
            if column is not None and column not in known:
                known.append(column)

    def note(self, sentence: str) -> None:
        """Keep a sentence, as long as there are few."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(sentence)

    def invalid(self, name: str, line: int) -> None:
        """Count one place with invalid UTF-8."""
        self.invalid_utf8 += 1
        if len(self.invalid_utf8_at) < MAX_PLACES:
            self.invalid_utf8_at.append(f"{name}:{line}")

    def decoded(self, done: str, name: str, line: int) -> None:
        """Count one place by what was done to its bytes: "windows-1252", "replaced" or nothing."""
        if done == "replaced":
            self.invalid(name, line)
        elif done == "windows-1252":
            self.windows_1252 += 1
            if len(self.windows_1252_at) < MAX_PLACES:
                self.windows_1252_at.append(f"{name}:{line}")

    def repeat_keys(self, name: str, line: int) -> None:
        """Count one record with a key that comes twice."""
        self.repeated_keys += 1
        if len(self.repeated_keys_at) < MAX_PLACES:
            self.repeated_keys_at.append(f"{name}:{line}")

    @property
    def left_out(self) -> dict[str, int]:
        """How many files of each kind were left out."""
        return {kind: getattr(self, kind) for kind in LEFT_OUT}

    def leave_out(self, kind: str, name: str) -> None:
        """Count a file that is not read, and keep the first few names."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.name(kind, name)

    def name(self, kind: str, name: str) -> None:
        """Keep the name of what was counted, as long as there are few."""
        known = self.names.setdefault(kind, [])
        if len(known) < MOST_NAMES:
            known.append(name)

    def listed(self, counts: Mapping[str, int], *, names: bool = True) -> str:
        """Counts by kind in words, each with the first few names."""
        return ", ".join(
            f"{count:,} {LEFT_OUT[kind]}{self._named(kind, count) if names else ''}"
            for kind, count in counts.items()
            if count
        )

    def _named(self, kind: str, count: int) -> str:
        names = self.names.get(kind)
        return f" ({some(names, count)})" if names else ""

    def columns(self) -> str:
        """Which columns of records were read as what, in words; "" where there were no records."""
        parts = [
            f"{role} from {'column' if len(names) == 1 else 'columns'} {' and '.join(map(repr, names))}"
            for role, names in (("text", self.text_columns), ("title", self.title_columns))
            if names
        ]
        if self.title_columns and not self.text_columns:
            parts.append("no column holds a text, so titles alone are read (--field text=NAME names one)")
        return ", ".join(parts)

    def summary(self) -> str:
        """One readable line; what did not happen is not mentioned."""
        parts = [f"{counted(self.documents, 'document')} from {counted(self.files, 'file')}"]
        if any(self.left_out.values()):
            parts.append(f"files left out: {self.listed(self.left_out)}")
        if self.renamed:
            parts.append(
                f"known under another name and not added twice: {self.renamed:,}{self._named('renamed', self.renamed)}"
            )
        if self.bad_records:
            too_long = f" ({self.long_lines:,} too long)" if self.long_lines else ""
            parts.append(f"{counted(self.bad_records, 'bad record')} left out{too_long}")
        if self.empty_texts:
            parts.append(counted(self.empty_texts, "empty text") + self._named("empty_texts", self.empty_texts))
        return "; ".join([*parts, *self._repairs()])

    def _repairs(self) -> list[str]:
        found = []
        if self.invalid_utf8:
            found.append(f"invalid UTF-8 replaced in {_places(self.invalid_utf8, self.invalid_utf8_at)}")
        if self.windows_1252:
            found.append(f"not UTF-8, read as Windows-1252 in {_places(self.windows_1252, self.windows_1252_at)}")
        if self.nul_bytes:
            found.append(f"NUL bytes removed in {counted(self.nul_bytes, 'place')}")
        if self.repeated_keys:
            places = _places(self.repeated_keys, self.repeated_keys_at)
            found.append(f"keys that come twice in {places}, last value kept")
        if self.vector_fields:
            found.append(f"fields of vectors left out: {', '.join(self.vector_fields)}")
        return found

    def as_dict(self) -> dict[str, object]:
        """All counts, ready for JSON."""
        return {**asdict(self), "vector_fields": list(self.vector_fields)}


def _places(count: int, known: list[str]) -> str:
    more = ", ..." if count > len(known) else ""
    return f"{counted(count, 'place')} (at {', '.join(known)}{more})"
