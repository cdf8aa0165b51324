"""The YAML file behind a recipe: values with the lines they stand on, overrides, and errors that name both.

Our own, on PyYAML's node tree. Knows nothing of what the keys mean: ``recipe`` hands over its table of keys.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from vecloom.errors import UsageError, first_line
from vecloom.wording import counted

Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands: ("data", 0, "path")."""

COMMAND_LINE = "command line"
GIVEN = "given in Python"
_SHORT: dict[Place, str] = {
    ("loss",): "name",
    ("data", "*"): "path",
    ("data", "*", "loss"): "name",
    ("data", "*", "teacher"): "model",
    ("evaluation", "tasks", "*"): "path",
}
"""Where a scalar may stand for a mapping, and for which of its keys."""
_LISTS: tuple[Place, ...] = (("data",), ("evaluation", "tasks"))
"""Where a single item may stand for a list of one."""


@dataclass(frozen=True)
class Tree:
    """What a file and its overrides say.

    Attributes:
        value: mappings, lists and scalars, as YAML has them.
        origins: for each place, "recipe.yaml:7" or "command line".
        file: the file's name, for people.
    """

    value: Any
    origins: Mapping[Place, str]
    file: str

    def at(self, place: Place) -> str:
        """The line of a place, or of the nearest place around it."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.origins:
                return self.origins[place[:length]]
        return self.file


def read(path: Path, overrides: Sequence[str] = ()) -> Tree:
    """Read a file, write its shorthands out, and lay ``key=value`` overrides over it.

    Raises:
        UsageError: the file is no YAML mapping, a key stands twice in it, or an override does not parse or fit.
    """
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        value = loader.construct_document(node) if node is not None else {}
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.", "Convert it to UTF-8.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no YAML: {_reason(error)}.", "Correct the line.") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} is no mapping of keys to values.", "Write lines such as 'model: minilm'.")
    origins = dict(_lines(node, (), path)) if node is not None else {}
    tree = _shorthand(Tree(value, origins, path.name))
    for override in overrides:
        tree = _shorthand(_overridden(tree, override))
    return tree


def _shorthand(tree: Tree) -> Tree:
    """Write out scalars that stand for a mapping, and single items that stand for a list."""
    value, origins = copy.deepcopy(tree.value), dict(tree.origins)
    for place in _LISTS:
        holder = _get(value, place[:-1])
        if isinstance(holder, dict) and isinstance(holder.get(place[-1]), str | dict):
            _shift(origins, place)
            holder[place[-1]] = [holder[place[-1]]]
    for pattern, key in _SHORT.items():
        for place in list(_matching(value, pattern)):
            found = _get(value, place)
            if isinstance(found, str):
                _get(value, place[:-1])[place[-1]] = {key: found}
                origins[(*place, key)] = origins.get(place, tree.file)
    return Tree(value, origins, tree.file)


def complain(tree: Tree, errors: Sequence[Any], keys: Mapping[Place, Sequence[str]]) -> UsageError:
    """Put pydantic's first error into a sentence with its line; an unknown key brings the close ones.

    Args:
        tree: where the values came from.
        errors: what ``ValidationError.errors()`` gave.
        keys: the keys of each section, by its place with "*" for an index.
    """
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    place: Place = tuple(first["loc"])
    line, shown = tree.at(place), ".".join(map(str, place))
    if first["type"] == "extra_forbidden":
        return UsageError(f"{line}: there is no key {shown!r}.", _close(place, keys))
    if first["type"] == "missing":
        return UsageError(f"{line}: the key {shown!r} is missing.", "Add it, or give it with --set.")
    message = first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], dict | list) or not place else f" is {first['input']!r}"
    return UsageError(f"{line}: {shown or 'the recipe'}{value}: {message}.", "Correct the value.")


def pattern_of(place: Place) -> Place:
    """A place with "*" for each index."""
    return tuple("*" if isinstance(part, int) else part for part in place)


def _close(place: Place, keys: Mapping[Place, Sequence[str]]) -> str:
    section, key = place[:-1], str(place[-1])
    known = keys.get(section) or keys.get(pattern_of(section)) or ()
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    elsewhere = [".".join((*map(str, other), key)) for other, names in keys.items() if key in names]
    if elsewhere:
        return f"Did you mean {elsewhere[0]}?"
    return f"Here are {', '.join(known)}." if known else "Leave it out."


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or first_line(error)
    return f"{problem} in line {mark.line + 1}" if mark else str(problem)


def _lines(node: yaml.Node, place: Place, path: Path) -> Iterator[tuple[Place, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = f"{path.name}:{key.start_mark.line + 1}"
            if key.value in seen:
                raise UsageError(f"{line}: the key {key.value!r} stands there a second time.", "Leave one of them out.")
            seen.add(key.value)
            yield (*place, key.value), line
            yield from _lines(value, (*place, key.value), path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), f"{path.name}:{value.start_mark.line + 1}"
            yield from _lines(value, (*place, index), path)


def _overridden(tree: Tree, override: str) -> Tree:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {override} is no key=value.", "Write it as in --set learning_rate=3e-5.")
    place: Place = tuple(int(part) if part.isdigit() else part for part in key.strip().split("."))
    try:
        new = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {override}: the value is no YAML: {_reason(error)}.", "Quote it.") from error
    value = copy.deepcopy(tree.value)
    _put(value, place, new, override)
    kept = {known: line for known, line in tree.origins.items() if known[: len(place)] != place}
    return Tree(value, {**kept, place: COMMAND_LINE}, tree.file)


def _put(value: Any, place: Place, new: Any, override: str) -> None:
    for depth, part in enumerate(place[:-1]):
        if isinstance(value, dict):
            value.setdefault(part, [] if isinstance(place[depth + 1], int) else {})
        elif isinstance(value, list) and part == len(value):
            value.append({})
        _check(value, part, override)
        value = value[part]
    last = place[-1]
    if isinstance(value, list) and last == len(value):
        value.append(new)
        return
    if not isinstance(value, dict):
        _check(value, last, override)
    value[last] = new


def _check(value: Any, part: str | int, override: str) -> None:
    if isinstance(value, dict) and isinstance(part, str):
        return
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return
    what = (
        f"there are {counted(len(value), 'item')}, counted from 0"
        if isinstance(value, list)
        else "there is nothing below it"
    )
    raise UsageError(f"--set {override}: {part!r} leads nowhere, {what}.", "See the keys with --explain.")


def _get(value: Any, place: Place) -> Any:
    for part in place:
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and part in range(len(value))
        if not inside:
            return None
        value = value[part]
    return value


def _matching(value: Any, pattern: Place, place: Place = ()) -> Iterator[Place]:
    if not pattern:
        yield place
    elif pattern[0] == "*":
        for index in range(len(value) if isinstance(value, list) else 0):
            yield from _matching(value[index], pattern[1:], (*place, index))
    elif isinstance(value, dict) and pattern[0] in value:
        yield from _matching(value[pattern[0]], pattern[1:], (*place, pattern[0]))


def _shift(origins: dict[Place, str], place: Place) -> None:
    """Make what stood at a place its item 0."""
    inside = {known: line for known, line in origins.items() if known[: len(place)] == place and known != place}
    for known, line in inside.items():
        del origins[known]
        origins[(*place, 0, *known[len(place) :])] = line
    if place in origins:
        origins[(*place, 0)] = origins[place]
