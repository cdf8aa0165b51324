"""Python source: modules, classes, functions and methods as documents, found by the standard library's own parser.

A documented object gives its signature line and its docstring; a function without docstring its
source (which starts with the signature). Functions
inside functions count only where they are documented. Nothing is imported or run.
"""

from __future__ import annotations

import ast
import io
import textwrap
import tokenize
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

from vecloom.data.context import Context, Source
from vecloom.data.decoding import decode_file
from vecloom.data.fields import clean
from vecloom.data.formats import plain
from vecloom.data.records import Document

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = Function | ast.ClassDef


class Found(NamedTuple):
    """A module, class or function of a file; ``name`` is dotted from the module down, "" for the module."""

    name: str
    kind: str
    node: ast.Module | Definition


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read the documented objects and the functions of a file.

    Each document's id is ``path::Qual.name`` (``path`` for the module; the second object of a name gets "~2"), its
    title the dotted name with the module's, its fields are kind (module, class, function, method), name, lineno and
    documented.
    """
    data = plain.load_bytes(source, context)
    if data is None:
        return
    text = decode_file(data, source, context, _declared_encoding(data))
    try:
        tree = _parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "it is nested too deeply"
        context.bad_file(source, f"this is not Python that can be parsed{line}: {reason}.")
        return
    documents = _documents(tree, text, source)
    first = next(documents, None)
    if first is None:
        context.report.empty_files += 1
        return
    yield first
    yield from documents


def _declared_encoding(data: bytes) -> str:
    try:
        return tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    except (SyntaxError, UnicodeDecodeError):
        return "utf-8"  # Python has no other: what is not UTF-8 is damage


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's code are not ours to report
        return ast.parse(text)


def _documents(tree: ast.Module, text: str, source: Source) -> Iterator[Document]:
    module = _module_name(source.path)
    # the parser counts lines by "\\n" only; splitlines would also cut at form feeds
    lines = text.split("\n")
    seen: dict[str, int] = {}
    for position, (found, body, documented) in enumerate(_described(tree, lines), 1):
        seen[found.name] = seen.get(found.name, 0) + 1
        again = f"~{seen[found.name]}" if seen[found.name] > 1 else ""
        yield Document(
            id=f"{source.name}::{found.name}{again}" if found.name else source.name,
            text=body,
            title=".".join(part for part in (module, found.name) if part),
            source=source.name,
            position=position,
            fields={
                "kind": found.kind,
                "name": found.name or module,
                "lineno": getattr(found.node, "lineno", 1),
                "documented": documented,
            },
        )


def _described(tree: ast.Module, lines: list[str]) -> Iterator[tuple[Found, str, bool]]:
    for found in _walk(tree):
        docstring = clean(ast.get_docstring(found.node) or "").strip()
        if docstring:
            head = "" if isinstance(found.node, ast.Module) else f"{signature(found.node)}\n"
            yield found, head + docstring, True
        elif isinstance(found.node, Function) and "<locals>" not in found.name:
            yield found, _source(found.node, lines), False


def _walk(tree: ast.Module) -> Iterator[Found]:
    yield Found("", "module", tree)
    waiting: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
    while waiting:
        node, prefix, in_class = waiting.pop()
        below: list[tuple[ast.AST, str, bool]] = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                yield Found(f"{prefix}{child.name}", "class", child)
                below.append((child, f"{prefix}{child.name}.", True))
            elif isinstance(child, Function):
                yield Found(f"{prefix}{child.name}", "method" if in_class else "function", child)
                below.append((child, f"{prefix}{child.name}.<locals>.", False))
            elif isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
                below.append((child, prefix, in_class))
        waiting.extend(reversed(below))


def signature(node: Definition) -> str:
    """Return the line that declares a class or function, without decorators and body."""
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in [*node.bases, *node.keywords])
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{word} {node.name}({ast.unparse(node.args)}){returns}"


def _source(node: Function, lines: list[str]) -> str:
    return textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])).rstrip()


def _module_name(path: Path) -> str:
    """Dotted name as it is imported: folders count as long as they are packages."""
    package = _package_name(path.parent)
    own = "" if path.stem == "__init__" else path.stem
    return ".".join(part for part in (package, own) if part) or path.parent.name


@lru_cache(maxsize=1024)
def _package_name(folder: Path) -> str:
    if not folder.name or not (folder / "__init__.py").exists():
        return ""
    above = _package_name(folder.parent)
    return f"{above}.{folder.name}" if above else folder.name
