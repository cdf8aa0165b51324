"""A group of commands that are found by name, and imported when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import ClassVar

import click

from vecloom.cli.guard import guarded


class LazyGroup(click.Group):
    """Imports a command's module when the command is called, so that help is quick.

    Attributes:
        homes: each command and the module that holds one of its name, or of the name after the colon.
    """

    homes: ClassVar[Mapping[str, str]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order in which one needs them."""
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return it; it writes over nothing that it reads."""
        if cmd_name not in self.homes:
            return None
        module, _, name = self.homes[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or cmd_name)
        return guarded(command)
