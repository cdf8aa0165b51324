"""The hypernetwork: from a token's surface form to the rows that a model has for it.

Source: ZeTT (arXiv:2405.07883), section 3.2 and appendix. ``(n, L)`` ids of the old vocabulary become ``(n, c)`` float32 rows:
rows of the old tables are looked up, scaled, projected and mixed by a small bidirectional transformer (RoBERTa's layers,
absolute positions); the state at position 0 goes through one projection for each table. Tokens do not see each other, so
permuting tokens permutes rows.

The columns c are those of the input embeddings, then those of output embeddings that are not tied, then one for an output bias,
as far as the model has them. Both scalings are affine and fixed: buffers, set by ``calibrate``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

EPSILON = 1e-6  # of the projections' LayerNorm
DEVIATION = 0.02  # of fresh weights, as RoBERTa's
RIDGE = 1e-3  # times the number of rows: columns have deviation 1
CHUNK = 4096

Start = Literal["least-squares", "random"]


@dataclass(frozen=True)
class Shape:
    """Sizes of a hypernetwork.

    Attributes:
        vocabulary: V, rows of the old tables.
        widths: columns of each table, input embeddings first.
        bias: whether there is an output bias behind them.
        hidden: h.
        inner: width inside projections and the transformer's feed-forward parts.
        layers: of the transformer.
        heads: of attention.
        length: L, ids of a form at most.
        spare: rows that the network learns for ids from V on: one for each byte.
    """

    vocabulary: int
    widths: tuple[int, ...]
    bias: bool
    hidden: int
    inner: int
    layers: int = 3
    heads: int = 6
    length: int = 7
    spare: int = 256

    @property
    def inputs(self) -> int:
        """Columns that are looked up: all tables, without the bias."""
        return sum(self.widths)

    @property
    def columns(self) -> int:
        """Columns of a predicted row."""
        return self.inputs + self.bias

    @property
    def parts(self) -> list[slice]:
        """The columns of each table, and of the bias."""
        starts = [sum(self.widths[:place]) for place in range(len(self.widths))]
        tables = [slice(start, start + width) for start, width in zip(starts, self.widths, strict=True)]
        return [*tables, slice(self.inputs, self.columns)] if self.bias else tables

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "widths": list(self.widths)}


class ProjectorBlock(nn.Module):  # type: ignore[misc]
    """``LayerNorm(GELU(W2 GELU(W1 z)) + z)``, with the tanh form of GELU: (..., h) to (..., h)."""

    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Linear(hidden, inner)
        self.second = nn.Linear(inner, hidden)
        self.norm = nn.LayerNorm(hidden, eps=EPSILON)

    def forward(self, states: Tensor) -> Tensor:
        """The block."""
        inside = nn.functional.gelu(self.first(states), approximate="tanh")
        outside = nn.functional.gelu(self.second(inside), approximate="tanh")
        mixed: Tensor = self.norm(outside + states)
        return mixed


class Hypernetwork(nn.Module):  # type: ignore[misc]
    """Predicts rows of a model's tables from surface forms.

    Args:
        shape: sizes.
        source: (V, c) float32: the model's own rows.
    """

    def __init__(self, shape: Shape, source: Tensor) -> None:
        super().__init__()
        self.shape = shape
        hidden, inner = shape.hidden, shape.inner
        self.register_buffer("source", source.detach().float().clone())
        for name, size in (("in", shape.inputs), ("out", shape.columns)):
            self.register_buffer(f"{name}_weight", torch.ones(size))
            self.register_buffer(f"{name}_bias", torch.zeros(size))
        self.spare = nn.Parameter(torch.zeros(shape.spare, shape.inputs))
        self.project = nn.Linear(shape.inputs, hidden)
        self.input_block = ProjectorBlock(hidden, inner)
        self.positions = nn.Embedding(shape.length, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-5)  # RoBERTa's
        layer = nn.TransformerEncoderLayer(
            hidden, shape.heads, inner, dropout=0.0, activation="gelu", layer_norm_eps=1e-5, batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, shape.layers, enable_nested_tensor=False)
        self.output_blocks = nn.ModuleList(ProjectorBlock(hidden, inner) for _ in shape.widths)
        self.outputs = nn.ModuleList(nn.Linear(hidden, width) for width in shape.widths)
        self.bias = nn.Linear(hidden, 1) if shape.bias else None

    def forward(self, forms: Tensor) -> Tensor:
        """Rows for forms.

        Args:
            forms: (n, m) int64, m up to L, filled up with -1; the first id of each is none of these.

        Returns:
            (n, c) float32.
        """
        state = self.states(forms)
        parts = [head(block(state)) for head, block in zip(self.outputs, self.output_blocks, strict=True)]
        if self.bias is not None:
            parts.append(self.bias(state))
        return torch.cat(parts, dim=1) * self.out_weight + self.out_bias

    def states(self, forms: Tensor) -> Tensor:
        """The transformer's state at position 0: (n, h)."""
        empty = forms < 0
        states = self.input_block(self.project(self._looked_up(forms.clamp(min=0)) * self.in_weight + self.in_bias))
        states = self.norm(states + self.positions.weight[: forms.shape[1]])
        # without padding no mask is given: attention is faster so
        masked = empty if bool(empty.any()) else None
        pooled: Tensor = self.transformer(states, src_key_padding_mask=masked)[:, 0]
        return pooled

    def _looked_up(self, ids: Tensor) -> Tensor:
        old = self.source[:, : self.shape.inputs]
        rows = old[ids.clamp(max=len(old) - 1)]
        spare = ids >= len(old)
        if bool(spare.any()):
            own = self.spare[(ids - len(old)).clamp(min=0)]
            rows = torch.where(spare[..., None], own, rows)
        return rows

    def predict(self, forms: Tensor) -> Tensor:
        """Rows without gradient, in the forms' order, computed length by length so that little is padding: (n, c)."""
        lengths = (forms >= 0).sum(1)
        rows = torch.empty(len(forms), self.shape.columns, device=forms.device)
        with torch.no_grad():
            for length in lengths.unique().tolist():
                for places in torch.nonzero(lengths == length)[:, 0].split(CHUNK):
                    rows[places] = self(forms[places, :length])
        return rows


