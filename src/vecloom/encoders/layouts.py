"""What a model directory holds, told by its settings: which encoder opens it, or why none does.

The fast way (``TransformerEncoder``) is taken only if it computes every module and setting exactly. Everything else that
sentence-transformers can load as a dense encoder runs through it, module by module (``PipelineEncoder``): slower, and never
approximately.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from vecloom.errors import ModelError

ModelKind: TypeAlias = Literal["transformer", "pipeline", "static", "lexical", "remote"]

_SPARSE = {"SpladePooling", "MLMTransformer", "SparseAutoEncoder", "SparseStaticEmbedding", "CSRSparsity", "IDF"}
_TOKEN_VECTORS = {"MultiVectorEncoder", "ColBERT"}
_FORWARD = {"Pooling", "Dense", "Normalize", "LayerNorm", "Dropout", "WeightedLayerPooling"}
"""Stock modules behind the transformer; those that are not linear parts run in torch, in their order."""
_TRANSFORMER_DEFAULTS: Mapping[str, Any] = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
    "processing_kwargs": {},
    "query_length": None,
    "document_length": None,
    "query_expansion": None,
    "unpad_inputs": None,
    "model_args": {},
    "model_kwargs": {},
    "tokenizer_args": {},
    "processor_kwargs": {},
    "config_args": {},
    "config_kwargs": {},
}
"""Settings of a Transformer that change nothing at these values. ``max_seq_length`` and ``do_lower_case`` are read."""
_READ_SETTINGS = {"max_seq_length", "do_lower_case"}
_SENTENCE = "sentence_embedding"


def kind_of(path: Path) -> ModelKind:
    """Which encoder opens a model directory.

    Raises:
        ModelError: it holds no model, or one that gives no dense vectors; the sentence says what it is for.
    """
    if (path / "vecloom_remote.json").is_file():
        return "remote"
    modules, config = read_json(path / "modules.json"), read_json(path / "config.json")
    if isinstance(modules, list) and modules:
        listed = [(str(module.get("type", "")), path / str(module.get("path", ""))) for module in modules]
        check_dense(path, [kind for kind, _ in listed], config)
        return _of_modules(listed)
    if isinstance(config, dict):
        if config.get("model_type") == "model2vec":
            return "static"
        check_dense(path, [], config)
        return "transformer"
    if (path / "adapter_config.json").is_file():
        return "pipeline"
    raise ModelError(
        f"{path} holds no model: there is neither modules.json nor config.json in it.",
        "Give a sentence-transformers, transformers or model2vec directory.",
    )


def check_dense(path: Path, kinds: Sequence[str], config: object) -> None:
    """Check that a directory is not of a model that gives something else than one dense vector for each text.

    Raises:
        ModelError: it is sparse, has a vector for each token, or scores pairs.
    """
    settings = read_json(path / "config_sentence_transformers.json")
    named = str(settings.get("model_type", "")) if isinstance(settings, dict) else ""
    names = {kind.rsplit(".", 1)[-1] for kind in kinds}
    architectures = config.get("architectures") or [] if isinstance(config, dict) else []
    if named == "SparseEncoder" or names & _SPARSE:
        raise ModelError(
            f"{path} is a sparse encoder: it gives weights of words, not a dense vector.",
            "Use sentence_transformers.SparseEncoder with it, or vecloom's keyword search, which needs no model.",
        )
    if named in _TOKEN_VECTORS or any(kind.startswith("pylate.") for kind in kinds) or "HF_ColBERT" in architectures:
        raise ModelError(
            f"{path} is a multi-vector encoder (ColBERT and its kin): it gives a vector for each token, not one for a text.",
            "Use sentence_transformers.MultiVectorEncoder or PyLate with it.",
        )
    scores = any(str(name).endswith("ForSequenceClassification") for name in architectures)
    if named == "CrossEncoder" or "LogitScore" in names or (not kinds and scores):
        raise ModelError(
            f"{path} is a cross-encoder or classifier: it scores texts and gives no vectors.",
            "Give it to 'vecloom serve' as --reranker, or to training as a teacher.",
        )


def _of_modules(listed: Sequence[tuple[str, Path]]) -> ModelKind:
    kinds = [kind.rsplit(".", 1)[-1] for kind, _ in listed]
    if kinds[0] == "LexicalModule":
        return "lexical"
    if kinds[0] == "StaticEmbedding":
        return "static" if kinds[1:] in ([], ["Normalize"]) else "pipeline"
    if listed[0][0].startswith("vecloom."):
        return "transformer"  # ours, which knows its own kind
    if kinds[0] != "Transformer" or not _plain_transformer(listed[0][1]):
        return "pipeline"
    return "transformer" if _plain_tail(listed[1:]) else "pipeline"


def _plain_transformer(folder: Path) -> bool:
    """Whether a Transformer's settings are such that they change nothing, or are read."""
    settings = read_json(folder / "sentence_bert_config.json")
    tokenizer = read_json(folder / "tokenizer_config.json")
    known = settings if isinstance(settings, dict) else {}
    side = tokenizer.get("truncation_side", "right") if isinstance(tokenizer, dict) else "right"
    unknown = {
        key
        for key, value in known.items()
        if key not in _READ_SETTINGS and value != _TRANSFORMER_DEFAULTS.get(key, _NONE)
    }
    return side == "right" and not unknown and not (folder / "adapter_config.json").is_file()


_NONE = object()


def _plain_tail(listed: Sequence[tuple[str, Path]]) -> bool:
    """Whether the modules behind a Transformer are forward ones, and nothing is normalised before the end."""
    last = len(listed) - 1
    for place, (kind, folder) in enumerate(listed):
        name = kind.rsplit(".", 1)[-1]
        if kind.startswith("vecloom."):
            continue
        if name not in _FORWARD:
            return False
        settings = read_json(folder / "config.json")
        known = settings if isinstance(settings, dict) else {}
        if name == "Normalize" and (place != last or not _on_sentence(known)):
            return False
        if name == "Dense" and (known.get("use_residual") or not _in_place(known)):
            return False
    return True


def _on_sentence(settings: Mapping[str, Any]) -> bool:
    return settings.get("module_input_name", _SENTENCE) == _SENTENCE and _in_place(settings)


def _in_place(settings: Mapping[str, Any]) -> bool:
    """Whether a module's output takes the place of its input."""
    given = settings.get("module_input_name", _SENTENCE)
    return settings.get("module_output_name") in (None, given)


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where there is none, or it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
