"""A new small encoder for a language that has none: a vocabulary and a BERT, from the text at hand.

Source: the base models of MahaSBERT and HindSBERT (Joshi et al. 2022, arXiv:2211.11187) are BERTs of one language, trained by
masked-language modelling (Devlin et al. 2019, arXiv:1810.04805: 15 % of the tokens; of these 80 % masked, 10 % changed, 10 %
left). This makes a small one, in minutes on a processor: word pieces by ``tokenizers``, the network and its training by
transformers. The vocabulary keeps every vowel sign: case and accents are left alone, and no zero-width joiner is dropped.

    from vecloom.train.fresh import FreshSettings, new_encoder
    new_encoder(texts, "models/marathi-small", FreshSettings(vocabulary=8000))

Use it where no encoder of the language can be had. It is the base to train on, not a sentence encoder, and far from a model
that has read billions of words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from vecloom.errors import DataError, UsageError
from vecloom.train.translated import check_signs, normal, sample

ALPHABET = 1000  # characters with a piece of their own; the rest, mostly pictures and other scripts, is unknown
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class FreshSettings:
    """The form of a new encoder and how it is trained.

    Attributes:
        vocabulary: word pieces, special ones included.
        layers: of the network.
        width: of its states, and of the vectors.
        heads: of attention.
        inner: width between the two maps of a layer; 4 times the width, as in BERT, where None.
        max_length: tokens after which a text is cut.
        epochs: passes over the texts.
        steps: of the optimiser, instead of epochs.
        batch_size: texts per step.
        learning_rate: its peak; small networks take more than BERT's 1e-4.
        warmup: share of the steps.
        masked: share of the tokens that are to be guessed (BERT).
        lower_case: whether capitals are lowered; Indic scripts have none.
        seed: of weights, order and masks.
    """

    vocabulary: int = 8000
    layers: int = 4
    width: int = 256
    heads: int = 4
    inner: int | None = None
    max_length: int = 128
    epochs: float = 3.0
    steps: int | None = None
    batch_size: int = 64
    learning_rate: float = 5e-4
    warmup: float = 0.1
    masked: float = 0.15
    lower_case: bool = False
    seed: int = 42


@dataclass(frozen=True)
class FreshSummary:
    """What came of it.

    Attributes:
        output: the model's directory.
        texts: different texts that were read.
        vocabulary: word pieces in the vocabulary.
        unknown: share of the texts' tokens that are [UNK].
        parameters: of the network.
        steps: of the optimiser.
        losses: of masked tokens, at a few steps on the way: (step, loss).
    """

    output: str
    texts: int
    vocabulary: int
    unknown: float
    parameters: int
    steps: int
    losses: tuple[tuple[int, float], ...]


def new_tokenizer(texts: Iterable[str], vocabulary: int = 8000, *, lower_case: bool = False) -> Any:
    """Word pieces of texts, with every sign kept; the same texts give the same pieces.

    Args:
        texts: in any form; they are composed (NFC).
        vocabulary: word pieces, special ones included.
        lower_case: whether capitals are lowered.

    Returns:
        a ``tokenizers.Tokenizer`` that puts [CLS] and [SEP] around a text.
    """
    from tokenizers import decoders, processors

    given = list(texts)
    trained = _bare({name: number for number, name in enumerate(SPECIAL)}, lower_case)
    letters = _letters(trained, given)
    # The letters inside of words go in as special tokens, or the library would number them in an order of chance.
    first = [*SPECIAL, *(f"##{letter}" for letter in letters)]
    _train(trained, given, vocabulary, first, letters)
    made = _bare(trained.get_vocab(), lower_case)
    made.add_special_tokens(list(SPECIAL))
    made.decoder = decoders.WordPiece()
    around = [(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=around
    )
    return made


def _bare(vocabulary: dict[str, int], lower_case: bool) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    # Not BertNormalizer's clean_text: it removes characters of category Cf, and the zero-width joiners are of it.
    plain = normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=lower_case
    )
    made.normalizer = normalizers.Sequence([normalizers.NFC(), plain])
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def _letters(tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """The characters that get a piece of their own, in their order."""
    counts = Counter(letter for text in texts for letter in tokenizer.normalizer.normalize_str(text))
    common = sorted(counts, key=lambda letter: (-counts[letter], letter))[:ALPHABET]
    return sorted(letter for letter in common if not letter.isspace())


def _train(tokenizer: Any, texts: Sequence[str], size: int, first: Sequence[str], letters: Sequence[str]) -> None:
    from tokenizers import trainers

    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=list(first),
        initial_alphabet=list(letters),
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)


def new_encoder(
    texts: Iterable[str], output: str | PathLike[str], settings: FreshSettings | None = None, *, tokenizer: Any = None
) -> FreshSummary:
    """Make a vocabulary and a network, train it to guess masked words, and write a sentence-transformers directory.

    Args:
        texts: sentences of the language; equal ones count once.
        output: the directory to write, whole or not at all; vectors are means over tokens.
        settings: form and training.
        tokenizer: a ``tokenizers.Tokenizer`` instead of a new one, as ``new_tokenizer`` makes it.

    Raises:
        DataError: there are too few texts for one batch.
        UsageError: the output is not free, the width is no multiple of the heads, or the tokenizer deletes vowel signs.
    """
    wanted = settings or FreshSettings()
    if wanted.width % wanted.heads:
        raise UsageError(f"width is {wanted.width}, and heads is {wanted.heads}.", "Make width a multiple of heads.")
    target = Path(output)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not an empty folder.", "Choose another, or remove it first.")
    read = list(dict.fromkeys(normal(text) for text in texts if text.strip()))
    if len(read) < wanted.batch_size:
        raise DataError(
            f"There are {len(read)} different texts, and a batch has {wanted.batch_size}.",
            "Give more, or a smaller batch_size.",
        )
    made = tokenizer or new_tokenizer(read, wanted.vocabulary, lower_case=wanted.lower_case)
    check_signs(made, sample(read), target.name)
    wrapped, rows, unknown = _tokens(made, read, wanted)
    network, losses = _masked_training(wrapped, rows, wanted)
    _write(network, wrapped, wanted, target)
    count = sum(parameter.numel() for parameter in network.parameters())
    return FreshSummary(
        str(target), len(read), made.get_vocab_size(), unknown, count, _steps(len(rows), wanted), losses
    )


def _tokens(tokenizer: Any, texts: Sequence[str], settings: FreshSettings) -> tuple[Any, list[list[int]], float]:
    from transformers import PreTrainedTokenizerFast

    # The class that loads tokenizer.json as it is: BERT's own would build another normaliser.
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=settings.max_length,
        **{f"{name[1:-1].lower()}_token": name for name in SPECIAL},
    )
    rows = wrapped(list(texts), truncation=True)["input_ids"]
    tokens = sum(map(len, rows))
    return wrapped, rows, sum(row.count(wrapped.unk_token_id) for row in rows) / tokens


def _masked_training(
    tokenizer: Any, rows: list[list[int]], settings: FreshSettings
) -> tuple[Any, tuple[tuple[int, float], ...]]:
    """The network after masked-language modelling, and its losses."""
    import tempfile

    import transformers
    from datasets import Dataset

    from vecloom.train.machine import device_of, precision_of

    device = device_of("auto")
    transformers.set_seed(settings.seed)
    network = transformers.BertForMaskedLM(_config(tokenizer, settings))
    steps = _steps(len(rows), settings)
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=settings.batch_size,
            max_steps=steps,
            learning_rate=settings.learning_rate,
            warmup_steps=max(1, int(settings.warmup * steps)),
            weight_decay=0.01,
            seed=settings.seed,
            bf16=precision_of("auto", device) == "bf16",
            use_cpu=device == "cpu",
            train_sampling_strategy="group_by_length",
            logging_steps=max(1, steps // 10),
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        trainer = _trainer_class()(
            model=network,
            args=arguments,
            train_dataset=Dataset.from_dict({"input_ids": rows}),
            data_collator=transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=settings.masked),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    losses = [(int(entry["step"]), float(entry["loss"])) for entry in trainer.state.log_history if "loss" in entry]
    whole = transformers.BertModel(network.config)  # with the pooler that loading would otherwise add, and warn about
    whole.load_state_dict(network.bert.state_dict(), strict=False)
    return whole, tuple(losses)


def _trainer_class() -> Any:
    """A trainer that asks the network for words at masked places only: at the others nobody looks at the answer."""
    import torch
    import transformers

    class MaskedTrainer(transformers.Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, **_: Any) -> Any:
            labels = inputs.pop("labels")
            states = model.bert(**inputs).last_hidden_state
            asked = labels != -100
            return torch.nn.functional.cross_entropy(model.cls(states[asked]).float(), labels[asked])

    return MaskedTrainer


def _config(tokenizer: Any, settings: FreshSettings) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=settings.inner or 4 * settings.width,
        max_position_embeddings=settings.max_length,
        pad_token_id=tokenizer.pad_token_id,
    )


def _steps(texts: int, settings: FreshSettings) -> int:
    return settings.steps or math.ceil(settings.epochs * math.ceil(texts / settings.batch_size))


def _write(network: Any, tokenizer: Any, settings: FreshSettings, target: Path) -> None:
    import tempfile

    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    from vecloom.train.setup import publish_model

    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        first = Transformer(folder, max_seq_length=settings.max_length)
        model = SentenceTransformer(modules=[first, Pooling(settings.width, "mean")], device="cpu")
    publish_model(model, target, None)
