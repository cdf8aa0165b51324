"""What the user sees when something goes wrong: two sentences and an exit code, a traceback only under ``--debug``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from vecloom.cli import show
from vecloom.errors import VecloomError, from_os_error

DEBUG = "vecloom.debug"  # key in the context's meta, which group and verb share
INTERRUPTED = 130  # what a shell reports for Ctrl-C

KEPT = {
    "embed": "Finished parts are kept: the same command goes on from there.",
    "import": "What was added to an index so far is kept: the same command adds the rest.",
    "digest": "What was sent is marked so: the same command sends the rest.",
    "index": "What was added so far is kept: the same command adds the rest.",
    "eval": "Finished results are kept: the same command computes the others.",
    "extend": "A hypernetwork's checkpoints are kept: the same command goes on from the last one.",
    "train": "Checkpoints are kept: the same command goes on from the last one.",
}
"""What an interrupted verb leaves."""


@contextmanager
def reported(ctx: click.Context) -> Iterator[None]:
    """Turn whatever a verb raises into a message on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()  # here, where a closed pipe is still our business
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        kept = KEPT.get(ctx.invoked_subcommand or "", "")
        show.echo(f"\nStopped. {kept}".rstrip(), err=True)
        ctx.exit(INTERRUPTED)
    except BrokenPipeError:
        _close_stdout()
        ctx.exit(0)
    except Exception as error:
        if ctx.meta.get(DEBUG):
            _trace(error)
        ctx.exit(_tell(error, ctx.invoked_subcommand or ""))


def _tell(error: Exception, verb: str) -> int:
    if isinstance(error, OSError):
        error = from_os_error(error, f"vecloom {verb}")
    if isinstance(error, VecloomError):
        show.echo("\n".join(filter(None, [f"Error: {error.what}", error.todo])), err=True)
        return error.exit_code
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    show.echo(f"Error: vecloom {verb} met an unexpected {what}.", err=True)
    show.echo("Run it again with --debug to see where, and please report it.", err=True)
    return 1


def _trace(error: Exception) -> None:
    import traceback

    show.echo("".join(traceback.format_exception(error)), err=True, nl=False)


def _close_stdout() -> None:
    # The interpreter flushes stdout once more at exit; into nothing, it cannot fail.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
