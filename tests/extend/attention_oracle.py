"""Attention at a temperature, written out: what folding has to equal."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from safetensors.numpy import load_file


def softmax(scores):
    shifted = np.exp(scores - scores.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def bert_states(folder, ids, taus, heads=2, epsilon=1e-12):
    """The last states of a BERT encoder whose layer i attends by softmax(scores / taus[i]): (n, hidden), float64."""
    w = {name: tensor.astype(np.float64) for name, tensor in load_file(folder / "model.safetensors").items()}

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x):
        return x * 0.5 * (1 + torch.erf(torch.from_numpy(x) / 2**0.5).numpy())

    table = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(w["embeddings.word_embeddings.weight"][ids] + table[: len(ids)], "embeddings.LayerNorm")
    width = x.shape[1] // heads
    for layer, tau in enumerate(taus):
        at = f"encoder.layer.{layer}."
        query, key, value = (linear(x, f"{at}attention.self.{part}") for part in ("query", "key", "value"))
        mixed = []
        for head in range(heads):
            own = slice(head * width, (head + 1) * width)
            scores = query[:, own] @ key[:, own].T / width**0.5
            mixed.append(softmax(scores / tau) @ value[:, own])
        x = norm(
            linear(np.concatenate(mixed, -1), f"{at}attention.output.dense") + x, f"{at}attention.output.LayerNorm"
        )
        inner = gelu(linear(x, f"{at}intermediate.dense"))
        x = norm(linear(inner, f"{at}output.dense") + x, f"{at}output.LayerNorm")
    return x


@contextlib.contextmanager
def divided_softmax(taus):
    """Have every softmax of torch divide what it gets, as the authors' code does: masks and biases too."""
    original = torch.nn.functional.softmax
    calls = []

    def divided(scores, *args, **options):
        tau = taus[len(calls) % len(taus)]
        calls.append(tau)
        sharp = (scores / tau).clamp(min=torch.finfo(scores.dtype).min)  # a mask over 0.7 is no number any more
        return original(sharp, *args, **options)

    torch.nn.functional.softmax = divided
    try:
        yield calls
    finally:
        torch.nn.functional.softmax = original
