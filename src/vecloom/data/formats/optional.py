"""Whether the optional packages that a format needs are installed."""

from __future__ import annotations

import importlib.util

from vecloom.data.context import Context, Source
from vecloom.errors import MissingExtraError


def is_available(source: Source, context: Context, *modules: str) -> bool:
    """Whether all modules are there; a file that has to be left out is counted.

    Raises:
        MissingExtraError: one is not there, and the user named this file.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return True
    sentence = f"{source.name} cannot be read: {', '.join(missing)} is not installed."
    if source.explicit:
        raise MissingExtraError(sentence, "files")
    context.report.missing_extras += 1
    context.report.note(f"{sentence} Run: pip install 'vecloom[files]'")
    return False
