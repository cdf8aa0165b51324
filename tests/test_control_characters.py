"""What of a text may reach a terminal."""

import ast
import json
import unicodedata
from pathlib import Path

import click
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import vecloom
from vecloom.cli import show
from vecloom.control_characters import escaped_json, visible

CLI = Path(vecloom.__file__).parent / "cli"


def test_controls_are_replaced_and_text_stays():
    assert visible("a\x1b[31mred\x1b[0m") == "a\ufffd[31mred\ufffd[0m"
    assert visible("title\x9d0;x\x9c") == "title\ufffd0;x\ufffd"
    assert visible("safe\u202eexe.txt\u202c \u2066x\u2069") == "safeexe.txt x"
    assert visible("tab\tline\nnext\r\nlast\rover") == "tab\tline\nnext\nlast\nover"
    assert visible("שלום\u200f, Grüße, 日本") == "שלום\u200f, Grüße, 日本"


@given(st.text())
def test_nothing_that_steers_is_left_and_once_is_enough(text):
    shown = visible(text)
    controls = {character for character in shown if unicodedata.category(character) == "Cc"}
    assert controls <= {"\t", "\n"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert visible(shown) == shown


@given(st.text(), st.text())
def test_json_stays_the_same_value(key, value):
    line = escaped_json(json.dumps({key: value}, ensure_ascii=False))
    assert json.loads(line) == {key: value}
    assert visible(line) == line


def test_commands_print_only_through_what_replaces_controls():
    # a print or click.echo elsewhere would let a title of an index write to the terminal
    for path in CLI.glob("*.py"):
        if path.name == "show.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho", "sys.stderr.write"), f"{path}:{node.lineno}"


def test_only_lists_of_hits_and_papers_print_styles():
    styled = {path.name for path in CLI.glob("*.py") if "show.styled(" in path.read_text(encoding="utf-8")}
    assert styled <= {"search.py", "similar.py", "desk.py"}


def test_what_is_printed_is_made_visible_first():
    @click.command()
    def command():
        show.echo("a\x1b]0;x\x07")
        show.echo("b\x9b", err=True)
        show.as_json({"c": "\x85"})

    done = CliRunner().invoke(command)
    assert done.stdout == 'a\ufffd]0;x\ufffd\n{"c": "\\u0085"}\n'
    assert done.stderr == "b\ufffd\n"
