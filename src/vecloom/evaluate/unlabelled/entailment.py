"""Zero-shot classification by entailment: ask a natural language inference model whether "This example is <label>." follows.

Source: Yin, Hay and Roth 2019 (arXiv:1909.00161) for the idea; the rival family in Schopf, Braun and Matthes 2022
(arXiv:2211.16285). For every document x and class c the model reads the pair (premise x, hypothesis "This example is c.") and
gives the logit e(x, c) of "entailment";

score(x, c) = exp e(x, c) / sum_k exp e(x, k),

which is transformers' ``zero-shot-classification`` pipeline in single-label mode, number for number where the model directory
states its length and names its entailment label.
Our choices: pairs of like lengths share a batch and equal documents are read once; a model whose configuration names no
entailment label is refused, where the pipeline quietly takes its last label; the premise is cut at what the positions
allow also where the tokenizer states no limit.

In: n texts. Out: ``(n, C)`` probabilities, or n labels.
When to use it: few documents, labels that no sentence encoder understands. When not: many documents or classes, for it
costs C forward passes of a cross-encoder per document, where a bi-encoder needs one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecloom.encoders.texts import all_readable, checked, unique
from vecloom.errors import MissingExtraError, ModelError, ModelNotFoundError, UsageError, first_line
from vecloom.runtime.directory import read_spec
from vecloom.runtime.torch_session import quiet_loading

TEMPLATE = "This example is {}."  # the transformers pipeline's default


def entailment_id(id2label: Mapping[Any, str]) -> int | None:
    """Index of the label that starts with "entail", in any case; None where there is none."""
    return next((int(i) for i, label in id2label.items() if str(label).lower().startswith("entail")), None)


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


class EntailmentClassifier:
    """Zero-shot classifier over a local NLI model.

    Args:
        model: a transformers directory of a sequence-classification model trained on natural language inference.
        labels: the classes, or a mapping from each class to the words that stand for it in the hypothesis.
        template: the hypothesis; ``{}`` stands for the label.
        batch_size: pairs of document and label per forward pass.
        device: where torch computes, for example "cpu" or "cuda".

    Attributes:
        labels: the classes in order.

    Raises:
        UsageError: fewer than two labels, one that is given twice or is too long, a template without ``{}``, or no batch size.
        ModelNotFoundError: there is no such directory.
        ModelError: the directory is no complete NLI model.
        MissingExtraError: torch or transformers is not installed.
    """

    def __init__(
        self,
        model: str | PathLike[str],
        labels: Sequence[str] | Mapping[str, str],
        *,
        template: str = TEMPLATE,
        batch_size: int = 32,
        device: str = "cpu",
    ) -> None:
        self.labels, self._hypotheses = _hypotheses(labels, template)
        if batch_size < 1:
            raise UsageError(f"batch_size={batch_size} is not possible.", "Use 1 or more.")
        self._batch_size, self._device = batch_size, device
        self._entailment, self._max_length = _read_settings(Path(model))
        self._tokenizer, self._network = _load(Path(model), device)
        self._check_lengths()

    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Probability of each label for each text, float64 ``(n, C)``; rows sum to 1.

        Raises:
            UsageError: one string was given, or an item is no string.
        """
        different, places = unique(all_readable(checked(texts)))
        probabilities = softmax(self._logits(different))
        return probabilities if places is None else probabilities[places]

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text; the first of equals."""
        return [self.labels[place] for place in self.scores(texts).argmax(axis=1)]

    def _logits(self, texts: list[str]) -> npt.NDArray[np.float64]:
        """Entailment logit of each text and label, (n, C)."""
        classes = len(self.labels)
        by_length = np.argsort([len(text) for text in texts], kind="stable")
        logits = np.empty((len(texts), classes))
        for start in range(0, len(texts) * classes, self._batch_size):
            pairs = np.arange(start, min(start + self._batch_size, len(texts) * classes))
            documents, labels = by_length[pairs // classes], pairs % classes
            premises = [texts[place] for place in documents]
            logits[documents, labels] = self._forward(premises, [self._hypotheses[place] for place in labels])
        return logits

    def _forward(self, premises: list[str], hypotheses: list[str]) -> npt.NDArray[np.float32]:
        import torch

        cut = {"truncation": "only_first", "max_length": self._max_length}  # the hypothesis stays whole
        inputs = self._tokenizer(premises, hypotheses, padding=True, return_tensors="pt", **cut).to(self._device)
        with torch.inference_mode():
            logits = self._network(**inputs).logits
        found: npt.NDArray[np.float32] = logits[:, self._entailment].float().cpu().numpy()
        return found

    def _check_lengths(self) -> None:
        for label, hypothesis in zip(self.labels, self._hypotheses, strict=True):
            tokens = len(self._tokenizer("", hypothesis)["input_ids"])
            if tokens >= self._max_length:
                raise UsageError(
                    f"The hypothesis for label {label[:40]!r} has {tokens} tokens; the model reads {self._max_length}.",
                    "Use a shorter label or template.",
                )


def _hypotheses(labels: Sequence[str] | Mapping[str, str], template: str) -> tuple[list[str], list[str]]:
    if isinstance(labels, str):
        raise UsageError(f"labels={labels!r} is one string.", "Give a list of labels.")
    names = list(labels)
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError(f"labels={names} cannot be told apart.", "Give two or more different labels.")
    if "{}" not in template:
        raise UsageError(f"template={template!r} has no place for the label.", f"Put {{}} into it, as in {TEMPLATE!r}.")
    words = list(labels.values()) if isinstance(labels, Mapping) else names
    return names, [template.replace("{}", word) for word in words]


def _read_settings(directory: Path) -> tuple[int, int]:
    """Index of the entailment label, and tokens that a pair may have."""
    if not directory.is_dir():
        raise ModelNotFoundError(f"There is no model directory {directory}.", "Give the path of a local NLI model.")
    spec = read_spec(directory)
    id2label = spec.config.get("id2label") or {}
    entailment = entailment_id(id2label)
    if entailment is None:
        names = ", ".join(map(str, id2label.values())) or "none"
        raise ModelError(
            f"{directory} is no NLI model: its labels ({names}) hold no entailment.",
            "Use a model trained on natural language inference, with an entailment label in config.json.",
        )
    return entailment, spec.max_length


def _load(directory: Path, device: str) -> tuple[Any, Any]:
    try:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError("Entailment classification needs torch and transformers.", "eval") from error
    local: dict[str, Any] = {"local_files_only": True}
    try:
        with quiet_loading():
            tokenizer = AutoTokenizer.from_pretrained(str(directory), **local)
            network, report = AutoModelForSequenceClassification.from_pretrained(
                str(directory), output_loading_info=True, **local
            )
    except Exception as error:  # whatever a foreign model raises, the user needs one sentence
        raise ModelError(f"transformers cannot load {directory}: {first_line(error)}.", "Check the model.") from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ModelError(f"The weights of {directory} lack {missing}.", "Copy the model again.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if network.config.pad_token_id is None:  # decoders look for the last token that is not padding
        network.config.pad_token_id = tokenizer.pad_token_id
    return tokenizer, network.float().eval().to(device)
