"""What reading met: counts of everything that was read, skipped or repaired, for one line at the end of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

MAX_PLACES = 5  # "file:line" kept for invalid UTF-8: enough to find the cause, and the report stays small
MAX_NOTES = 20  # sentences kept about what was left out


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
        empty_texts: documents with an empty text; they are given out.
        bad_records: records left out because of ``skip_bad``.
        long_lines: those among ``bad_records`` that were longer than a line may be.
        invalid_utf8: lines (files, where a file is one document) with invalid UTF-8, which was replaced by U+FFFD.
        invalid_utf8_at: the first few of those as "file:line".
        windows_1252: lines (files, where a file is one document) that are not UTF-8 and were read as Windows-1252.
        windows_1252_at: the first few of those as "file:line".
        nul_bytes: lines and files from which NUL bytes were taken.
        vector_fields: names of fields that hold vectors, left out (a dict, for its order).
        notes: the first few sentences on what was left out and why.
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
    empty_texts: int = 0
    bad_records: int = 0
    long_lines: int = 0
    invalid_utf8: int = 0
    invalid_utf8_at: list[str] = field(default_factory=list)
    windows_1252: int = 0
    windows_1252_at: list[str] = field(default_factory=list)
    nul_bytes: int = 0
    vector_fields: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

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

    def summary(self) -> str:
        """One readable line; what did not happen is not mentioned."""
        skipped = _listed(
            (self.hidden, "hidden"),
            (self.binary, "binary"),
            (self.unsupported, "of other formats"),
            (self.unreadable, "unreadable"),
            (self.missing_extras, "needing 'vecloom[files]'"),
            (self.empty_files, "empty"),
        )
        parts = [f"{_many(self.documents, 'document')} from {_many(self.files, 'file')}"]
        if skipped:
            parts.append(f"files left out: {skipped}")
        if self.bad_records:
            too_long = f" ({self.long_lines:,} too long)" if self.long_lines else ""
            parts.append(f"{_many(self.bad_records, 'bad record')} left out{too_long}")
        if self.empty_texts:
            parts.append(_many(self.empty_texts, "empty text"))
        if self.invalid_utf8:
            parts.append(f"invalid UTF-8 replaced in {_places(self.invalid_utf8, self.invalid_utf8_at)}")
        if self.windows_1252:
            parts.append(f"not UTF-8, read as Windows-1252 in {_places(self.windows_1252, self.windows_1252_at)}")
        if self.nul_bytes:
            parts.append(f"NUL bytes removed in {_many(self.nul_bytes, 'place')}")
        if self.vector_fields:
            parts.append(f"fields of vectors left out: {', '.join(self.vector_fields)}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, object]:
        """All counts, ready for JSON."""
        return {**asdict(self), "vector_fields": list(self.vector_fields)}


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _places(count: int, known: list[str]) -> str:
    more = ", ..." if count > len(known) else ""
    return f"{_many(count, 'place')} (at {', '.join(known)}{more})"


def _listed(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count:,} {name}" for count, name in counts if count)
