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
    return found + _below(vecloom, top, "vecloom")


def _below(group: Any, context: Any, path: str) -> list[str]:
    """The commands of a group, and those of the groups among them."""
    import click

    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        below = click.Context(command, parent=context, info_name=name, max_content_width=96, terminal_width=96)
        found.append(_section(f"{path} {name}", command.get_help(below)))
        if isinstance(command, click.Group):
            found += _below(command, below, f"{path} {name}")
    return found


def _section(name: str, text: str) -> str:
    return f"## {name}\n\n```text\n{text}\n```"
