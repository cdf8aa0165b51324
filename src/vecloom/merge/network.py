"""The network behind the numbers: loss, gradients, Fisher information and layer inputs of an encoder at given weights.

The loss is InfoNCE with in-batch negatives (and hard ones where the pairs have them), on cosines over a temperature
(van den Oord et al. 2018), as the specialists are usually trained. One network is loaded once; weights are copied into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vecloom.errors import MissingExtraError, ModelError, UsageError
from vecloom.merge.directory import ModelDirectory
from vecloom.merge.pairs import Pair, batches, interleaved, read_pairs
from vecloom.merge.tensors import Tensors, working

if TYPE_CHECKING:
    import torch

    from vecloom.merge.recipe import Recipe

TEMPERATURE = 0.05  # SimCSE
BATCH = 32
MAX_LENGTH = 128
FISHER_BATCH = 8
"""Pairs behind one squared gradient: the more, the less of the single pairs' information is left."""
MOST_BATCHES = 64


class EncoderNetwork:
    """An encoder whose weights come from outside.

    Args:
        like: the directory whose pipeline is used.
        device: torch's name.
        temperature: of the loss.
        max_length: tokens after which texts are cut.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        ModelError: its parameters cannot be told from the names in its files.
    """

    def __init__(
        self,
        like: ModelDirectory,
        *,
        device: str = "cpu",
        temperature: float = TEMPERATURE,
        max_length: int = MAX_LENGTH,
    ) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise MissingExtraError("Running the models needs sentence-transformers.", extra="torch") from None
        self.model = SentenceTransformer(str(like.path), device=device)
        self.model.max_seq_length = min(max_length, self.model.max_seq_length or max_length)
        self.model.eval()  # no dropout: the same weights give the same loss
        self.temperature = temperature
        self.parameters = matched(dict(self.model.named_parameters()), like)

    def set(self, tensors: Tensors) -> None:
        """Copy weights in."""
        import torch

        with torch.no_grad():
            for name, parameter in self.parameters.items():
                if name in tensors:
                    parameter.copy_(tensors[name])

    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Vectors of length 1 with gradient, ``(n, dim)``."""
        import torch

        tokens = self.model.preprocess(list(texts)) if hasattr(self.model, "preprocess") else self.model.tokenize(texts)
        tokens = {name: value.to(self.model.device) for name, value in tokens.items() if hasattr(value, "to")}
        return torch.nn.functional.normalize(self.model(tokens)["sentence_embedding"], dim=-1)

    def loss(self, batch: Sequence[Pair]) -> torch.Tensor:
        """InfoNCE of a batch at the present weights."""
        hard = [pair.negative for pair in batch if pair.negative]
        texts = [pair.anchor for pair in batch] + [pair.positive for pair in batch] + hard
        found = self.vectors(texts)
        return info_nce(found[: len(batch)], found[len(batch) :], self.temperature)

    def loss_at(self, tensors: Tensors, batch: Sequence[Pair]) -> float:
        """Loss of a batch at other weights."""
        import torch

        self.set(tensors)
        with torch.no_grad():
            return float(self.loss(batch))

    def loss_and_gradient(self, tensors: Tensors, batch: Sequence[Pair]) -> tuple[float, dict[str, torch.Tensor]]:
        """Loss of a batch at other weights, and its gradient by name."""
        self.set(tensors)
        self.model.zero_grad(set_to_none=True)
        loss = self.loss(batch)
        loss.backward()
        gradient = {name: item.grad for name, item in self.parameters.items() if item.grad is not None}
        return float(loss.detach()), gradient


def info_nce(anchors: torch.Tensor, candidates: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean of ``-log softmax`` at each anchor's own candidate, for unit vectors ``(n, d)`` and ``(m >= n, d)``."""
    import torch

    scores = anchors @ candidates.T / temperature
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(anchors), device=scores.device))


def matched(parameters: dict[str, torch.Tensor], like: ModelDirectory) -> dict[str, torch.Tensor]:
    """Parameters by the names that they have in the files.

    A loaded network puts the module's number, and sometimes more, before a name or behind it a shorter one; within a module
    the longest common end decides.

    Raises:
        ModelError: one has no counterpart.
    """
    keys = like.tensors.floating_names
    by_file: dict[str, torch.Tensor] = {}
    for name, parameter in parameters.items():
        number, _, tail = name.partition(".")
        folder = _prefix(like, int(number))
        options = [key for key in keys if key.startswith(folder) and _ends_alike(key.removeprefix(folder), tail)]
        options = [key for key in options if like.tensors.entries[key].shape == tuple(parameter.shape)]
        if not options:
            raise ModelError(f"The parameter {name} of {like.name} is not in its weights.", "Save the model again.")
        by_file[max(options, key=len)] = parameter
    return by_file


