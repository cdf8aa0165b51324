"""Token-vector tables on disk: sentence-transformers' ``StaticEmbedding`` and model2vec.

Read:

- sentence-transformers: ``modules.json`` whose module 0 is a ``StaticEmbedding`` (class path of any version), its
  folder with ``model.safetensors`` (key ``embedding.weight``) and ``tokenizer.json``, then at most a ``Normalize``.
- model2vec: ``config.json`` with ``model_type`` "model2vec", ``tokenizer.json``, and ``model.safetensors`` with
  ``embeddings`` and, where the vocabulary was quantised, ``mapping`` (token id -> row) and ``weights`` (one for each
  token id). There the unknown token is left out of the mean, and texts are cut to ``max_length`` tokens, after having
  been cut to ``max_length`` times the median token's characters.

Written: the first kind, with the class path that sentence-transformers 3.2 to 6 and model2vec all read. What only
vecloom uses stands under "vecloom" in ``config_sentence_transformers.json``, which the others ignore.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Vectors
from vecloom.encoders.texts import NO_LIMIT
from vecloom.errors import ModelError, from_os_error
from vecloom.files import atomic_path, write_text
from vecloom.runtime.tensors import Tensors, read_tensors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL2VEC_MAX_LENGTH = 512  # model2vec.model.DEFAULT_MAX_LENGTH

_STATIC_CLASS = "sentence_transformers.models.StaticEmbedding"
_NORMALIZE_CLASS = "sentence_transformers.models.Normalize"
_REMEDY = "Copy or download the model again."


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """How a table is used.

    Attributes:
        normalized: whether the stored model ends in a ``Normalize`` module.
        max_length: tokens after which a text is cut.
        character_limit: characters after which a text is cut before tokenising (model2vec's shortcut), or None.
        skip_unknown: leave the tokenizer's unknown token out of the mean.
        prompts: texts to put before a text, by name ("query", "document", ...).
    """

    normalized: bool = True
    max_length: int = NO_LIMIT
    character_limit: int | None = None
    skip_unknown: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StaticParts:
    """What a directory holds: a float32 table ``(rows, d)``, one row (``mapping``) and weight for each token id."""

    table: Vectors
    tokenizer: Tokenizer
    weights: Vectors | None
    mapping: npt.NDArray[np.int64] | None
    settings: StaticSettings


def read(directory: Path) -> StaticParts:
    """Read either format.

    Raises:
        ModelError: the directory is no such model, or a file is missing or broken.
    """
    if (directory / "modules.json").is_file():
        folder, normalized = _module_folder(directory)
    elif _is_model2vec(_optional_json(directory / "config.json")):
        folder, normalized = directory, bool(_optional_json(directory / "config.json").get("normalize", False))
    else:
        raise ModelError(
            f"{directory} holds no token-vector model: no modules.json, and no config.json of model2vec.",
            "Give a folder that StaticEncoder.save, SentenceTransformer.save or model2vec wrote.",
        )
    tensors = _tensors(folder / "model.safetensors")
    tokenizer, limit = _tokenizer(folder / "tokenizer.json")
    if "embedding.weight" in tensors:
        settings = _stored_settings(directory, normalized, limit)
        return StaticParts(_float32(tensors["embedding.weight"]), tokenizer, None, None, settings)
    if "embeddings" not in tensors:
        raise ModelError(
            f"{folder / 'model.safetensors'} holds {sorted(tensors)}, not embedding.weight or embeddings.", _REMEDY
        )
    weights, mapping = tensors.get("weights"), tensors.get("mapping")
    return StaticParts(
        _float32(tensors["embeddings"]),
        tokenizer,
        None if weights is None else _float32(weights),
        None if mapping is None else mapping.astype(np.int64),
        _model2vec_settings(_optional_json(folder / "config.json"), tokenizer, normalized),
    )


def write(directory: Path, rows: Vectors, tokenizer: Tokenizer, settings: StaticSettings, card: str) -> None:
    """Write a sentence-transformers directory.

    ``modules.json`` comes last, so that a torn directory is not taken for a model.

    Args:
        directory: made where it does not exist.
        rows: float32 ``(vocabulary, d)``, one for each token id.
        tokenizer: written with ``settings.max_length`` as its truncation.
        settings: see there.
        card: text of README.md.

    Raises:
        OutputError: the disk is full, read-only, ...
    """
    from safetensors.numpy import save_file

    try:
        (directory / "1_Normalize").mkdir(parents=True, exist_ok=True)
        with atomic_path(directory / "model.safetensors") as temporary:
            save_file({"embedding.weight": rows}, temporary)
        write_text(directory / "tokenizer.json", tokenizer_json(tokenizer, settings.max_length))
        write_text(directory / "config_sentence_transformers.json", json.dumps(_config(settings), indent=2))
        write_text(directory / "README.md", card)
        write_text(directory / "modules.json", json.dumps(_modules(settings.normalized), indent=2))
    except OSError as error:
        raise from_os_error(error, "writing the model", directory) from error


def tokenizer_json(tokenizer: Tokenizer, max_length: int) -> str:
    """The tokenizer as it is stored: without padding, cutting at ``max_length``."""
    copy = type(tokenizer).from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    if max_length < NO_LIMIT:
        copy.enable_truncation(max_length)
    return str(copy.to_str())


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """Id of the token for what the vocabulary lacks, or None where there is none."""
    model = json.loads(tokenizer.to_str())["model"]
    if "unk_id" in model:  # Unigram
        return None if model["unk_id"] is None else int(model["unk_id"])
    token = model.get("unk_token")
    found = None if token is None else tokenizer.token_to_id(token)
    return None if found is None else int(found)


def _module_folder(directory: Path) -> tuple[Path, bool]:
    """Folder of the ``StaticEmbedding`` module and whether a ``Normalize`` follows."""
    modules = _json(directory / "modules.json")
    try:
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
        folder = directory / modules[0]["path"]
    except (TypeError, KeyError, IndexError) as error:
        raise ModelError(f"{directory / 'modules.json'} is not a list of modules.", _REMEDY) from error
    if kinds[0] != "StaticEmbedding" or set(kinds[1:]) - {"Normalize"}:
        raise ModelError(
            f"{directory} is made of {', '.join(kinds)}; a StaticEncoder is StaticEmbedding and at most Normalize.",
            "Load it with vecloom.load or SentenceTransformer.",
        )
    return folder, len(kinds) > 1


def _stored_settings(directory: Path, normalized: bool, limit: int) -> StaticSettings:
    config = _optional_json(directory / "config_sentence_transformers.json")
    own = config.get("vecloom") or {}
    return StaticSettings(
        normalized=normalized,
        max_length=limit,
        character_limit=own.get("character_limit"),
        skip_unknown=bool(own.get("skip_unknown", False)),
        prompts={name: text for name, text in (config.get("prompts") or {}).items() if text is not None},
    )


def _model2vec_settings(config: Mapping[str, Any], tokenizer: Tokenizer, normalized: bool) -> StaticSettings:
    limit = config.get("max_length", MODEL2VEC_MAX_LENGTH)
    median = int(np.median([len(token) for token in tokenizer.get_vocab()]))
    return StaticSettings(
        normalized=normalized,
        max_length=NO_LIMIT if limit is None else int(limit),
        character_limit=None if limit is None else int(limit) * median,
        skip_unknown=True,
    )


def _config(settings: StaticSettings) -> dict[str, Any]:
    limit = None if settings.max_length == NO_LIMIT else settings.max_length
    return {
        "model_type": "SentenceTransformer",
        "prompts": dict(settings.prompts),
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
        # These two are read by model2vec, which takes this file for its own configuration.
        "normalize": settings.normalized,
        "max_length": limit,
        "vecloom": {"skip_unknown": settings.skip_unknown, "character_limit": settings.character_limit},
    }


def _modules(normalized: bool) -> list[dict[str, Any]]:
    static = {"idx": 0, "name": "0", "path": "", "type": _STATIC_CLASS}
    normalize = {"idx": 1, "name": "1", "path": "1_Normalize", "type": _NORMALIZE_CLASS}
    return [static, normalize] if normalized else [static]


def _tokenizer(path: Path) -> tuple[Tokenizer, int]:
    """The tokenizer without padding and truncation, and the length at which it cut."""
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ModelError(f"{path} is missing.", _REMEDY)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{path} is not a tokenizer: {error}.", _REMEDY) from error
    truncation = tokenizer.truncation
    if truncation and truncation["direction"] != "right":
        raise ModelError(f"{path} cuts texts on the left, which StaticEncoder does not do.", "Use SentenceTransformer.")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, int(truncation["max_length"]) if truncation else NO_LIMIT


def _tensors(path: Path) -> Tensors:
    if not path.is_file():
        raise ModelError(f"{path} is missing.", _REMEDY)
    return read_tensors(path)


def _float32(values: npt.NDArray[Any]) -> Vectors:
    return np.ascontiguousarray(values, dtype=np.float32)


def _is_model2vec(config: Mapping[str, Any]) -> bool:
    return config.get("model_type") == "model2vec"


def _optional_json(path: Path) -> dict[str, Any]:
    found = _json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", _REMEDY) from error
