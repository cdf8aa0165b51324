"""The BERT family as an OpenVINO graph, straight from safetensors: no torch, and texts may share a row.

Source: Devlin et al. 2019 (arXiv:1810.04805) for the network; RoBERTa, XLM-RoBERTa and CamemBERT differ in where positions
begin, DistilBERT in names. Packing follows Krell et al. 2021 (arXiv:2107.02027): attention is masked to a token's own segment
and positions begin anew with each text, so a packed text gets what it would get alone.

Inputs: ``input_ids``, ``positions``, ``segments`` int32 (R, L); ``pool`` float32 (R, S, L). Output: float32 (R, S, hidden),
the pooled sums; for max pooling (R, hidden), one text a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = Mapping[str, npt.NDArray[Any]]

VERSION = 2  # part of the cache key: raise it when the graph changes
MASKED = -30000.0  # exp() of it is 0 in bf16 and f32, and no row is fully masked, so padding cannot give NaN
POSITION_OFFSET = {"bert": 0, "distilbert": 0, "roberta": 1, "xlm-roberta": 1, "camembert": 1}  # added to pad_token_id

_DISTIL = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def supports(config: Mapping[str, Any]) -> bool:
    """Whether this configuration is one that ``build`` reproduces exactly."""
    return (
        config.get("model_type") in POSITION_OFFSET
        and (config.get("hidden_act") or config.get("activation")) == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
        and not config.get("add_cross_attention", False)
    )


def build(config: Mapping[str, Any], weights: Weights, *, max_pooling: bool) -> Any:
    """Build the graph.

    Args:
        config: the model's ``config.json``; ``supports(config)`` holds.
        weights: tensors by name, any float dtype.
        max_pooling: take the maximum over the cells that ``pool`` marks (one text a row) instead of weighted sums.

    Returns:
        an ``openvino.Model``.

    Raises:
        KeyError: a tensor is missing.
    """
    import openvino as ov
    from openvino import opset15 as op

    net = _Network(config, weights)
    ids, positions, segments = (
        _parameter(op, name, [-1, -1], np.int32) for name in ("input_ids", "positions", "segments")
    )
    pool = _parameter(op, "pool", [-1, -1, -1], np.float32)
    own = op.equal(op.unsqueeze(segments, net.axes(1, 2)), op.unsqueeze(segments, net.axes(1, 3)))
    mask = op.select(own, net.scalar(0.0), net.scalar(MASKED))
    hidden = net.embed(ids, positions)
    for index in range(net.layers):
        hidden = net.layer(hidden, mask, index)
    result = op.result(pooled(pool, hidden, max_pooling=max_pooling))
    return ov.Model([result], [ids, positions, segments, pool], "bert")


def _parameter(op: Any, name: str, shape: list[int], dtype: Any) -> Any:
    parameter = op.parameter(shape, dtype, name=name)
    parameter.output(0).set_names({name})
    return parameter


def pooled(pool: Any, hidden: Any, *, max_pooling: bool) -> Any:
    """Pooling as a graph: weighted sums (R, S, hidden), or maxima (R, hidden) over the cells that ``pool`` marks."""
    from openvino import opset15 as op

    if not max_pooling:
        return op.matmul(pool, hidden, False, False)
    slot, width = op.constant(np.array([1], np.int64)), op.constant(np.array([2], np.int64))
    marked = op.greater(op.unsqueeze(op.squeeze(pool, slot), width), op.constant(np.float32(0)))
    return op.reduce_max(op.select(marked, hidden, op.constant(np.float32(MASKED))), slot, False)


def _today(name: str) -> str:
    """A tensor's name as it is written now: models that came from TensorFlow call a norm's parameters gamma and beta."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


class _Network:
    """The pieces of a BERT encoder over one set of weights."""

    def __init__(self, config: Mapping[str, Any], weights: Weights) -> None:
        from openvino import opset15

        self.op = opset15
        self.family = str(config["model_type"])
        prefix = next((name.split("embeddings.")[0] for name in weights if "embeddings.word_embeddings" in name), "")
        self.weights = {_today(name.removeprefix(prefix)): tensor for name, tensor in weights.items()}
        self.hidden = int(config.get("hidden_size") or config["dim"])
        self.heads = int(config.get("num_attention_heads") or config["n_heads"])
        self.layers = int(config.get("num_hidden_layers") or config["n_layers"])
        self.epsilon = float(config.get("layer_norm_eps", 1e-12))
        offset = POSITION_OFFSET[self.family]
        self.first_position = offset + int(config.get("pad_token_id") or 0) if offset else 0

    def constant(self, values: npt.NDArray[Any]) -> Any:
        return self.op.constant(np.ascontiguousarray(values, dtype=np.float32))

    def scalar(self, value: float) -> Any:
        return self.op.constant(np.float32(value))

    def axes(self, *axes: int) -> Any:
        return self.op.constant(np.array(axes, np.int64))

    def norm(self, x: Any, name: str) -> Any:
        centred = self.op.mvn(x, self.axes(-1), True, self.epsilon, "inside_sqrt")
        scaled = self.op.multiply(centred, self.constant(self.weights[f"{name}.weight"]))
        return self.op.add(scaled, self.constant(self.weights[f"{name}.bias"]))

    def linear(self, x: Any, name: str) -> Any:
        product = self.op.matmul(x, self.constant(self.weights[f"{name}.weight"]), False, True)
        return self.op.add(product, self.constant(self.weights[f"{name}.bias"]))

    def embed(self, ids: Any, positions: Any) -> Any:
        table = self.weights["embeddings.position_embeddings.weight"][self.first_position :]
        types = self.weights.get("embeddings.token_type_embeddings.weight")
        if types is not None:  # every token has type 0: add it to the positions once
            table = table.astype(np.float32) + types[:1].astype(np.float32)
        zero = self.op.constant(np.int64(0))
        words = self.op.gather(self.constant(self.weights["embeddings.word_embeddings.weight"]), ids, zero)
        return self.norm(
            self.op.add(words, self.op.gather(self.constant(table), positions, zero)), "embeddings.LayerNorm"
        )

    def layer(self, x: Any, mask: Any, index: int) -> Any:
        def name(part: str) -> str:
            if self.family == "distilbert":
                return f"transformer.layer.{index}.{_DISTIL[part]}"
            return f"encoder.layer.{index}.{part}"

        attended = self.linear(self.attention(x, mask, name), name("attention.output.dense"))
        x = self.norm(self.op.add(attended, x), name("attention.output.LayerNorm"))
        inner = self.op.gelu(self.linear(x, name("intermediate.dense")), "erf")
        return self.norm(self.op.add(self.linear(inner, name("output.dense")), x), name("output.LayerNorm"))

    def attention(self, x: Any, mask: Any, name: Any) -> Any:
        # Spelled out, not ScaledDotProductAttention: the plugin fuses this form too, and ran it 10 % faster on short rows.
        op, width = self.op, self.hidden // self.heads
        split, swap = op.constant(np.array([0, 0, self.heads, width], np.int64)), self.axes(0, 2, 1, 3)
        query, key, value = (
            op.transpose(op.reshape(self.linear(x, name(f"attention.self.{part}")), split, True), swap)
            for part in ("query", "key", "value")
        )
        scores = op.add(op.multiply(op.matmul(query, key, False, True), self.scalar(width**-0.5)), mask)
        mixed = op.transpose(op.matmul(op.softmax(scores, -1), value, False, False), swap)
        return op.reshape(mixed, op.constant(np.array([0, 0, self.hidden], np.int64)), True)
