"""A real server: ``vecloom serve`` in a process of its own, on a port that the system chose."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import torch
import transformers
from tests.encoders import tiny


class Running:
    """A server process and what it said of itself."""

    def __init__(self, process, said):
        self.process, self.said = process, said
        self.url = said["address"]

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def running(*args, env=None, stderr=subprocess.DEVNULL):
    """Start ``vecloom serve`` with these arguments; ended with SIGTERM, where the test has not done so."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vecloom", "serve", "--port", "0", "--json", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **(env or {})},
    )
    try:
        yield Running(process, json.loads(process.stdout.readline()))
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def cross_encoder(folder):
    """A tiny cross-encoder with random weights, as sentence-transformers saves it."""
    from sentence_transformers import CrossEncoder

    torch.manual_seed(3)
    config = tiny.config("bert")
    config.num_labels, config.type_vocab_size = 1, 2
    network = transformers.BertForSequenceClassification(config)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(folder / "bare")
    made = tiny.tokenizer()
    made.post_processor = tiny.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_max_length=64,
    )  # fmt: skip
    fast.save_pretrained(folder / "bare")
    CrossEncoder(str(folder / "bare"), device="cpu").save_pretrained(str(folder / "cross"))
    return folder / "cross"
