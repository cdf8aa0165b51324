"""A mkdocs hook: put the help of every verb in the place of ``<!-- help -->`` on the command line's page.

What ``--help`` prints is written as documentation, so it is shown as it is. (mkdocs-click drops the line ends of the
examples and shows click's internal sentinels as defaults.)
"""

from __future__ import annotations

from typing import Any

PLACE = "<!-- help -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    return markdown.replace(PLACE, "\n\n".join(sections())) if PLACE in markdown else markdown


def sections() -> list[str]:
    """The command and each verb: a heading and its help."""
    import click

    from vecloom.cli import vecloom

    top = click.Context(vecloom, info_name="vecloom", max_content_width=96, terminal_width=96)
    found = [_section("vecloom", vecloom.get_help(top))]
    for verb in vecloom.list_commands(top):
        command = vecloom.get_command(top, verb)
        if command is not None:
            below = click.Context(command, parent=top, info_name=verb, max_content_width=96, terminal_width=96)
            found.append(_section(f"vecloom {verb}", command.get_help(below)))
    return found


def _section(name: str, text: str) -> str:
    return f"## {name}\n\n```text\n{text}\n```"
