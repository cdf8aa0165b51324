"""``vecloom serve``: answer programs over HTTP; ``vecloom serve keys``: who may ask."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from vecloom.cli import options, show
from vecloom.errors import MissingExtraError

MEGABYTE = 2**20
KEYS = "vecloom-keys.json"


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[keys ...]",
    short_help="Answer embedding, reranking and search requests over HTTP.",
)
@click.option("-m", "--model", "models", multiple=True, metavar="[NAME=]MODEL", help="Serve it; may be repeated.")
@click.option("-i", "--index", "indexes", multiple=True, metavar="[NAME=]INDEX", help="Serve it; may be repeated.")
@click.option("--reranker", metavar="[NAME=]MODEL", help="A cross-encoder's folder or Hub id, for /rerank.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any that is free.")
@click.option("--keys", "key_file", type=Path, metavar="FILE", help="Ask for one of the keys in this file.")
@click.option("--insecure", is_flag=True, help="Listen to the network without keys.")
@click.option("--cors-origin", "cors_origins", multiple=True, metavar="ORIGIN", help="Let pages of this origin ask.")
@click.option("--allowed-host", "allowed_hosts", multiple=True, metavar="NAME", help="A name that Host may have.")
@click.option("--max-texts", type=click.IntRange(1), default=16_384, show_default=True, help="Of one request.")
@click.option(
    "--max-concurrent-requests",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    help="That are answered or wait; more get 429.",
)
@click.option(
    "--max-batch-tokens",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    help="Handed to a model at a time, over all requests.",
)
@click.option(
    "--cache", type=click.IntRange(0), default=32, show_default=True, help="MB for vectors of short texts; 0: none."
)
@click.option(
    "--drain", "drain_seconds", type=click.IntRange(0), default=30, show_default=True, help="Seconds after SIGTERM."
)
@click.option("--log-texts", is_flag=True, help="Let what clients write into the logs.")
@click.option("--otel", "tracing", is_flag=True, help="Send OpenTelemetry traces; OTEL_... variables say where.")
@options.speed_options
@options.json_option
@options.debug_option
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    models: tuple[str, ...],
    indexes: tuple[str, ...],
    reranker: str | None,
    backend: str,
    threads: int | None,
    cache: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Answer embedding, reranking and search requests over HTTP.

    The APIs are those of OpenAI (/v1/embeddings), text-embeddings-inference (/embed, /rerank, ...), Cohere (/v1/rerank) and
    vecloom's own for indexes (/v1/indexes); /openapi.json describes them all. Without options, the bundled model is served
    to this machine alone. With -i, the index's model is served too. SIGTERM lets open requests end.

    \b
    Examples:
      vecloom serve
      vecloom serve -i docs.index --port 9000
      vecloom serve -m text-embedding-3-small=minilm -m ./my-model
      vecloom serve --host 0.0.0.0 --keys vecloom-keys.json
      vecloom serve keys add laptop
    """  # noqa: D301 - click wants the character \b, not a backslash
    if ctx.invoked_subcommand is not None:
        return
    _import()
    from vecloom.serve.loading import open_state
    from vecloom.serve.server import listen
    from vecloom.serve.server import serve as answer
    from vecloom.serve.settings import Settings

    settings = Settings(cache_bytes=cache * MEGABYTE, **given)
    with listen(settings) as sock:  # a port that is taken is told before a model is loaded
        state = open_state(
            settings, models=models, indexes=indexes, reranker=reranker, backend=backend, threads=threads
        )
        state.engine.warm_up()
        address = f"http://{settings.host}:{sock.getsockname()[1]}"
        answer(state, settings, sock, lambda: _started(address, state, as_json))


def _import() -> None:
    try:
        import fastapi  # noqa: F401
        import orjson  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"Serving needs {error.name}, which is not installed.", "serve") from error


def _started(address: str, state: Any, as_json: bool) -> None:
    """Say on standard output where the server is, once it answers."""
    served = {"models": list(state.models), "indexes": list(state.indexes), "reranker": state.reranker}
    if as_json:
        show.as_json({"address": address, **served})
    else:
        names = [*served["models"], *served["indexes"], *([state.reranker] if state.reranker else [])]
        click.echo(f"Serving {', '.join(names)} at {address} (the APIs: {address}/openapi.json). Ctrl-C ends it.")
    sys.stdout.flush()


@click.group(short_help="Who may ask.")
def keys() -> None:
    """Make, list and remove API keys. A running server sees changes at once.

    \b
    Examples:
      vecloom serve keys add laptop
      vecloom serve keys add indexer --scope read --scope write
      vecloom serve keys remove laptop
    """  # noqa: D301 - click wants the character \b, not a backslash


file_option = click.option(
    "--file", "path", type=Path, default=KEYS, show_default=True, help="The key file, made where there is none."
)


@keys.command(short_help="Make a key and print it.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write"]),
    default=("read",),
    show_default=True,
    help="What it may: ask, or change indexes.",
)
@file_option
@options.json_option
@options.debug_option
def add(name: str, scopes: tuple[Any, ...], path: Path, as_json: bool) -> None:
    """Make a key and print it; it is kept nowhere, so keep it now."""
    from vecloom.serve.keys import add_key

    secret = add_key(path, name, scopes)
    if as_json:
        show.as_json({"name": name, "scopes": list(scopes), "key": secret, "file": str(path)})
    else:
        click.echo(secret)
        click.echo(
            f"The key {name!r} may {' and '.join(scopes)}. It is shown this once; its digest is in {path}.", err=True
        )


@keys.command("list", short_help="The keys that there are.")
@file_option
@options.json_option
@options.debug_option
def list_keys(path: Path, as_json: bool) -> None:
    """Names, scopes and dates; the keys themselves are kept nowhere."""
    from vecloom.serve.keys import read_keys

    found = read_keys(path)
    if as_json:
        show.as_json([{"name": key.name, "scopes": sorted(key.scopes), "created": key.created} for key in found])
    else:
        rows = [(key.name, ", ".join(sorted(key.scopes)), key.created) for key in found]
        click.echo(show.columns(rows, ("name", "may", "made")))


@keys.command(short_help="Refuse a key from now on.")
@click.argument("name")
@file_option
@options.json_option
@options.debug_option
def remove(name: str, path: Path, as_json: bool) -> None:
    """Take a key out of the file."""
    from vecloom.serve.keys import remove_key

    remove_key(path, name)
    if as_json:
        show.as_json({"removed": name})
    else:
        click.echo(f"{name} is refused from now on.")


serve.add_command(keys)
