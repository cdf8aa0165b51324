"""Tiny sentence-transformers models with random weights, made in a temporary folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = (
    "a the cat dog sat on mat ran over lazy fox query : search document book tree river stone cloud it is was".split()
)
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # ids 0 to 3, as in RoBERTa


def text(count: int, seed: int = 0) -> str:
    generator = torch.Generator().manual_seed(seed)
    return " ".join(WORDS[i] for i in torch.randint(len(WORDS), (count,), generator=generator).tolist())


def tokenizer() -> Tokenizer:
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return made


CONFIGS = {
    "bert": transformers.BertConfig,
    "roberta": transformers.RobertaConfig,
    "xlm-roberta": transformers.XLMRobertaConfig,
    "distilbert": transformers.DistilBertConfig,
    "mpnet": transformers.MPNetConfig,
    "modernbert": transformers.ModernBertConfig,
    "qwen2": transformers.Qwen2Config,
}


def config(family: str) -> transformers.PretrainedConfig:
    shape = {"vocab_size": len(SPECIAL) + len(WORDS), "max_position_embeddings": 70, "pad_token_id": 1}
    if family == "distilbert":
        return CONFIGS[family](dim=32, n_heads=2, n_layers=2, hidden_dim=64, **shape)
    shape |= {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64}
    if family == "qwen2":
        shape["num_key_value_heads"] = 1
    if family == "modernbert":
        shape |= {"cls_token_id": 0, "bos_token_id": 0, "sep_token_id": 2, "eos_token_id": 2}
    return CONFIGS[family](**shape)


def make(
    folder: Path,
    family: str = "bert",
    *,
    pooling: str = "mean",
    dense: bool = False,
    normalize: bool = True,
    prompts: dict[str, str] | None = None,
    include_prompt: bool = True,
) -> Path:
    """Write a complete sentence-transformers directory."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as modules

    torch.manual_seed(7)
    bare = folder / "bare"
    network = transformers.AutoModel.from_config(config(family))
    for parameter in network.parameters():  # the usual initialisation is so small that every text looks alike
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(bare)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_max_length=64,
    )  # fmt: skip
    fast.save_pretrained(bare)
    stack = [modules.Transformer(str(bare), max_seq_length=64)]
    stack.append(modules.Pooling(32, pooling_mode=pooling, include_prompt=include_prompt))
    if dense:
        stack.append(modules.Dense(32, 16))
    if normalize:
        stack.append(modules.Normalize())
    SentenceTransformer(modules=stack, device="cpu", prompts=prompts).save(str(folder / "model"))
    return folder / "model"


def legacy(model: Path) -> Path:
    """Rewrite a model's settings as sentence-transformers 2 wrote them."""
    kinds = json.loads((model / "modules.json").read_text())
    for module in kinds:
        module["type"] = "sentence_transformers.models." + module["type"].rsplit(".", 1)[-1]
    (model / "modules.json").write_text(json.dumps(kinds))
    pooling = json.loads((model / "1_Pooling/config.json").read_text())
    names = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens", "weightedmean": "weightedmean_tokens"}
    mode = names.get(pooling["pooling_mode"], pooling["pooling_mode"])
    old = {"word_embedding_dimension": 32, **{f"pooling_mode_{n}": n == mode for n in [*names.values(), "lasttoken"]}}
    (model / "1_Pooling/config.json").write_text(json.dumps(old))
    (model / "sentence_bert_config.json").write_text('{"max_seq_length": 64, "do_lower_case": false}')
    card = model / "tokenizer_config.json"
    card.write_text(re.sub(r'"model_max_length": \d+', '"model_max_length": 1000000000000', card.read_text()))
    return model
