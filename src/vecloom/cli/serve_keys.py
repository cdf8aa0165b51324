"""``vecloom serve keys``: make, list and remove the API keys of a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vecloom.cli import options, show

if TYPE_CHECKING:
    from vecloom.serve.keys import Scope

FILE = "vecloom-keys.json"
HEADER = ("name", "scopes", "created")

_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=FILE,
    show_default=True,
    help="The key file; made where there is none.",
)


@click.group("keys", short_help="Make, list and remove API keys.", context_settings={"max_content_width": 100})
def keys() -> None:
    """Make, list and remove the API keys of a server.

    The file keeps digests of keys, never keys. A running server sees every change with its next request.

    \b
    Examples:
      vecloom serve keys add laptop
      vecloom serve keys add importer --scope read --scope write
      vecloom serve --keys vecloom-keys.json
    """  # noqa: D301 - click wants the character \b, not a backslash


@keys.command("add", short_help="Make a key and print it.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["read", "write"]),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What it may: read (embed, rerank, search), write (change indexes); say it twice for both.",
)
@_file
@options.json_option
@options.debug_option
def add(name: str, scopes: tuple[Scope, ...], path: Path, as_json: bool) -> None:
    """Make a key and print it. It is shown this once and cannot be shown again.

    \b
    Examples:
      vecloom serve keys add laptop
      KEY=$(vecloom serve keys add importer --scope write)
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.serve.keys import add_key

    scopes = tuple(dict.fromkeys(scopes))
    secret = add_key(path, name, scopes)
    if as_json:
        show.as_json({"name": name, "scopes": scopes, "key": secret, "file": str(path)})
        return
    show.echo(f"Key {name!r} ({', '.join(scopes)}) is in {path}. It is shown only now:", err=True)
    show.echo(secret)
    show.echo(f"Start the server with: vecloom serve --keys {path}", err=True)


@keys.command("list", short_help="Names and scopes of all keys.")
@_file
@options.json_option
@options.debug_option
def list_(path: Path, as_json: bool) -> None:
    """Names and scopes of all keys.

    \b
    Examples:
      vecloom serve keys list
      vecloom serve keys list --file my-keys.json --json
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.serve.keys import read_keys

    found = [(key.name, sorted(key.scopes), key.created) for key in read_keys(path)]
    if as_json:
        show.as_json([dict(zip(HEADER, row, strict=True)) for row in found])
        return
    show.echo(show.columns([(name, ", ".join(scopes), created) for name, scopes, created in found], HEADER))


@keys.command("remove", short_help="Take a key out.")
@click.argument("name")
@_file
@options.json_option
@options.debug_option
def remove(name: str, path: Path, as_json: bool) -> None:
    """Take a key out: a running server refuses it from its next request on.

    \b
    Examples:
      vecloom serve keys remove laptop
      vecloom serve keys remove laptop --file my-keys.json
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.serve.keys import remove_key

    remove_key(path, name)
    if as_json:
        show.as_json({"name": name, "removed": True, "file": str(path)})
    else:
        show.echo(f"Key {name!r} is out of {path}.")
