import errno
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from vecloom.cli import group
from vecloom.cli.options import debug_option
from vecloom.errors import DataError, UsageError


def failing(error, name="embed"):
    """The outcome of ``vecloom embed`` when its work raises ``error``, without and with --debug."""

    @click.command(name)
    @debug_option
    def verb():
        raise error

    class Failing(group.Verbs):
        def get_command(self, ctx, cmd_name):
            return verb

    command = Failing("vecloom")
    return [CliRunner().invoke(command, [name, *more]) for more in ([], ["--debug"])]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("Line 3 is bad.", "Mend it."), 1, "Error: Line 3 is bad.\nMend it.\n"),
        (UsageError("dim=0 is not possible.", "Use 1."), 2, "Error: dim=0 is not possible.\nUse 1.\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/y"),
            1,
            "Error: vecloom embed failed at /x/y: the disk is full.\n"
            "Free some space and run the same command again; finished parts are kept.\n",
        ),
        (
            KeyError("x"),
            1,
            "Error: vecloom embed met an unexpected KeyError: 'x'.\n"
            "Run it again with --debug to see where, and please report it.\n",
        ),
    ],
)
def test_an_error_is_two_sentences_and_a_code(error, code, said):
    plain, debug = failing(error)
    assert (plain.exit_code, plain.stderr, plain.stdout) == (code, said, "")
    assert debug.exit_code == code
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(said)


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("embed", "goes on from there"),
        ("index", "adds the rest"),
        ("extend", "checkpoints are kept"),
        ("search", "Stopped."),
    ],
)
def test_an_interruption_says_what_is_kept(verb, said):
    result, _ = failing(KeyboardInterrupt(), verb)
    assert result.exit_code == 130
    assert said in result.stderr


def test_a_closed_pipe_is_no_error():
    result, _ = failing(BrokenPipeError())
    assert (result.exit_code, result.stderr) == (0, "")


def test_head_closes_the_pipe_without_a_word():
    # The verb prints far more than a pipe holds; the reader leaves after one line.
    code = (
        "import click\n"
        "from vecloom.cli import group\n"
        "verb = click.command('v')(lambda: [click.echo('x' * 1000) for _ in range(1000)])\n"
        "group.Verbs.get_command = lambda *_: verb\n"
        "group.VERBS['v'] = ''\n"
        "group.vecloom(['v'])\n"
    )
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    _, stderr = process.communicate(timeout=60)
    assert (stderr, process.returncode) == (b"", 0)
