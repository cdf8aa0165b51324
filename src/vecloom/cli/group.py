"""The command ``vecloom`` itself: its verbs, found by name, and what happens when one of them fails."""

from __future__ import annotations

import difflib
from typing import Any

import click

from vecloom import __version__
from vecloom.cli import failures
from vecloom.cli.lazy import LazyGroup
from vecloom.cli.options import debug_option

VERBS = {
    "import": "vecloom.cli.import_:import_",
    "index": "vecloom.cli.index",
    "search": "vecloom.cli.search",
    "similar": "vecloom.cli.similar",
    "facets": "vecloom.cli.facets",
    "delete": "vecloom.cli.delete",
    "desk": "vecloom.cli.desk",
    "subscribe": "vecloom.cli.subscribe",
    "digest": "vecloom.cli.digest",
    "embed": "vecloom.cli.embed",
    "eval": "vecloom.cli.evaluate:evaluate",
    "tasks": "vecloom.cli.tasks",
    "complexity": "vecloom.cli.complexity",
    "domain-gap": "vecloom.cli.domain_gap:domain_gap",
    "train": "vecloom.cli.train",
    "mine": "vecloom.cli.mine",
    "merge": "vecloom.cli.merge",
    "serve": "vecloom.cli.serve",
    "extend": "vecloom.cli.extend",
    "models": "vecloom.cli.models",
    "doctor": "vecloom.cli.doctor",
}
"""Each verb and the module that holds a command of its name, or of the name after the colon."""


class Verbs(LazyGroup):
    """A group that imports a verb when it is called, and turns errors into sentences."""

    homes = VERBS

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; a mistyped one is answered with those that look like it."""
        name = args[0]
        if name not in VERBS and not name.startswith("-"):
            close = difflib.get_close_matches(name, VERBS, n=2, cutoff=0.5)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(VERBS)}."
            raise click.UsageError(f"There is no verb {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        with failures.reported(ctx):
            return super().invoke(ctx)


@click.group(
    cls=Verbs,
    subcommand_metavar="VERB ...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="vecloom %(version)s")
@debug_option
def vecloom() -> None:
    """Search, embed and judge text with embeddings, on your own machine.

    \b
      vecloom index docs/ -i docs.index         make docs/ searchable
      vecloom search docs.index "how to resume" ask it
      vecloom embed texts.jsonl -o texts.npy    only the vectors
      vecloom eval -m minilm my-tasks/          how good is a model on them
      vecloom train recipe.yaml                 make a better one

    Exit code: 0 done, 1 the work failed, 2 the call was wrong, 130 interrupted.
    """  # noqa: D301 - click wants the character \b, not a backslash


def main() -> None:
    """Be the command ``vecloom``."""
    vecloom(prog_name="vecloom")
