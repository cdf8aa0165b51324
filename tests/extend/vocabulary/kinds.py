"""Small tokenizers of every kind, trained on the same few words."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "the wing of the aeroplane and the supersonic flow over the wing",
    "laminar and turbulent boundary layers of supersonic flows, and heat transfer",
    "The heat-transfer in a supersonic boundary layer; naïve café, 3.14 per cent",
    "unhappy cats sat on the unhappiest mats while the happiness of dogs grew",
] * 6


def wordpiece(size: int = 300, *, special: bool = True, **options) -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(**options)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if special else ["[UNK]"]
    made.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=size, special_tokens=names, show_progress=False)
    )
    if special:
        ids = [(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
        )
    return made


def byte_level(size: int = 400, *, special: bool = False) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if special else []
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=names, show_progress=False)
    made.train_from_iterator(CORPUS, trainer)
    if special:
        made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return made


def unigram(size: int = 200) -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=size, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    made.train_from_iterator(CORPUS, trainer)
    return made


def sentencepiece_bpe(size: int = 300) -> Tokenizer:
    """As Llama 2 has it: the space is marked by the normaliser."""
    made = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>"], show_progress=False)
    )
    made.pre_tokenizer = None
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return made


def marked_bpe(size: int = 300) -> Tokenizer:
    """BPE whose continuing pieces begin with ##."""
    made = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["[UNK]"], continuing_subword_prefix="##", show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def word_level() -> Tokenizer:
    made = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(CORPUS, trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False))
    return made


KINDS = {
    "wordpiece": wordpiece,
    "byte-level": byte_level,
    "unigram": unigram,
    "sentencepiece-bpe": sentencepiece_bpe,
    "marked-bpe": marked_bpe,
    "word-level": word_level,
}


def by_hand(words: dict[str, int], **options) -> Tokenizer:
    """A WordPiece tokenizer with this vocabulary."""
    made = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(**options)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made
