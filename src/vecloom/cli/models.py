"""``vecloom models``: which models can be used now, without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecloom.cli import options, show

if TYPE_CHECKING:
    from vecloom.encoders.resolve import LocalModel

HEADER = ("name", "kind", "dim", "tokens", "size", "licence", "from", "path")


@click.command(short_help="List the models that are here.")
@options.json_option
@options.debug_option
def models(as_json: bool) -> None:
    """List the models that can be used now, without a network.

    Any of the names goes after -m, and so does the folder of any sentence-transformers, transformers or model2vec
    model.

    \b
    Examples:
      vecloom models
      vecloom models --json
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.encoders.resolve import local_models

    found = [described(model) for model in local_models()]
    if as_json:
        show.as_json(found)
        return
    rows = [[_cell(name, model[name]) for name in HEADER] for model in found]
    show.echo(show.columns(rows, HEADER))


def described(model: LocalModel) -> dict[str, Any]:
    """What is known of a model without loading it; None where its files do not say."""
    from vecloom.encoders.layouts import kind_of

    dim, tokens = sizes(model.path)
    return {
        "name": model.name,
        "kind": kind_of(model.path),
        "dim": dim,
        "tokens": tokens,
        "size": model.size,
        "licence": model.licence or None,
        "from": model.origin,
        "path": str(model.path),
    }


def sizes(path: Path) -> tuple[int | None, int | None]:
    """Dimensions of a vector, and tokens that are read, as the files of a model directory say."""
    config = _json(path / "config.json")
    pooling = _json(path / "1_Pooling" / "config.json")
    dense = next(filter(None, (_json(folder / "config.json") for folder in sorted(path.glob("*_Dense"))[::-1])), {})
    dims = (dense.get("out_features"), pooling.get("word_embedding_dimension"), config.get("hidden_size"))
    tokens = (_json(path / "sentence_bert_config.json").get("max_seq_length"), config.get("max_position_embeddings"))
    return next((d for d in (*dims, config.get("hidden_dim")) if d), None), next((t for t in tokens if t), None)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    return show.size(value) if name == "size" else str(value)
