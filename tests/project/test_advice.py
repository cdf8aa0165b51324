"""Every option, command and variable that a message, a docstring or a page names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import click
import pytest

from vecloom.cli.group import vecloom

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEMPLATES = sorted(path for path in (ROOT / "src").rglob("*") if path.suffix in {".html", ".txt", ".xml", ".j2", ".js"})
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]")
CALL = re.compile(r"(?:(?<=`)|(?<=: )|(?<=^)|(?<=\$ ))vecloom +([a-z][a-z-]*(?: +[a-z][a-z-]*)*)", re.MULTILINE)
VARIABLE = re.compile(r"VECLOOM_[A-Z]+(?:_[A-Z]+)*(?![A-Z_])")
OTHERS = ("pip ", "torchrun ", "curl ", "python ", "podman ")  # programs that messages and pages send one to
OF_OTHERS = {"--build-arg"}  # their options where a page names them alone
LOOKS = re.compile(r"var\(--|style=\"--|getPropertyValue")  # custom properties of style sheets look like options


@cache
def commands():
    """Each command by its path, and its options."""
    found = {}

    def walk(path, command):
        context = click.Context(command)
        names = {name for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts)}
        found[path] = {name for name in names if name.startswith("-")}
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                walk((*path, name), command.get_command(context, name))

    walk((), vecloom)
    return found


def strings(path):
    """All that a module can say: its string literals, docstrings and the fixed parts of f-strings."""
    return [node.value for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip


def shown(path):
    return str(path.relative_to(ROOT))


def said():
    """Where, and a line of what is said there: sources, templates, pages."""
    for path in SOURCES:
        for text in strings(path):
            yield from ((path, line) for line in text.splitlines())
    for path in (*TEMPLATES, *PAGES):
        yield from ((path, line) for line in path.read_text().replace("\\\n", " ").splitlines())


def ours(line):
    """A line without calls of other programs, and without names of style sheets."""
    if LOOKS.search(line):
        return ""
    places = [line.find(name) for name in OTHERS if name in line]
    return line[: min(places)] if places else line


def unknown_options(line):
    every = OF_OTHERS.union(*commands().values())
    return [name for name in OPTION.findall(ours(line)) if name not in every]


def unknown_calls(line):
    """Calls of a verb that is not there, or with an option that it does not have."""
    for call in CALL.finditer(line):
        words = call.group(1).split()
        path = max((tuple(words[:n]) for n in range(len(words) + 1) if tuple(words[:n]) in commands()), key=len)
        rest = line[call.end() :].split("`")[0].split("|")[0].split(";")[0].split("#")[0]
        rest = re.split(r"\bvecloom\b|[.)]( |$)", rest)[0]
        if not path or any(
            name not in commands()[path]
            for name in re.findall(r"(?<=\s)(?:--[a-z][a-z0-9-]*|-[a-zA-Z](?![\w-]))", rest)
        ):
            yield call.group(0) + rest


def test_the_sources_say_something():
    assert sum(1 for _ in said()) > 20_000
    assert {"--allowed-host", "-i"} <= commands()[("serve",)]
    assert ("serve", "keys", "add") in commands()


@pytest.mark.parametrize(
    ("line", "options", "calls"),
    [
        ("start it with --allow-host NAME.", 1, 0),
        ("start it with --allowed-host NAME.", 0, 0),
        ("Start it with: vecloom serve -i INDEX", 0, 0),
        ("Start it with: vecloom server -i INDEX", 0, 1),
        ("Start it with: vecloom server", 0, 1),
        ("`vecloom tasks make subset big/ -o small/`", 0, 0),
        ("`vecloom serve --chunk-tokens 3`", 0, 1),
        ("`vecloom index -Z x`", 0, 1),
        ("Install it: pip install --force-reinstall x", 0, 0),
    ],
)
def test_a_name_that_is_not_there_would_be_found(line, options, calls):
    assert (len(unknown_options(line)), len(list(unknown_calls(line)))) == (options, calls)


PROSE = {"static_format.py", "slices.py", "drawing.py", "map.js"}  # sentences about vecloom, and style sheets


def test_every_option_that_is_named_is_there():
    inside = [(path, line if path.suffix != ".md" else " ".join(re.findall(r"`(--[^`]*|vecloom [^`]*)`", line)))
              for path, line in said() if path.name not in PROSE]  # fmt: skip
    assert [(shown(path), line) for path, line in inside if unknown_options(line)] == []


def test_every_call_that_is_shown_can_be_made():
    wrong = [(shown(path), call) for path, line in said() if path.name not in PROSE for call in unknown_calls(line)]
    assert wrong == []


def test_every_variable_that_is_named_is_read():
    """In code that asks an environment for it; what the tests, the unit file and experiments name, they read themselves."""
    asked = re.compile(r"""(?:environ|environment|getenv)\w*(?:\.get)?[(\[]["'](VECLOOM_[A-Z_]+)""")
    read = {name for path in SOURCES for name in asked.findall(path.read_text())}
    read |= {name for path in SOURCES for names in re.findall(r"\((\"VECLOOM_[^)]*)\):", path.read_text())
             for name in VARIABLE.findall(names)}  # fmt: skip
    read |= {name for path in (ROOT / "tests").rglob("*.py") for name in asked.findall(path.read_text())}
    read |= set(re.findall(r"\$(VECLOOM_[A-Z_]+)", (ROOT / "packaging" / "vecloom.service").read_text()))
    named = {(name, shown(path)) for path, line in said() for name in VARIABLE.findall(line)}
    assert len({name for name, _ in named}) > 8
    assert {(name, place) for name, place in named if name not in read} == set()