def rows_by_length(network: Hypernetwork, forms: Tensor) -> Tensor:
    """Rows with gradient, computed length by length: (n, c); the same numbers as ``network(forms)`` but for rounding."""
    lengths = (forms >= 0).sum(1)
    places = [torch.nonzero(lengths == length)[:, 0] for length in lengths.unique().tolist()]
    parts = [network(forms[here, : int(lengths[here[0]])]) for here in places]
    order = torch.cat(places).argsort()
    return torch.cat(parts)[order]


def fresh(shape: Shape, source: Tensor, seed: int = 0, start: Start = "least-squares") -> Hypernetwork:
    """A network before training: RoBERTa's random weights, an orthogonal input projection, and scalings that fit the model.

    Args:
        shape: sizes.
        source: (V, c) the model's rows.
        seed: of the weights.
        start: how the last projections begin, see ``calibrate``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Hypernetwork(shape, source)
        for part in network.modules():
            if isinstance(part, (nn.Linear, nn.Embedding)):
                nn.init.normal_(part.weight, std=DEVIATION)
            elif isinstance(part, nn.MultiheadAttention):
                nn.init.normal_(part.in_proj_weight, std=DEVIATION)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
        nn.init.orthogonal_(network.project.weight)
        old = network.source[:, : shape.inputs]
        with torch.no_grad():
            network.spare.copy_(torch.randn_like(network.spare) * old.std(0) + old.mean(0))
        sample = torch.randperm(shape.vocabulary)[: 2 * CHUNK]
    calibrate(network, sample, start)
    return network


def calibrate(network: Hypernetwork, sample: Tensor, start: Start) -> None:
    """Set the fixed scalings from the model's rows.

    Inputs get mean 0 and deviation 1 in each column. Outputs get the rows' mean and deviation: w = std(E) / std(predicted),
    b = mean(E) - mean(w predicted), over the sample's own predictions. With "least-squares" the last projections are first
    set to the ridge regression of the sample's rows on its states, the best that they can do for stage 1's task at once.

    Args:
        network: changed.
        sample: (n,) ids.
        start: "random" leaves the projections as they are.
    """
    old = network.source
    deviation, centre = _deviation(old), old.mean(0)
    inputs = network.shape.inputs
    with torch.no_grad():
        network.in_weight.copy_(1 / deviation[:inputs])
        network.in_bias.copy_(-centre[:inputs] / deviation[:inputs])
        if start == "least-squares":
            _fit_outputs(network, sample, (old[sample] - centre) / deviation)
        predicted = network.predict(sample[:, None])
        network.out_weight.copy_(deviation / _deviation(predicted))
        network.out_bias.copy_(centre - (network.out_weight * predicted).mean(0))


def _fit_outputs(network: Hypernetwork, sample: Tensor, wanted: Tensor) -> None:
    state = torch.cat([network.states(part[:, None]) for part in sample.split(CHUNK)])
    features = [block(state) for block in network.output_blocks]
    heads = [*network.outputs]
    if network.bias is not None:
        features, heads = [*features, state], [*heads, network.bias]
    for feature, head, part in zip(features, heads, network.shape.parts, strict=True):
        centre = feature.mean(0)
        moved = (feature - centre).double()
        square = moved.T @ moved + RIDGE * len(moved) * torch.eye(moved.shape[1], dtype=torch.double)
        weight = torch.linalg.solve(square, moved.T @ wanted[:, part].double()).T.float()
        head.weight.copy_(weight)
        head.bias.copy_(wanted[:, part].mean(0) - weight @ centre)


def _deviation(rows: Tensor) -> Tensor:
    return rows.std(0).clamp(min=1e-8)
