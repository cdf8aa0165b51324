"""A loaded model whose attention can be read and whose temperature can be turned, for the diagnosis and the search.

Queries are scaled in place, which costs nothing, and the original numbers are kept, so that a temperature replaces the last one
and taking it away gives back every bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import MissingExtraError, ModelError, first_line
from vecloom.extend.temperature import checked_taus, factors, layer_count, present_taus, query_tensors, scaled
from vecloom.runtime.directory import ModelSpec, read_tokenizer

if TYPE_CHECKING:
    import torch

CELLS = 8192  # tokens in a batch: the attention of 12 heads over 16 texts of 512 takes 200 MB a layer


class AttentionTemperature:
    """The temperature of a network in memory.

    Args:
        network: a ``torch.nn.Module`` with the queries of ``config``'s family.
        config: ``config.json`` of the network.

    Raises:
        ModelError: no queries are found in it, so that nothing would change.
    """

    def __init__(self, network: torch.nn.Module, config: Any) -> None:
        self._config = config
        parameters = dict(network.named_parameters())
        self._queries = query_tensors(config, parameters)
        self._parameters = {name: parameters[name] for name in self._queries}
        self._originals = {name: tensor.detach().clone() for name, tensor in self._parameters.items()}
        self._taus = present_taus(config)

    def set(self, taus: float | Sequence[float]) -> None:
        """Give the layers these temperatures, whatever they had.

        Raises:
            UsageError: there are too many or too few, or one is not in (0, 1].
            ModelError: layers that share a tensor would need different ones.
        """
        wanted = checked_taus(taus, layer_count(self._config))
        for name, factor in factors(self._queries, self._taus, wanted).items():
            self._write(name, scaled(self._config, self._originals[name], factor))

    def remove(self) -> None:
        """Give back the numbers of the model as it was loaded."""
        for name, tensor in self._originals.items():
            self._write(name, tensor)

    @contextmanager
    def at(self, taus: float | Sequence[float]) -> Iterator[None]:
        """Have these temperatures within a block."""
        self.set(taus)
        try:
            yield
        finally:
            self.remove()

    def _write(self, name: str, tensor: torch.Tensor) -> None:
        self._parameters[name].data.copy_(tensor)


class ProbedNetwork:
    """A pipeline on the CPU in float32, whose attention is spelled out so that it can be read.

    Args:
        spec: of the model.
        device: as torch names it.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        ModelError: it cannot load the model.
    """

    def __init__(self, spec: ModelSpec, device: str = "cpu") -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise MissingExtraError("Reading attention needs sentence-transformers.", extra="torch") from None
        from vecloom.runtime.torch_session import quiet_loading

        try:
            with quiet_loading():
                self._model = SentenceTransformer(
                    str(spec.path), device=device, local_files_only=True, model_kwargs={"attn_implementation": "eager"}
                ).eval()
        except (ValueError, OSError, RuntimeError) as error:
            raise ModelError(
                f"sentence-transformers cannot load {spec.path}: {first_line(error)}.", "Check it."
            ) from error
        self.spec = spec
        self.device = device
        self.tokenizer = read_tokenizer(spec)
        self.temperature = AttentionTemperature(self._model[0].auto_model, spec.config)
        self.layers = layer_count(spec.config)

    def vectors(self, sequences: Sequence[Sequence[int]]) -> Vectors:
        """Unit vectors of complete token sequences: (n, dim) float32, in the order given."""
        import torch

        found: dict[int, Any] = {}
        with torch.inference_mode():
            for places, ids, mask in self._batches(sequences):
                features = {"input_ids": ids, "attention_mask": mask}
                for module in self._model:
                    features = module(features)
                rows = features["sentence_embedding"].float().cpu().numpy()
                found |= dict(zip(places, rows, strict=True))
        ordered = np.stack([found[place] for place in range(len(sequences))])
        unit: Vectors = ordered / np.maximum(np.linalg.norm(ordered, axis=1, keepdims=True), 1e-12)
        return unit

    def attention(self, sequences: Sequence[Sequence[int]]) -> Iterator[list[Any]]:
        """For each text the attention of each layer: (heads, n, n) float32 arrays, rows of which add up to 1."""
        import torch

        with torch.inference_mode():
            for sequence in sequences:
                ids = torch.tensor([list(sequence)], device=self.device)
                inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
                output = self._model[0].auto_model(**inputs, output_attentions=True)
                yield [layer[0].float().cpu().numpy() for layer in output.attentions]

    def _batches(self, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Any, Any]]:
        """Places, ids (b, n) and mask (b, n) of texts of like length, with at most ``CELLS`` tokens."""
        import torch

        order = sorted(range(len(sequences)), key=lambda place: len(sequences[place]))
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * len(sequences[order[end]]) <= CELLS:
                end += 1
            places = order[start:end]
            width = max(1, len(sequences[places[-1]]))
            ids = torch.zeros(len(places), width, dtype=torch.int64)
            mask = torch.zeros_like(ids)
            for row, place in enumerate(places):
                length = len(sequences[place])
                ids[row, :length] = torch.tensor(list(sequences[place]))
                mask[row, :length] = 1
            yield places, ids.to(self.device), mask.to(self.device)
            start = end


def cut_tokens(tokenizer: Any, texts: Sequence[str], length: int, offset: int = 0) -> list[list[int] | None]:
    """Texts at exactly ``length`` tokens, special ones included, from their word-piece ``offset`` on; None where too short."""
    frame = tokenizer.encode("")
    before, after = frame_of(tokenizer)
    room = length - len(frame.ids)
    found: list[list[int] | None] = []
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        inner = encoding.ids[offset : offset + room]
        found.append([*before, *inner, *after] if len(inner) == room and room > 0 else None)
    return found


def frame_of(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that a tokenizer puts before and behind a text."""
    encoding = tokenizer.encode("a")
    own = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    first, last = (own[0], own[-1] + 1) if own else (len(encoding.ids), len(encoding.ids))
    return list(encoding.ids[:first]), list(encoding.ids[last:])
