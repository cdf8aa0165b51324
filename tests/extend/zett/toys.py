"""A tiny uncased WordPiece model, texts for it, and a tokenizer of another kind trained on them."""

from __future__ import annotations

import random
import string
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = "the cat sat on mat dog ran over lazy fox river stone cloud wind warm cold house garden walking talking".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def texts(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, 12))).capitalize() + "." for _ in range(count)]


def wordpiece() -> Tokenizer:
    pieces = [
        *SPECIAL,
        *string.ascii_lowercase,
        ".",
        ",",
        *(f"##{letter}" for letter in string.ascii_lowercase),
        "##ing",
    ]
    vocabulary = {token: number for number, token in enumerate([*pieces, *WORDS[:12], "walk", "talk"])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.add_special_tokens(SPECIAL)
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.decoder = decoders.WordPiece()
    return made


def model(folder: Path, seed: int = 7) -> Path:
    """A complete sentence-transformers directory."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as modules

    torch.manual_seed(seed)
    bare = folder / "bare"
    tokenizer = wordpiece()
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_attention_heads=2, num_hidden_layers=2,
        intermediate_size=64, max_position_embeddings=130, pad_token_id=0,
    )  # fmt: skip
    network = transformers.AutoModel.from_config(config)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    network.save_pretrained(bare)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]",
        model_max_length=128,
    ).save_pretrained(bare)  # fmt: skip
    stack = [
        modules.Transformer(str(bare), max_seq_length=128),
        modules.Pooling(32, pooling_mode="mean"),
        modules.Normalize(),
    ]
    SentenceTransformer(modules=stack, device="cpu").save(str(folder / "model"))
    return folder / "model"


def byte_level(path: Path, size: int = 330) -> Path:
    """A byte-level BPE, as GPT-2's, trained on other texts."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=["<pad>"], show_progress=False
    )
    made.train_from_iterator(texts(200, seed=5), trainer)
    made.save(str(path))
    return path
