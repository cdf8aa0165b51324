"""Tiny models with real subword tokenizers."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers import models as modules
from tests.extend.vocabulary import kinds

ROLES = {
    "bert": {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"},
    "roberta": {
        "unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>",
        "bos_token": "<s>", "eos_token": "</s>",
    },
}  # fmt: skip


def make(folder: Path, family: str = "bert", *, head: bool = False, seed: int = 7, size: int = 300) -> Path:
    """A BERT with WordPiece, or a RoBERTa with byte-level BPE; with a head for masked words where ``head``."""
    torch.manual_seed(seed)
    tokenizer = kinds.wordpiece(size) if family == "bert" else kinds.byte_level(size + 100, special=True)
    shape = {
        "vocab_size": tokenizer.get_vocab_size(), "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2,
        "intermediate_size": 24, "max_position_embeddings": 70, "pad_token_id": 0 if family == "bert" else 1,
    }  # fmt: skip
    config = transformers.BertConfig(**shape) if family == "bert" else transformers.RobertaConfig(**shape)
    kind = transformers.AutoModelForMaskedLM if head else transformers.AutoModel
    network = kind.from_config(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    bare = folder / "bare"
    network.save_pretrained(bare)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **ROLES[family])
    fast.save_pretrained(bare)
    stack = [
        modules.Transformer(str(bare), max_seq_length=64),
        modules.Pooling(16, pooling_mode="mean"),
        modules.Normalize(),
    ]
    SentenceTransformer(modules=stack, device="cpu", prompts={"query": "find: "}).save(str(folder / "model"))
    if head:  # sentence-transformers saves the encoder alone; keep the head's tensors beside it
        from safetensors.torch import load_file, save_file

        whole = load_file(bare / "model.safetensors")
        save_file(whole, folder / "model" / "model.safetensors", {"format": "pt"})
    return folder / "model"
