"""What the layouts are made of: a tokenizer, networks with weights that tell texts apart, and how a pipeline is saved."""

import json

import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tests.encoders import tiny

WIDTH = 32
VOCABULARY = len(tiny.SPECIAL) + len(tiny.WORDS)
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_attention_heads": 2, "num_hidden_layers": 2,
    "intermediate_size": 64, "max_position_embeddings": 70, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip


def random(network):
    """Weights so large that texts differ; the usual initialisation makes all look alike."""
    generator = torch.Generator().manual_seed(11)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    return network.eval()


def tokenizer(**settings):
    """A fast tokenizer of whole words: <s> TEXT </s>."""
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer(), bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_max_length=64, **settings,
    )  # fmt: skip


def bare(folder, config=None, *, network=None, **settings):
    """Write a transformers directory; its path."""
    torch.manual_seed(5)
    made = network or transformers.AutoModel.from_config(config or tiny.config("bert"))
    random(made).save_pretrained(folder / "bare")
    tokenizer(**settings).save_pretrained(folder / "bare")
    return folder / "bare"


def transformer(folder, config=None, **settings):
    """A Transformer module over a directory of its own."""
    return modules.Transformer(str(bare(folder, config)), **settings)


def save(folder, *stack, **settings):
    """Save a pipeline; its path."""
    torch.manual_seed(3)
    for module in stack:
        if type(module).__name__ in ("Dense", "LSTM", "CNN", "LayerNorm", "WeightedLayerPooling"):
            random(module)
    SentenceTransformer(modules=list(stack), device="cpu", **settings).save(str(folder / "model"))
    return folder / "model"


def edited(path, **changes):
    """Change keys of a JSON file."""
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**known, **changes}))
