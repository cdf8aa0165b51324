"""What a run needs before its first step: model, batches, the trainer's arguments, and what decides its curve."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.errors import ModelError, UsageError
from vecloom.files import atomic_folder
from vecloom.runtime.directory import is_trusted
from vecloom.train.card import digest_of
from vecloom.train.data import Table
from vecloom.train.lora import add_lora, merged
from vecloom.train.recipe import LossChoice, Recipe, explain
from vecloom.train.recipe_network import DecoderChoice
from vecloom.train.runs import RunFolder
from vecloom.train.sampling import Drawing, Group, text_keys
from vecloom.train.teacher import digest_of_teacher

_FREE = {"output", "evaluation", "checkpoints", "logging", "watch", "device"}
"""Keys that a run may change when it goes on: they do not move its curve."""
_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
_TENTHS = 10
_SELDOM = 100  # steps between checkpoints, at least: one is three times as large as the model


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is."""
    return int(os.environ.get("RANK", "0"))


def open_model(recipe: Recipe, device: str) -> Any:
    """The model to train, with its weights in float32.

    Raises:
        ModelNotFoundError: there is no such model.
        ModelError: it has no weights that can be trained.
    """
    from sentence_transformers import SentenceTransformer

    from vecloom.encoders.layouts import kind_of
    from vecloom.encoders.resolve import resolve

    path = resolve(recipe.model)
    if kind_of(path) in {"remote", "lexical"}:
        raise ModelError(
            f"{recipe.model} is {kind_of(path)}: it has no weights to train.", "Choose a transformer or static model."
        )
    if recipe.decoder is not None:
        model = _decoder(path, recipe.decoder, device).float()
    else:
        model = SentenceTransformer(str(path), device=device, trust_remote_code=is_trusted(path)).float()
    if recipe.pooling is not None:
        set_pooling(model, recipe.pooling)
    if recipe.lora is not None:
        add_lora(model, recipe.lora)
    return model


def _decoder(path: Path, choice: DecoderChoice, device: str) -> Any:
    from vecloom.encoders.decoder import DecoderSettings, open_decoder

    return open_decoder(path, DecoderSettings(**choice.model_dump()), device=device)


def set_pooling(model: Any, mode: str) -> None:
    """Have a model pool in another way; the directory that it is saved in says so.

    Raises:
        ModelError: it has no pooling module of sentence-transformers.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling

    for place, module in model._modules.items():
        if isinstance(module, Pooling):
            model._modules[place] = type(module)(module.embedding_dimension, mode, include_prompt=module.include_prompt)
            return
    raise ModelError(
        f"The model pools by {', '.join(type(module).__name__ for module in model)}, which pooling cannot change.",
        "Leave pooling out.",
    )


def max_length(model: Any) -> int:
    """Tokens after which the model cuts a text; 0 where it does not cut."""
    limit = model.max_seq_length
    return int(limit) if limit and math.isfinite(limit) else 0


def total_steps(recipe: Recipe, batches: int) -> int:
    """Steps of the optimiser in a run with so many batches per epoch."""
    per_epoch = -(-batches // recipe.gradient_accumulation)
    return recipe.steps or math.ceil(recipe.epochs * per_epoch)


def groups_of(tables: Sequence[Table]) -> list[Group]:
    """What the sampler has to know about the data."""
    groups, start = [], 0
    for table in tables:
        columns = [table.rows[name] for name in table.text_columns]
        lengths = np.max([[len(text) for text in column] for column in columns], axis=0)
        labels = np.asarray(table.rows["label"]) if table.shape == "labels" else None
        groups.append(Group(start, text_keys(columns), lengths.astype(np.int64), table.weight, labels))
        start += len(table)
    return groups


def drawing_of(recipe: Recipe) -> Drawing:
    """How a recipe wants its batches drawn, for this process."""
    return Drawing(
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        strategy=recipe.mixing.strategy,
        temperature=recipe.mixing.temperature,
        mixed=recipe.mixing.batches == "mixed" and len(recipe.data) > 1,
        window=recipe.length_grouping,
        avoid=recipe.duplicates == "avoid",
        processes=processes(),
        rank=rank(),
    )


def training_arguments(recipe: Recipe, folder: RunFolder, steps: int, *, device: str, measured: bool) -> Any:
    """What a recipe says, as sentence-transformers' trainer wants it."""
    from sentence_transformers import SentenceTransformerTrainingArguments

    tenth = max(1, steps // _TENTHS)
    on_cpu = device == "cpu"
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder.path),
        per_device_train_batch_size=recipe.batch_size // processes(),
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=_SCHEDULES[recipe.schedule],
        warmup_steps=recipe.warmup if recipe.warmup < 1 else int(recipe.warmup),
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        gradient_accumulation_steps=recipe.gradient_accumulation,
        seed=recipe.seed,
        logging_strategy="steps",
        logging_steps=recipe.logging.every,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.checkpoints.every or max(tenth, _SELDOM),
        eval_strategy="steps" if measured else "no",
        eval_steps=(recipe.evaluation.every or tenth) if measured else None,
        report_to=reporters(recipe),
        run_name=folder.output.name,
        disable_tqdm=True,
        dataloader_drop_last=True,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and processes() > 1 else None,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs are used under torchrun, not by DataParallel
    return arguments


def reporters(recipe: Recipe) -> list[str]:
    """Where values are logged to.

    Raises:
        MissingExtraError: one that was asked for is not installed.
    """
    import importlib.util

    if recipe.logging.to == "auto":
        return ["tensorboard"] if importlib.util.find_spec("tensorboard") else []
    for name in recipe.logging.to:
        if importlib.util.find_spec(name) is None:
            raise UsageError(
                f"logging.to names {name}, which is not installed.", f"Install it with: pip install {name}"
            )
    return list(recipe.logging.to)


def named_losses(recipe: Recipe) -> dict[str, LossChoice] | LossChoice:
    """The one loss, or each data set's by its name."""
    if any(source.loss for source in recipe.data):
        return {source.title: recipe.loss_of(source) for source in recipe.data}
    return recipe.loss


def probe_texts(tables: Sequence[Table], count: int, seed: int) -> list[str]:
    """Different texts of the training data, drawn once."""
    random = np.random.default_rng(seed)
    found: dict[str, None] = {}
    for table in tables:
        chosen = random.permutation(len(table))[: 4 * count].tolist()
        for column in table.text_columns[:2]:
            found.update(dict.fromkeys(table.rows[chosen][column]))
    texts = list(found)
    return [texts[place] for place in random.permutation(len(texts))[:count]]


def decides(recipe: Recipe) -> dict[str, Any]:
    """All that decides a run's curve, flat: the recipe without free keys, digests of data and model."""
    from vecloom.encoders.resolve import resolve
    from vecloom.files import file_digest, text_digest

    found = {row.key: row.value for row in explain(recipe) if row.key.partition(".")[0] not in _FREE}
    for source in recipe.data:
        found[f"the data of {source.title}"] = digest_of(source)
        if source.teacher is not None:
            found[f"the teacher of {source.title}"] = digest_of_teacher(resolve(source.teacher.model))
    weights = sorted(resolve(recipe.model).rglob("*.safetensors"))
    found["the model's weights"] = text_digest(" ".join(file_digest(file) for file in weights))
    return found


def publish_model(model: Any, target: Path, card: str | None) -> None:
    """Write a sentence-transformers directory, whole or not at all; matrices of LoRA are added to the weights in it."""
    with atomic_folder(target) as folder, merged(model):
        model.save_pretrained(str(folder), create_model_card=False)
        if card is not None:
            (folder / "README.md").write_text(card, encoding="utf-8")
