"""Write the standard library's docstrings as JSON lines: what `make demo` indexes.

The rule: every top-level name in ``sys.stdlib_module_names`` that does not start with an underscore and has Python
source, without the interpreter's own tests, the programs that are shipped as packages, and two jokes. Of each, every
module, class, function and method that has a docstring. Modules written in C have no source here and are left out.
Nothing is imported: vecloom's own reader parses the files.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import vecloom as vl

LEFT_OUT = {
    "antigravity",  # a joke
    "ensurepip",  # installs pip
    "idlelib",  # an editor
    "lib2to3",  # a converter from Python 2
    "pydoc_data",  # the language reference as one dictionary
    "test",
    "this",  # a joke
    "turtledemo",
}


def modules(folder: Path) -> list[str]:
    """Names in ``folder`` of the modules and packages to read, sorted."""
    names = sorted(name for name in sys.stdlib_module_names if not name.startswith("_") and name not in LEFT_OUT)
    places = (place for name in names for place in (name, f"{name}.py"))
    return [place for place in places if (folder / place).exists()]


def documented(folder: Path) -> Iterator[vl.Document]:
    """Everything with a docstring in the modules below ``folder``; ids are paths below it."""
    os.chdir(folder)
    inputs = [f"{name}/**/*.py" if Path(name).is_dir() else name for name in modules(folder)]
    return (document for document in vl.read(inputs) if document.fields.get("documented"))


def record(document: vl.Document) -> dict[str, object]:
    """A document as one JSON object."""
    known = {name: document.fields[name] for name in ("kind", "lineno")}
    return {"id": document.id, "title": document.title, "text": document.text, **known}


if __name__ == "__main__":
    for found in documented(Path(sysconfig.get_path("stdlib"))):
        print(json.dumps(record(found)))
