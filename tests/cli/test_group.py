import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from vecloom.cli import vecloom
from vecloom.cli.group import VERBS

HEAVY = (
    "mteb",
    "numpy",
    "pyarrow",
    "lancedb",
    "openvino",
    "torch",
    "transformers",
    "rich",
    "httpx",
    "sklearn",
    "tokenizers",
)


def run(*args):
    return CliRunner().invoke(vecloom, list(args))


def test_version():
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, "vecloom 0.1.0\n")


def test_help_names_every_verb():
    result = run("--help")
    assert result.exit_code == 0
    assert all(f"\n  {verb} " in result.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", list(VERBS))
def test_help_of_a_verb_has_two_examples_and_more(verb):
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert result.stdout.count(f"\n    vecloom {verb}") + result.stdout.count(f"| vecloom {verb}") >= 2


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_prints_json_and_traces_on_request(verb):
    names = {name for option in vecloom.get_command(None, verb).params for name in option.opts}
    assert {"--json", "--debug"} <= names


def test_a_mistyped_verb_is_answered_with_a_close_one():
    result = run("serch")
    assert result.exit_code == 2
    assert "There is no verb 'serch'. Did you mean search or serve?" in result.stderr


def test_a_strange_verb_is_answered_with_all():
    result = run("xyzzy")
    assert result.exit_code == 2
    assert f"There are {', '.join(VERBS)}." in result.stderr


def test_a_mistyped_option_is_answered_with_a_close_one():
    result = run("embed", "a.txt", "-o", "b.npy", "--dtpe", "int8")
    assert result.exit_code == 2
    assert "--dtype" in result.stderr


@pytest.mark.parametrize("call", [["--version"], ["--help"], *([verb, "--help"] for verb in VERBS), ["serch"]])
def test_help_and_wrong_calls_import_nothing_heavy(call):
    code = (
        "import json, sys\n"
        "from vecloom.cli import vecloom\n"
        f"try: vecloom({call!r})\n"
        f"except SystemExit: print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "vecloom", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == "vecloom 0.1.0\n"
