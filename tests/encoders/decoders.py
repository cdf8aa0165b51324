"""Tiny decoders with random weights and a byte-level tokenizer, as transformers directories."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from tests.encoders.tiny import WORDS
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

CONFIGS = {
    "llama": transformers.LlamaConfig,
    "mistral": transformers.MistralConfig,
    "qwen2": transformers.Qwen2Config,
    "qwen3": transformers.Qwen3Config,
}


def tokenizer(*, bos: bool = True) -> Tokenizer:
    """Byte pairs, as GPT-2 and Qwen have them: a word and the blank before it are one token."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [" ".join(["Instruct: find the document\nQuery: what", *WORDS])] * 3
    made.train_from_iterator(texts, trainer)
    if bos:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return made


def config(family: str, **changes) -> transformers.PretrainedConfig:
    shape = {
        "vocab_size": 500,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "head_dim": 8,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": None,
    }
    return CONFIGS[family](**(shape | changes))


def make(folder: Path, family: str = "llama", *, bos: bool = True, **changes) -> Path:
    """Write weights and tokenizer; weights are large enough for states to differ."""
    torch.manual_seed(7)
    network = transformers.AutoModelForCausalLM.from_config(config(family, **changes))
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(folder)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(bos=bos), bos_token="<s>", eos_token="</s>", model_max_length=64
    )
    fast.save_pretrained(folder)
    return folder
