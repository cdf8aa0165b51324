"""Read a sentence-transformers model directory into a ``ModelSpec``, without torch.

The layout is the one of sentence-transformers (Reimers and Gurevych 2019, arXiv:1908.10084): ``modules.json`` names a
pipeline of modules, each with a folder. Both spellings are read: that of releases before 5.2 (``pooling_mode_mean_tokens``,
``max_seq_length`` in ``sentence_bert_config.json``) and today's (``pooling_mode``, ``model_max_length`` of the tokenizer).
A directory without ``modules.json`` is taken as a bare transformer with mean pooling, as sentence-transformers does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.errors import ModelError
from vecloom.files import file_digest, text_digest
from vecloom.runtime.batching import POOLINGS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNLIMITED = 1_000_000
"""``model_max_length`` above this is the tokenizer library's way to say "no limit"."""

_LEGACY_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_STOCK = {"Transformer", "Pooling", "Dense", "Normalize"}
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_EXPORTS = (
    "openvino/openvino_model.xml",
    "openvino_model.xml",
    "onnx/model.onnx",
    "model.onnx",
)
_NO_VECTORS = {"Normalize", "PairHead"}
"""Modules that the network need not run: length is set afterwards, and a head scores pairs of finished vectors."""
_SPARE_POSITIONS = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}
"""Positions that these families keep for padding, and that texts therefore cannot use."""


