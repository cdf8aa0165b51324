"""``vecloom serve``: answer programs over HTTP. ``vecloom serve keys`` is in ``serve_keys``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show
from vecloom.cli.serve_keys import keys
from vecloom.errors import MissingExtraError

if TYPE_CHECKING:
    from vecloom.serve.state import State

MEGABYTE = 2**20
BESIDE = ""  # --desk without a file


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
@click.option(
    "--client-timeout",
    "client_seconds",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Seconds in which a request has to come and an answer has to be taken.",
)
@click.option(
    "--keep-alive",
    "keep_alive_seconds",
    type=click.IntRange(1),
    default=75,
    show_default=True,
    help="Seconds that an idle connection is kept after an answer.",
)
@click.option(
    "--desk",
    is_flag=False,
    flag_value=BESIDE,
    metavar="[FILE]",
    help="Let readers save, tag and subscribe; kept in FILE, or in desk.sqlite beside the first index.",
)
@click.option("--multi-user", is_flag=True, help="Readers of the desk log in by links in mails.")
@click.option(
    "--allow-reader",
    "allowed_readers",
    multiple=True,
    metavar="ADDRESS",
    help="Who may log in with --multi-user: an address, or a domain; may be repeated. Anybody without it.",
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
    desk: str | None,
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
      vecloom serve -i papers.index --desk
      vecloom serve -m text-embedding-3-small=minilm -m ./my-model
      vecloom serve --host 0.0.0.0 --keys vecloom-keys.json
      vecloom serve keys add laptop
    """  # noqa: D301 - click wants the character \b, not a backslash
    if ctx.invoked_subcommand is not None:
        return
    _import()
    from vecloom.serve import process

    process.prepare()
    from vecloom.serve.loading import open_state
    from vecloom.serve.server import listen
    from vecloom.serve.server import serve as answer
    from vecloom.serve.settings import Settings

    settings = Settings(cache_bytes=cache * MEGABYTE, desk=_desk_file(desk, indexes), **given)

    def load() -> State:
        state = open_state(
            settings, models=models, indexes=indexes, reranker=reranker, backend=backend, threads=threads
        )
        state.engine.warm_up()
        return state

    with listen(settings) as sock:  # a port that is taken is told before a model is loaded
        address = f"http://{settings.host}:{sock.getsockname()[1]}"
        answer(load, settings, sock, lambda state: _started(address, state, as_json))


def _desk_file(given: str | None, indexes: tuple[str, ...]) -> Path | None:
    """Where the desk is kept; None where none is wanted."""
    if given is None or given != BESIDE:
        return Path(given) if given else None
    if not indexes:
        raise click.UsageError("--desk stands on indexes: give one with -i INDEX.")
    from vecloom.desk.state import beside
    from vecloom.serve.loading import named_folder

    return beside(named_folder(indexes[0])[1])


def _import() -> None:
    try:
        import fastapi  # noqa: F401
        import orjson  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"Serving needs {error.name}, which is not installed.", "serve") from error


def _started(address: str, state: State, as_json: bool) -> None:
    """Say on standard output where the server is, once it answers."""
    models, indexes = list(state.models), list(state.indexes)
    if as_json:
        show.as_json({"address": address, "models": models, "indexes": indexes, "reranker": state.reranker})
    else:
        names = [*models, *indexes, *([state.reranker] if state.reranker else [])]
        show.echo(f"Serving {', '.join(names)} at {address} (the APIs: {address}/openapi.json). Ctrl-C ends it.")
    sys.stdout.flush()


serve.add_command(keys)
