"""Speed of NV-Embed's two stages on a decoder of random weights: tokens, operations, and the hardware's share in use.

    python benchmarks/decoder_training.py --size small
    python benchmarks/decoder_training.py --size 7b --rows 32 --json benchmarks/results/decoder_training.json

Random weights cost what trained ones do. The decoder is LLaMA's architecture; texts are random words, cut at ``--tokens``;
training is ``vecloom train``'s own, with latent-attention pooling, each row with ``--negatives`` of its own. Operations are the
model's (``vecloom.train.flops``: padding and recomputation count nothing). Their share is of what the GPU's data sheet names,
where it is known, and of the fastest product of two large matrices measured here, in the same precision.

On one H100 or H200: ``1b`` trains all weights, ``7b`` LoRA beside weights held in bfloat16. Needs the extra ``[train]``.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from vecloom import train
from vecloom.files import write_text
from vecloom.train.machine import device_of, hardware, precision_of
from vecloom.train.recipe import Recipe


class Size(NamedTuple):
    """A decoder's shape, and how it is trained."""

    layers: int
    width: int
    inner: int
    heads: int
    key_heads: int
    words: int
    lora: dict[str, Any] | None


SIZES = {
    "tiny": Size(4, 128, 384, 4, 4, 1_000, None),
    "small": Size(8, 512, 1536, 8, 8, 8_000, None),
    "1b": Size(16, 2048, 8192, 32, 8, 32_000, None),
    "7b": Size(32, 4096, 14336, 32, 8, 32_000, {"rank": 16, "weights": "bf16"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--rows", type=int, default=8, help="rows of a batch")
    parser.add_argument(
        "--tokens", type=int, default=128, help="length of the longest texts; the mean is three quarters of it"
    )
    parser.add_argument("--negatives", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--mini-batch", type=int, help="texts encoded at once, with gradient caching")
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp32"])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [measured(Path(folder), stage, given) for stage in (1, 2)]
    for row in found:
        print(json.dumps(row))
    if given.json:
        write_text(given.json, json.dumps(found, indent=1) + "\n")


def measured(folder: Path, stage: int, given: argparse.Namespace) -> dict[str, Any]:
    """One stage's speed."""
    size = SIZES[given.size]
    if stage == 1:
        decoder(folder / "decoder", size, given.tokens)
        texts(folder / "rows.jsonl", size.words, given)
    recipe = Recipe.model_validate(
        {
            "model": str(folder / "decoder"),
            "output": str(folder / f"stage{stage}"),
            "decoder": {"latents": 512, "heads": 8},
            "lora": size.lora,
            "data": [{"path": str(folder / "rows.jsonl"), "instruction": "find the text"}],
            "loss": {"name": "mnr", "in_batch": stage == 1},
            "batch_size": given.rows,
            "mini_batch_size": given.mini_batch,
            "steps": given.steps,
            "precision": given.precision,
            "checkpoints": {"every": given.steps + 1},
            "watch": {"collapse": 1.0, "every": given.steps + 1, "probe": 2},
            "logging": {"to": []},
        }
    )
    summary = train.run(recipe)
    device, precision = device_of("auto"), precision_of(given.precision, "auto")
    product = product_rate(device, precision)
    return {
        "size": given.size,
        "stage": stage,
        "rows": given.rows,
        "tokens": given.tokens,
        "hardware": hardware(),
        "precision": precision,
        "tokens per second": round(summary.tokens_per_second),
        "operations per second": summary.operations_per_second,
        "share of the data sheet's": summary.utilisation,
        "share of a product's": summary.operations_per_second / product,
        "operations per second of a product": product,
        "GPU memory": torch.cuda.max_memory_allocated() if device.startswith("cuda") else None,
    }


def decoder(folder: Path, size: Size, tokens: int) -> None:
    """Random weights and a tokenizer of numbered words."""
    torch.manual_seed(0)
    vocabulary = {name: place for place, name in enumerate(["<s>", "</s>", "<unk>", *map(str, range(size.words))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_heads,
        max_position_embeddings=max(4096, tokens),
        bos_token_id=0,
        eos_token_id=1,
    )
    network = transformers.AutoModel.from_config(config, dtype=torch.bfloat16 if size.lora else torch.float32)
    network.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", model_max_length=tokens
    ).save_pretrained(folder)


def texts(path: Path, words: int, given: argparse.Namespace) -> None:
    """Rows of random words, half to all of the length."""
    chance = random.Random(0)

    def text() -> str:
        return " ".join(str(chance.randrange(words)) for _ in range(chance.randint(given.tokens // 2, given.tokens)))

    names = ["anchor", "positive", *(f"negative_{place + 1}" for place in range(given.negatives))]
    made = [{name: text() for name in names} for _ in range(given.rows * given.steps)]
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")


def product_rate(device: str, precision: str) -> float:
    """Operations per second of the fastest of several products of square matrices."""
    side = 8192 if device.startswith("cuda") else 2048
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


if __name__ == "__main__":
    main()
