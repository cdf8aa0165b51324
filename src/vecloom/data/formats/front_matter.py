"""Front matter: the fields above a Markdown text, in YAML between lines of "---" or in TOML between lines of "+++".

The block starts on the first line; what is between the lines has to begin with a key (or a comment, or be empty), as a
file may as well start with a horizontal rule, and has to be a mapping. Everything else is text.

YAML is read by PyYAML, but a plain value becomes only what it is by any version of YAML and prints back as it was written:
``2021``, ``0.5``, ``true``, ``null``. ``1.10``, ``012``, ``yes``, ``2024-05-01`` and ``12:30`` stay text. Of a key that comes
twice the last value counts.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any, NamedTuple

from vecloom.data.fields import boolean, clean_value, number, scalar
from vecloom.data.records import FieldValue
from vecloom.errors import first_line

MAX_CHARS = 64 * 1024
MAX_ALIASES = 16  # each may double the value: a few lines could otherwise stand for gigabytes

_YAML = re.compile(r"---[ \t]*\n(?!\s)((?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_TOML = re.compile(r"\+\+\+[ \t]*\n((?:.*\n)*?)\+\+\+[ \t]*(?:\n|\Z)")
_KEY = re.compile(r"""(?:[ \t]*(?:\#.*)?\n)*(?:["'\w][^:\n]*:(?:\s|$)|\Z)""")


class FrontMatter(NamedTuple):
    """What stands above a text.

    Attributes:
        fields: of the block, the title among them.
        text: below it; the whole text where there is no block that can be read.
        wrong: why a block cannot be read; "" where it can.
    """

    fields: dict[str, FieldValue]
    text: str
    wrong: str = ""


def front_matter(text: str) -> FrontMatter:
    r"""Split a text into the fields of its front matter and what is below.

    >>> front_matter("---\ntitle: Tea\nyear: 2021\n---\nBoil water.")[:2]
    ({'title': 'Tea', 'year': 2021}, 'Boil water.')
    """
    kind = {"---": "YAML", "+++": "TOML"}.get(text[:3])
    if kind is None:
        return FrontMatter({}, text)
    # a block that is longer does not end within the window, and is text
    found = (_YAML if kind == "YAML" else _TOML).match(text, 0, MAX_CHARS)
    if not found or (kind == "YAML" and not _KEY.match(found[1])):
        return FrontMatter({}, text)
    try:
        value = _yaml(found[1]) if kind == "YAML" else tomllib.loads(found[1], parse_float=number)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else first_line(error)
        return FrontMatter({}, text, f"the front matter is not {kind} ({why}), so it was read as text.")
    if value is not None and not isinstance(value, dict):
        return FrontMatter({}, text)
    try:
        fields = {_name(key): scalar(clean_value(item)) for key, item in (value or {}).items()}
    except RecursionError:
        return FrontMatter({}, text, "the front matter is nested too deeply, so it was read as text.")
    return FrontMatter(fields, text[found.end() :])


def title_of(fields: dict[str, FieldValue]) -> str:
    """Take the title out of the fields."""
    name = "title" if "title" in fields else next((name for name in fields if name.lower() == "title"), "")
    value = fields.pop(name, None)
    return " ".join(("" if value is None else _name(value)).split())


def _name(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _yaml(block: str) -> Any:
    """Read a block.

    Raises:
        ValueError: it is not YAML.
        RecursionError: it is nested too deeply.
    """
    import yaml

    try:
        return yaml.load(block, _loader())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 2}: " if mark else ""
        raise ValueError(place + (getattr(error, "problem", None) or first_line(error))) from error


@cache
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain values stay text until ``_plain`` has seen them."""

        aliases = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.aliases += self.check_event(yaml.AliasEvent)
            if self.aliases > MAX_ALIASES:
                raise yaml.YAMLError(f"there are more than {MAX_ALIASES} aliases")
            return super().compose_node(parent, index)

    def plain(loader: Any, node: Any) -> Any:
        return _plain(node.value) if node.style is None else node.value

    Loader.yaml_implicit_resolvers = {}
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])
    Loader.add_constructor("tag:yaml.org,2002:str", plain)
    return Loader


def _plain(written: str) -> object:
    if written in ("", "~", "null", "Null", "NULL"):
        return None
    value = boolean(written)
    return value if isinstance(value, bool) else number(written)