def _prefix(like: ModelDirectory, number: int) -> str:
    if number == 0:
        return ""
    return next((prefix for _, prefix in like.files if prefix.startswith(f"{number}_")), "")


def _ends_alike(key: str, tail: str) -> bool:
    """Whether one dotted name ends in the other, or they do so behind their first parts."""
    if tail == key or tail.endswith("." + key) or key.endswith("." + tail):
        return True
    short = tail.partition(".")[2]
    return bool(short) and (key == short or key.endswith("." + short))


def squared_gradients(network: EncoderNetwork, tensors: Tensors, every: Iterable[Sequence[Pair]]) -> Tensors:
    """Diagonal Fisher information at a model's weights: mean over batches of the squared gradient."""
    total: dict[str, torch.Tensor] = {}
    count = 0
    for batch in every:
        count += 1
        for name, gradient in network.loss_and_gradient(tensors, batch)[1].items():
            square = gradient.to("cpu").square()
            total[name] = square if name not in total else total[name].add_(square)
    return {name: value / max(count, 1) for name, value in total.items()}


def input_products(network: EncoderNetwork, tensors: Tensors, texts: Sequence[str], size: int = BATCH) -> Tensors:
    """``X^T X`` of the inputs of each linear layer, ``(in, in)`` float64, padding left out."""
    import torch

    network.set(tensors)
    total: dict[str, torch.Tensor] = {}
    mask: list[torch.Tensor] = []
    names = {id(parameter): name for name, parameter in network.parameters.items()}
    layers = [
        (names[id(module.weight)], module)
        for module in network.model.modules()
        if isinstance(module, torch.nn.Linear) and id(module.weight) in names
    ]
    hooks = [module.register_forward_pre_hook(_collector(name, total, mask)) for name, module in layers]
    try:
        with torch.no_grad():
            for start in range(0, len(texts), size):
                tokens = network.model.preprocess(list(texts[start : start + size]))
                mask[:] = [tokens["attention_mask"].bool()] if "attention_mask" in tokens else []
                network.model({key: value for key, value in tokens.items() if hasattr(value, "to")})
    finally:
        for hook in hooks:
            hook.remove()
    return total


def _collector(name: str, total: dict[str, torch.Tensor], mask: list[torch.Tensor]) -> Callable[..., None]:
    import torch

    def collect(_module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        found = inputs[0].detach()
        if mask and found.shape[:2] == mask[0].shape:
            found = found[mask[0].to(found.device)]
        rows = found.reshape(-1, found.shape[-1]).to("cpu", torch.float64)
        total[name] = total.get(name, 0) + rows.T @ rows

    return collect


def data_for(recipe: Recipe, models: Sequence[ModelDirectory], device: str = "cpu") -> dict[str, Any]:
    """What a method needs of the recipe's probe files.

    Raises:
        UsageError: there are none, or not one for each model where each needs its own.
    """
    if not recipe.probe:
        raise UsageError(f"{recipe.method} needs pairs of texts.", "Give --probe FILE, JSON lines, one file a task.")
    tasks = [read_pairs(path) for path in recipe.probe]
    network = EncoderNetwork(models[0], device=device)
    if recipe.method in ("fisher", "regmean"):
        if len(tasks) != len(models):
            raise UsageError(
                f"{recipe.method} needs pairs of each model's task: there are {len(tasks)} files for {len(models)} models.",
                "Give --probe once for each model, in their order.",
            )
        return {"statistics": statistics_of(recipe.method, network, models, tasks)}
    cut = [batches(task, BATCH)[:MOST_BATCHES] for task in tasks]
    if recipe.method == "greedy_soup":
        return {"metric": metric_of(network, cut)}
    return {"loss": network.loss_and_gradient, "probe": interleaved(cut)}


def statistics_of(
    method: str, network: EncoderNetwork, models: Sequence[ModelDirectory], tasks: Sequence[Sequence[Pair]]
) -> list[Tensors]:
    """Each model's statistics on its own task."""
    found = []
    for model, pairs in zip(models, tasks, strict=True):
        tensors = {name: working(model.tensors[name]) for name in model.tensors.floating_names}
        if method == "fisher":
            found.append(squared_gradients(network, tensors, batches(pairs, FISHER_BATCH)[:MOST_BATCHES]))
        else:
            texts = [text for pair in pairs[: BATCH * MOST_BATCHES // 4] for text in (pair.anchor, pair.positive)]
            found.append(input_products(network, tensors, texts))
    return found


def metric_of(network: EncoderNetwork, tasks: Sequence[Sequence[Sequence[Pair]]]) -> Callable[[Tensors], float]:
    """Score of weights: the negative mean loss over the tasks, each counting alike."""

    def metric(tensors: Tensors) -> float:
        means = [sum(network.loss_at(tensors, batch) for batch in task) / len(task) for task in tasks if task]
        return -sum(means) / len(means)

    return metric
