"""The files of a tokenizer in a model's folder, and what ``config.json`` says of the vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.extend.output import read_json, update_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from vecloom.extend.vocabulary.fitting import Fitted

_OLD = (
    "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "unigram.json",
    "added_tokens.json", "special_tokens_map.json", "bpe.codes",
)  # fmt: skip
"""The old vocabulary in other forms: a loader that finds one would use it."""
_KEPT = ("model_max_length", "model_input_names", "padding_side", "truncation_side", "clean_up_tokenization_spaces")


def write_tokenizer(folder: Path, fitted: Fitted, size: int, old: Tokenizer) -> None:
    """Put a tokenizer in the place of another.

    Args:
        folder: of the transformer, in the new model's directory.
        fitted: the new tokenizer.
        size: rows of the new embeddings.
        old: the tokenizer whose ids ``config.json`` holds.
    """
    for name in _OLD:
        (folder / name).unlink(missing_ok=True)
    fitted.tokenizer.save(str(folder / "tokenizer.json"))
    settings = folder / "tokenizer_config.json"
    told = read_json(settings) if settings.is_file() else {}
    kept = {name: told[name] for name in _KEPT if name in told}
    settings.unlink(missing_ok=True)
    # The class that takes any tokenizer.json as it is; a BertTokenizer would build its own normaliser again.
    update_json(settings, tokenizer_class="PreTrainedTokenizerFast", **kept, **fitted.roles)
    update_json(folder / "config.json", vocab_size=size, **_ids(read_json(folder / "config.json"), fitted, old))


def _ids(config: dict[str, Any], fitted: Fitted, old: Tokenizer) -> dict[str, Any]:
    """The ids of special tokens that the configuration names, as they are now."""
    now = {source: target for target, source in fitted.specials.items()}
    found = {}
    for key, number in config.items():
        if key.endswith("_token_id") and isinstance(number, int) and old.id_to_token(number) is not None:
            found[key] = now.get(number)
    return found
