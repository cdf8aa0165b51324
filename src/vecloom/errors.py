"""Every error a user can meet: one sentence of what happened, one of what to do next.

The command line prints both and exits with ``exit_code``; a traceback appears only under ``--debug``.
Errors are raised where data enters (reading, parsing, loading); inside, code trusts its input.
"""

from __future__ import annotations

import errno
from os import PathLike


class VecloomError(Exception):
    """Base of all errors that vecloom raises on purpose.

    Args:
        what: what is wrong, with the value and the place (file, line, name).
        todo: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(f"{what} {todo}".strip())
        self.what = what
        self.todo = todo


class UsageError(VecloomError):
    """The call itself was wrong: an option, a name or a value that cannot be."""

    exit_code = 2


class DataError(VecloomError):
    """Something that was read is not what it has to be."""


class ModelError(VecloomError):
    """A model directory is broken, incomplete or of a kind that cannot be run."""


class ModelNotFoundError(ModelError):
    """No model has this name here."""


class BackendError(VecloomError):
    """A runtime backend is missing or cannot run this model."""


class MissingExtraError(VecloomError):
    """An optional package is needed; the sentence names the extra to install."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, f"Install it with: pip install 'vecloom[{extra}]'")


class RemoteError(VecloomError):
    """A remote embedding endpoint refused, failed or answered nonsense."""


class StoreError(VecloomError):
    """A search index is missing, broken, or newer than this vecloom."""


class ModelMismatchError(StoreError):
    """An index was made by another model than the one that asks."""


class StoreBusyError(StoreError):
    """Another process writes to an index and did not end in time."""


class DocumentNotFoundError(StoreError):
    """An index holds no document of this name."""


class DeskError(VecloomError):
    """The literature desk's state is broken, newer than this vecloom, or lacks what was named."""


class TokenError(DeskError):
    """A link of a mail is forged, for another purpose, too old, or was used before."""


class MailError(VecloomError):
    """The mail server cannot be reached, or refuses what is not the fault of one recipient."""


class FilterError(UsageError):
    """A ``where`` filter does not parse, names a field that is not there, or compares what cannot be compared."""


class FilterTimeError(VecloomError):
    """A ``where`` filter takes longer to evaluate than allowed."""


class OutputError(VecloomError):
    """Results cannot be written: disk full, read-only, no permission."""


_OS_ADVICE = {
    errno.ENOSPC: ("the disk is full", "Free some space and run the same command again; finished parts are kept."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and run the same command again."),
    errno.EROFS: ("the file system is read-only", "Choose an output on a writable disk."),
    errno.EACCES: ("permission was denied", "Check the owner and the mode of the file and its folder."),
    errno.EPERM: ("the operation is not permitted", "Check the owner and the mode of the file and its folder."),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Correct the path."),
    errno.EISDIR: ("it is a folder, not a file", "Correct the path."),
    errno.EMFILE: ("too many files are open", "Raise the limit with 'ulimit -n 4096'."),
}


def from_os_error(error: OSError, doing: str, path: str | PathLike[str] | None = None) -> OutputError:
    """Put an operating-system error into a sentence.

    Args:
        error: what the system raised.
        doing: what was being done, as in "writing the vectors".
        path: the file concerned; taken from ``error`` where it is not given.
    """
    reason, todo = _OS_ADVICE.get(error.errno or 0, (error.strerror or str(error), "Correct this and try again."))
    where = path or error.filename
    return OutputError(f"{doing} failed{f' at {where}' if where else ''}: {reason}.", todo)


def first_line(error: BaseException) -> str:
    """What another library's error says in its first line, without the full stop; its class name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
