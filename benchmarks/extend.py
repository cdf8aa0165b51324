"""Speed of extended models: one long text through a rotary network, beside the network's own full attention.

    python benchmarks/extend.py                                  # 4,096 and 1,024 tokens, 5 rounds
    python benchmarks/extend.py --json benchmarks/results/extend.json

The network has the shape of all-MiniLM-L6-v2 (6 layers, width 384, 12 heads) with rotary positions (EuroBERT's code of
transformers), random weights and a limit of 512 tokens. Systems are interleaved; each is a directory that ``vecloom extend``
wrote:

    full       the same network at its full length with transformers' fused attention: what one would compare with
    eager      the same with transformers' plain attention, whose scores pass through memory as SelfExtend's do
    ntk        rotary scaling in the configuration
    grouped    position numbers of a module
    scaled     ntk with queries scaled by the length
    self_extend
    windows    of 512 tokens

CPU seconds, medians of the rounds; the ratio is to ``full`` of the same round. Read the ratios: seconds hold for one machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vecloom import extend
from vecloom.cli import show
from vecloom.files import write_text
from vecloom.runtime import cpu

SOURCE = 512
WORDS = 1000
WARM = 600  # tokens of the round that is not counted
METHODS: dict[str, dict[str, Any]] = {
    "ntk": {"method": "ntk"},
    "grouped": {"method": "grouped"},
    "scaled": {"method": "ntk", "attention_scaling": True},
    "self_extend": {"method": "self_extend"},
    "windows": {"method": "windows"},
}


def main() -> None:
    options = parse()
    import torch

    torch.set_num_threads(options.threads)
    print(f"{cpu.name()}, {options.threads} threads, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as folder:
        source = make_network(Path(folder))
        results = {str(length): measure(source, length, options.rounds, Path(folder)) for length in options.tokens}
    report = {
        "machine": {"cpu": cpu.name(), "threads": options.threads, "date": time.strftime("%Y-%m-%d")},
        "rounds": options.rounds,
        "tokens": results,
    }
    print("\n" + table(report))
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")
        write_text(options.json.with_suffix(".md"), table(report))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=cpu.threads())
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def make_network(folder: Path) -> Path:
    """A sentence-transformers directory with random weights."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as modules
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    config = transformers.EuroBertConfig(
        vocab_size=WORDS + 2, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, num_key_value_heads=12,
        intermediate_size=1024, max_position_embeddings=SOURCE, pad_token_id=0,
    )  # fmt: skip
    transformers.AutoModel.from_config(config).save_pretrained(folder / "bare")
    vocabulary = {"<pad>": 0, "<unk>": 1, **{f"w{word}": word + 2 for word in range(WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", model_max_length=SOURCE
    ).save_pretrained(folder / "bare")
    stack = [modules.Transformer(str(folder / "bare"), max_seq_length=SOURCE), modules.Pooling(384)]
    SentenceTransformer(modules=stack, device="cpu").save(str(folder / "source"))
    return folder / "source"


def measure(source: Path, length: int, rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """CPU seconds a text, and ratio to full attention, of each system."""
    import torch

    ids = torch.arange(length)[None] % WORDS + 2
    systems = open_systems(source, length, folder)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for turn in range(rounds + 1):
        for name, run in systems.items():
            read = ids if turn else ids[:, :WARM]
            features = {"input_ids": read, "attention_mask": torch.ones_like(read)}
            began = time.process_time()  # the time of all threads, which other processes do not lengthen
            with torch.inference_mode():
                run(features)
            if turn:
                seconds[name].append(time.process_time() - began)
    print(length, {name: round(statistics.median(each), 3) for name, each in seconds.items()}, flush=True)
    return {
        name: {
            "seconds": statistics.median(each),
            "ratio": statistics.median(own / full for own, full in zip(each, seconds["full"], strict=True)),
        }
        for name, each in seconds.items()
    }


def open_systems(source: Path, length: int, folder: Path) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Each system as a function of features."""
    from sentence_transformers import SentenceTransformer

    found = {}
    for name, call in METHODS.items():
        out = folder / f"{name}-{length}"
        extend.extend_context(str(source), out, to=length, **call)
        found[name] = SentenceTransformer(str(out), device="cpu", trust_remote_code=True).eval()
    for name, kernel in (("full", "sdpa"), ("eager", "eager")):
        found[name] = SentenceTransformer(
            str(folder / f"ntk-{length}"), device="cpu", model_kwargs={"attn_implementation": kernel}
        ).eval()
    order = ("full", "eager", *METHODS)
    return {name: found[name] for name in order}


def table(report: dict[str, Any]) -> str:
    """The results as Markdown."""
    lengths = list(report["tokens"])
    rows = [
        (name, *(f"{report['tokens'][length][name][key]:.2f}" for length in lengths for key in ("seconds", "ratio")))
        for name in report["tokens"][lengths[0]]
    ]
    head = ("system", *(f"{int(length):,} tokens, {what}" for length in lengths for what in ("CPU s", "x full")))
    lines = [head, tuple("---" if place == 0 else "---:" for place in range(len(head))), *rows]
    machine = report["machine"]
    note = f"Made by `python benchmarks/extend.py` on {machine['date']}: {machine['cpu']}, "
    note += f"{show.count(machine['threads'], 'thread')}, float32, one text at a time, {show.count(report['rounds'], 'round')}."
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{note}\n"


if __name__ == "__main__":
    main()
