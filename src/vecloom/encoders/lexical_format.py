"""A LexicalEncoder on disk: ``config.json`` (settings and terms) and ``model.safetensors`` (document frequencies).

``modules.json`` names ``vecloom.encoders.lexical_module.LexicalModule``, which sentence-transformers imports when it is
told to trust code outside its own package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecloom.errors import ModelError, from_os_error
from vecloom.files import atomic_path, write_text
from vecloom.text import RULES

FORMAT = f"vecloom-lexical-{RULES + 1}"  # 1: words were runs of what Python calls \\w
_EARLIER = "vecloom-lexical-"
MODULE_CLASS = "vecloom.encoders.lexical_module.LexicalModule"
_REMEDY = "Copy the model again, or fit a new one."

_CARD = """---
library_name: sentence-transformers
tags:
- sentence-transformers
- bag-of-words
- vecloom
---
# {name}

A bag of words: {dim} dimensions, weighting {weighting}.

```python
from sentence_transformers import SentenceTransformer  # with vecloom installed
model = SentenceTransformer("path/to/this/folder", trust_remote_code=True)
```
"""


@dataclass(frozen=True, slots=True)
class LexicalParts:
    """What a directory holds; ``terms`` is None for a hashed encoder."""

    settings: dict[str, Any]
    dim: int
    terms: list[str] | None
    frequencies: npt.NDArray[np.int64]
    texts: int
    mean_length: float


def is_lexical(directory: Path) -> bool:
    """Whether ``write`` made this directory."""
    path = directory / "config.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("format")).startswith(_EARLIER)
    except (OSError, ValueError, AttributeError):
        return False


def read(directory: Path) -> LexicalParts:
    """Read what ``write`` wrote.

    Raises:
        ModelError: a file is missing or broken.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not is_lexical(directory):
        raise ModelError(f"{directory} holds no {FORMAT} model.", "Give a folder that LexicalEncoder.save wrote.")
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        _check_format(directory, config["format"])
        tensors = load_file(directory / "model.safetensors")
        parts = LexicalParts(
            settings=config["settings"],
            dim=int(config["dim"]),
            terms=config["terms"],
            frequencies=tensors["frequencies"],
            texts=int(config["texts"]),
            mean_length=float(config["mean_length"]),
        )
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise ModelError(f"{directory} cannot be read: {error!r}.", _REMEDY) from error
    if parts.terms is not None and len(parts.terms) != len(parts.frequencies):
        raise ModelError(f"{directory} has {len(parts.terms)} terms, {len(parts.frequencies)} frequencies.", _REMEDY)
    return parts


def _check_format(directory: Path, found: str) -> None:
    if found != FORMAT:
        raise ModelError(
            f"{directory} is a bag of words of format {found}; this vecloom reads {FORMAT}.",
            "What counts as a word differs between them. Fit it again.",
        )


def write(directory: Path, parts: LexicalParts, name: str) -> None:
    """Write the directory; ``modules.json`` comes last.

    Raises:
        OutputError: the disk is full, read-only, ...
    """
    from safetensors.numpy import save_file

    config = {
        "format": FORMAT,
        "settings": parts.settings,
        "dim": parts.dim,
        "texts": parts.texts,
        "mean_length": parts.mean_length,
        "terms": parts.terms,
    }
    # A BM25 score is a plain dot product, so its vectors keep their lengths.
    normalizes = parts.settings["weighting"] != "bm25"
    modules: list[dict[str, Any]] = [{"idx": 0, "name": "0", "path": "", "type": MODULE_CLASS}]
    if normalizes:
        kind = "sentence_transformers.models.Normalize"
        modules.append({"idx": 1, "name": "1", "path": "1_Normalize", "type": kind})
    similarity: dict[str, Any] = {"prompts": {}, "similarity_fn_name": "cosine" if normalizes else "dot"}
    card = _CARD.format(name=name, dim=parts.dim, weighting=parts.settings["weighting"])
    try:
        (directory / "1_Normalize").mkdir(parents=True, exist_ok=True)
        with atomic_path(directory / "model.safetensors") as temporary:
            save_file({"frequencies": parts.frequencies}, temporary)
        write_text(directory / "config.json", json.dumps(config))
        write_text(directory / "config_sentence_transformers.json", json.dumps(similarity, indent=2))
        write_text(directory / "README.md", card)
        write_text(directory / "modules.json", json.dumps(modules, indent=2))
    except OSError as error:
        raise from_os_error(error, "writing the model", directory) from error