@dataclass(frozen=True)
class ModelSpec:
    """What a model directory says about itself.

    Attributes:
        path: the directory with ``modules.json``.
        weights_path: the directory of the transformer inside it.
        config: the transformer's ``config.json``.
        pooling: one of ``POOLINGS``, or "" where the pipeline needs modules that only torch can run.
        include_prompt: whether a prompt's tokens take part in pooling.
        exact_prompt: whether a prompt that does not ends where its characters end (vecloom's own Transformer), instead of
            after as many tokens as it has alone (sentence-transformers).
        dense: folders of Dense modules behind the pooling, in order.
        normalized: whether the pipeline ends in a Normalize module.
        prompts: prompt name to text.
        default_prompt: name of the prompt for sentence-transformers' plain ``encode``, never for queries and documents.
        truncate_dim: dimensions that are kept of a vector, or None: all.
        lower_case: lower the text before tokenising (an old setting of sentence-transformers).
        max_length: tokens after which a text is cut.
        extra_modules: class names of modules that only torch can run.
        own_folders: folders of modules that are no stock ones.
    """

    path: Path
    weights_path: Path
    config: Mapping[str, Any]
    pooling: str
    include_prompt: bool = True
    exact_prompt: bool = False
    dense: tuple[Path, ...] = ()
    normalized: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    truncate_dim: int | None = None
    lower_case: bool = False
    max_length: int = 512
    extra_modules: tuple[str, ...] = ()
    own_folders: tuple[Path, ...] = ()

    def prompt(self, kind: str) -> str:
        """The stored text to put before a text of this kind; see ``prompt_of``."""
        return prompt_of(self.prompts, kind)

    @cached_property
    def weights(self) -> Path:
        """The weights file (the shards' index where there are several), or the exported network if there is nothing else.

        Raises:
            ModelError: there is none.
        """
        for name in (*_WEIGHTS, *_EXPORTS):
            if (self.weights_path / name).is_file():
                return self.weights_path / name
        raise ModelError(
            f"The model directory {self.weights_path} has no weights (model.safetensors).",
            "Copy or download the model again: it is incomplete.",
        )

    @property
    def exported(self) -> bool:
        """Whether there is only a network that was exported for OpenVINO or ONNX, without weights to build one from."""
        return self.weights.suffix in (".xml", ".onnx")

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of weights, configuration, tokenizer and pipeline: 32 digits."""
        parts = [file_digest(path) for path in self._weight_files()]
        names = ("config.json", "tokenizer.json", "sentence_bert_config.json")
        parts += [file_digest(self.weights_path / name) for name in names if (self.weights_path / name).is_file()]
        pipeline = [
            self.pooling,
            self.include_prompt,
            *(["exact"] if self.exact_prompt else []),
            self.normalized,
            self.max_length,
            dict(self.prompts),
            self.default_prompt,
            *([f"cut to {self.truncate_dim}"] if self.truncate_dim else []),
            *(["by kind alone"] if self.default_prompt or {"passage", "corpus"} & set(self.prompts) else []),
        ]
        return text_digest(json.dumps([parts, pipeline], sort_keys=True))

    def _weight_files(self) -> list[Path]:
        files = [self.weights]
        if self.weights.suffix == ".json":
            shards = set(_read_json(self.weights)["weight_map"].values())
            files += [self.weights_path / shard for shard in sorted(shards)]
        if self.exported:  # the numbers lie beside the network, unless they are in it
            beside = (self.weights.with_suffix(".bin"), Path(f"{self.weights}_data"))
            files += [file for file in beside if file.is_file()]
        own = [folder / name for folder in self.own_folders for name in ("config.json", "model.safetensors")]
        files += [folder / "model.safetensors" for folder in self.dense]
        return files + [file for file in own if file.is_file()]


def prompt_of(prompts: Mapping[str, str], kind: str) -> str:
    """The prompt before a text of a kind, "query" or "document", as ``encode_query`` and ``encode_document`` apply it.

    This is what sentence-transformers 6.2 does, not what it documents: it gives every model the prompts "query" and
    "document", empty unless the model names them, so neither the default prompt nor "passage" and "corpus" are ever reached.
    """
    return prompts.get(kind, "")


def read_spec(path: Path) -> ModelSpec:
    """Read what ``path`` says about its model.

    Raises:
        ModelError: the directory is incomplete, or a file in it is not valid.
    """
    modules = _read_json(path / "modules.json") if (path / "modules.json").is_file() else _default_modules()
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    changed = bool(kinds) and is_changed_transformer(str(modules[0]["type"]))
    if not changed and (not kinds or kinds[0] != "Transformer"):
        raise ModelError(f"The first module of {path} is {kinds[0] if kinds else 'missing'}, not a Transformer.", "")
    weights_path = path / modules[0].get("path", "")
    config = _read_json(weights_path / "config.json")
    settings = _optional_json(weights_path / "sentence_bert_config.json")
    saved = _optional_json(path / "config_sentence_transformers.json")
    pooling, include_prompt, dense, extra = _read_pipeline(path, modules[1:], kinds[1:])
    if changed:
        pooling, extra = "", (kinds[0], *extra)
    own = [path / module["path"] for module, kind in zip(modules, kinds, strict=True) if kind not in _STOCK]
    return ModelSpec(
        path=path,
        weights_path=weights_path,
        config=config,
        pooling=pooling,
        include_prompt=include_prompt,
        exact_prompt=str(modules[0]["type"]).startswith("vecloom.") and not changed,
        dense=dense,
        normalized="Normalize" in kinds,
        prompts={name: text for name, text in (saved.get("prompts") or {}).items() if isinstance(text, str)},
        default_prompt=saved.get("default_prompt_name"),
        truncate_dim=saved.get("truncate_dim"),
        lower_case=bool(settings.get("do_lower_case")),
        max_length=_max_length(
            settings, {} if changed else config, _optional_json(weights_path / "tokenizer_config.json")
        ),
        extra_modules=extra,
        own_folders=tuple(own),
    )


def is_changed_transformer(kind: str) -> bool:
    """Whether a module is a Transformer of vecloom that computes something else than the stock one: torch alone runs it.

    Its network's ``max_position_embeddings`` does not bind it: it may read more tokens than that.
    """
    name = kind.rsplit(".", 1)[-1]
    return kind.startswith("vecloom.") and name.endswith("Transformer") and name != "Transformer"


def has_head(path: Path) -> bool:
    """Whether a model scores pairs of its vectors; see ``vecloom.encoders.pair_head``."""
    modules = _read_json(path / "modules.json") if (path / "modules.json").is_file() else []
    return any(str(module["type"]).endswith(".PairHead") for module in modules)


def is_trusted(path: Path) -> bool:
    """Whether a model's modules are all sentence-transformers' or vecloom's, and its network one of transformers.

    sentence-transformers imports vecloom's modules under ``trust_remote_code`` only, which would run a directory's own code too.
    """
    modules = _read_json(path / "modules.json") if (path / "modules.json").is_file() else []
    kinds = [str(module["type"]) for module in modules]
    known = all(kind.startswith(("sentence_transformers.", "vecloom.")) for kind in kinds)
    return known and not any("auto_map" in _read_json(config) for config in path.rglob("config.json"))


def read_tokenizer(spec: ModelSpec) -> Tokenizer:
    """Load the tokenizer with padding and truncation switched off.

    Raises:
        ModelError: there is no ``tokenizer.json``, or it cannot be read.
    """
    from tokenizers import Tokenizer

    path = spec.weights_path / "tokenizer.json"
    if not path.is_file():
        raise ModelError(
            f"The model directory {spec.weights_path} has no tokenizer.json.",
            "Load it once with transformers' AutoTokenizer and save_pretrained it there, which writes that file.",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"The tokenizer {path} cannot be read: {error}.", "Copy the model again.") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _read_pipeline(
    path: Path, modules: list[dict[str, Any]], kinds: list[str]
) -> tuple[str, bool, tuple[Path, ...], tuple[str, ...]]:
    pooling, include_prompt, dense, extra = "", True, [], []
    for module, kind in zip(modules, kinds, strict=True):
        if kind == "Pooling" and not pooling:
            settings = _read_json(path / module["path"] / "config.json")
            pooling, include_prompt = _pooling_mode(settings), settings.get("include_prompt", True)
            if pooling not in POOLINGS:
                extra.append(f"Pooling({pooling})")
        elif kind == "Dense" and _plain_dense(path / module["path"]):
            dense.append(path / module["path"])
        elif kind not in _NO_VECTORS:
            extra.append(kind)
            include_prompt = _optional_json(path / module["path"] / "config.json").get("include_prompt", include_prompt)
    if not pooling:
        extra.append("no Pooling")
    return ("" if extra else pooling), include_prompt, tuple(dense), tuple(extra)


def _pooling_mode(settings: Mapping[str, Any]) -> str:
    mode = settings.get("pooling_mode")
    if mode is None:
        modes = [name for key, name in _LEGACY_POOLING.items() if settings.get(key)] or ["mean"]
    else:
        modes = [mode] if isinstance(mode, str) else list(mode)
    return "+".join(modes)


def _plain_dense(folder: Path) -> bool:
    """Whether a Dense module is a linear map that NumPy can do."""
    settings = _read_json(folder / "config.json")
    activation = str(settings.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    renamed = settings.get("module_input_name", "sentence_embedding") != "sentence_embedding"
    return activation in {"Identity", "Tanh"} and not renamed and (folder / "model.safetensors").is_file()


def _max_length(settings: Mapping[str, Any], config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> int:
    positions = config.get("max_position_embeddings") or UNLIMITED
    limits = [
        settings.get("max_seq_length"),
        tokenizer.get("model_max_length") if settings.get("max_seq_length") is None else None,
        positions - _SPARE_POSITIONS.get(str(config.get("model_type")), 0),
    ]
    return min(int(limit) for limit in limits if limit)


def _default_modules() -> list[dict[str, Any]]:
    """A bare transformer: sentence-transformers adds mean pooling."""
    return [{"type": "Transformer", "path": ""}, {"type": "Pooling", "path": ""}]


def _read_json(path: Path) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"The model directory is incomplete: {path} is missing.", "Copy the model again.") from error
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Copy the model again.") from error
    return value


def _optional_json(path: Path) -> dict[str, Any]:
    return dict(_read_json(path)) if path.is_file() else {}
