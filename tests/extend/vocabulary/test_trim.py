import json
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.extend.vocabulary import kinds, models

import vecloom as vl
from vecloom.errors import UsageError
from vecloom.extend.vocabulary.resize import resize_vocabulary
from vecloom.extend.vocabulary.surfaces import unknown_id
from vecloom.extend.vocabulary.trim import script_of, scripts_in, token_counts, tokens_to_keep, trimmed

SEEN = kinds.CORPUS[:2]
WORDS = [*re.findall(r"\w+", " ".join(kinds.CORPUS)), "supersonics", "unhappily", "dogwing", "ab"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return models.make(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
@settings(max_examples=150, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=5))
def test_texts_of_kept_tokens_are_cut_as_before(kind, words):
    whole, small = WHOLE[kind], SMALL[kind]
    before = whole.encode(" ".join(words), add_special_tokens=False)
    kept = small.get_vocab()
    assume(all(token in kept for token in before.tokens) and unknown_id(whole) not in before.ids)
    assert small.encode(" ".join(words), add_special_tokens=False).tokens == before.tokens


WHOLE = {kind: make() for kind, make in kinds.KINDS.items()}
SMALL = {kind: trimmed(made, tokens_to_keep(made, SEEN)) for kind, made in WHOLE.items()}


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
def test_the_corpus_itself_is_cut_as_before_by_fewer_tokens(kind):
    assert len(SMALL[kind].get_vocab()) < len(WHOLE[kind].get_vocab())
    for text in SEEN:
        one, other = (made.encode(text, add_special_tokens=False).tokens for made in (WHOLE[kind], SMALL[kind]))
        assert one == other
    assert sorted(SMALL[kind].get_vocab().values()) == list(range(len(SMALL[kind].get_vocab())))


def test_every_byte_stays():
    vocabulary = SMALL["byte-level"].get_vocab()
    from tokenizers import pre_tokenizers

    assert set(pre_tokenizers.ByteLevel.alphabet()) <= vocabulary.keys()
    assert SMALL["byte-level"].decode(SMALL["byte-level"].encode("ἀρχή 東京").ids).strip() == "ἀρχή 東京"


def test_parts_of_a_kept_token_stay():
    made = kinds.byte_level()
    kept = tokens_to_keep(made, ["supersonic"])
    merges = [tuple(pair) for pair in json.loads(made.to_str())["model"]["merges"]]
    for left, right in merges:
        if left + right in kept:
            assert {left, right} <= kept


def test_the_least_likely_token_of_unigram_stays():
    rows = json.loads(WHOLE["unigram"].to_str())["model"]["vocab"]
    lowest = min(rows, key=lambda row: row[1])[0]
    assert lowest in SMALL["unigram"].get_vocab()


def test_letters_of_the_corpuss_script_stay_and_others_go():
    words = {token: number for number, token in enumerate(["[UNK]", "wing", "é", "##é", "ж", "東", "!", "жук", "air"])}
    kept = tokens_to_keep(kinds.by_hand(words, strip_accents=False), ["wing"])
    assert kept == {"[UNK]", "wing", "é", "##é", "!"}


def test_a_script_is_kept_whole():
    words = {token: number for number, token in enumerate(["[UNK]", "wing", "жук", "東京", "wж", "7", "##ing", "東"])}
    tokenizer = kinds.by_hand(words, handle_chinese_chars=False)
    assert tokens_to_keep(tokenizer, [], scripts=["cyrillic"]) == {"[UNK]", "жук", "7"}
    assert tokens_to_keep(tokenizer, [], scripts=["Latin"]) == {"[UNK]", "wing", "##ing", "7"}
    with pytest.raises(UsageError, match=r"script 'klingon'.*cyrillic, han, latin"):
        tokens_to_keep(tokenizer, [], scripts=["klingon"])


def test_scripts_by_name():
    named = {
        "a": "latin",
        "Ａ": "latin",
        "ж": "cyrillic",
        "λ": "greek",
        "東": "han",
        "々": "han",
        "한": "hangul",
        "あ": "hiragana",
        "ｱ": "katakana",
        "ー": "",  # of hiragana and katakana
        "7": "",
        "!": "",
    }
    assert {letter: script_of(letter) for letter in named} == named
    assert scripts_in(["a" * 300 + "λ", "ж" * 20]) == {"latin", "cyrillic"}  # one letter in 321 is a quotation


SHARED = ["2024", "...", "！", "。", "\u200d", "\u200c"]
OF_SCRIPTS = {
    "latin": ["wing", "Ａｂ", "ﬁ", "e\u0301", "it's", "ª"],
    "cyrillic": ["жук", "и\u0306"],
    "han": ["東京", "人々", "〻", "〆", "東・京"],
    "hiragana": ["ひら", "こゝ", "らーめん", "か\u3099"],
    "katakana": ["カナ", "ー", "ヽ", "ヾ", "ｱﾞ", "ｰ", "ﾊﾟ"],
    "hangul": ["한국", "ﾡ"],
    "devanagari": ["हिन्दी", "क्\u200dष", "१२", "ॐ", "है।"],
    "arabic": ["كتاب", "كِتَاب", "می\u200cخواهم", "٣", "كـ", "ﷺ"],
    "hebrew": ["שלום", "שָׁלוֹם"],
    "thai": ["ไทย", "ที่", "ๆ", "๑"],
    "bengali": ["বাংলা", "১"],
}
BY_SCRIPT = {
    token: number
    for number, token in enumerate(["[UNK]", *SHARED, *(word for words in OF_SCRIPTS.values() for word in words)])
}


@pytest.mark.parametrize("script", OF_SCRIPTS)
def test_a_script_has_more_than_letters(script):
    tokenizer = kinds.by_hand(BY_SCRIPT, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    kept = tokens_to_keep(tokenizer, [], scripts=[script])
    assert kept >= {*SHARED, *OF_SCRIPTS[script]}
    others = {word for other, words in OF_SCRIPTS.items() if other != script for word in words}
    also = {"ー": {"hiragana"}, "ｰ": {"hiragana"}}  # the length mark is of both kana
    assert {word for word in kept & others if script not in also.get(word, ())} == set()


def test_a_language_of_several_scripts_has_a_name():
    tokenizer = kinds.by_hand(BY_SCRIPT, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    wanted = {*OF_SCRIPTS["han"], *OF_SCRIPTS["hiragana"], *OF_SCRIPTS["katakana"]}
    kept = tokens_to_keep(tokenizer, [], scripts=["Japanese"])
    assert kept >= wanted
    assert not kept & {*OF_SCRIPTS["hangul"], *OF_SCRIPTS["latin"]}
    assert tokens_to_keep(tokenizer, [], scripts=["cjk"]) == tokens_to_keep(tokenizer, [], scripts=["han"])


def test_marks_of_the_corpuss_scripts_stay_single():
    tokens = ["[UNK]", "か", "ー", "ゝ", "##\u3099", "々", "ｱ", "##ि"]
    kept = tokens_to_keep(kinds.by_hand({token: number for number, token in enumerate(tokens)}), ["か"])
    assert kept == {"[UNK]", "か", "ー", "ゝ", "##\u3099"}


def test_rare_tokens_go_where_they_have_to_occur_often():
    tokenizer = kinds.by_hand({"[UNK]": 0, "wing": 1, "air": 2, "w": 3})
    assert tokens_to_keep(tokenizer, ["wing wing air"], least=2) == {"[UNK]", "wing", "w"}
    assert token_counts(tokenizer, ["wing wing air"])[1] == 2


def test_nothing_to_trim_is_said():
    tokenizer = kinds.by_hand({"[UNK]": 0, "wing": 1})
    with pytest.raises(UsageError, match="nothing to trim"):
        trimmed(tokenizer, tokens_to_keep(tokenizer, ["wing"]))
    with pytest.raises(UsageError, match="neither a corpus nor a script"):
        tokens_to_keep(tokenizer, [])


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_vectors_of_covered_texts_are_the_same(family, tmp_path):
    model = models.make(tmp_path / "made", family)
    done = resize_vocabulary(str(model), SEEN, tmp_path / "out", trim=True)
    assert done.tokens_after == done.tokens_before - done.removed
    assert done.removed > 0
    assert done.parameters == -16 * done.removed
    texts = [*SEEN, "the wing", "supersonic heat"]
    for backend in ("openvino", "torch"):
        before, after = (
            vl.load(folder, backend=backend, precision="f32").encode(texts) for folder in (model, tmp_path / "out")
        )
        assert np.abs(before - after).max() == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["vocab_size"] == done.tokens_after
    assert config["pad_token_id"] == (0 if family == "bert" else 1)


def test_trim_and_add_together(bert, tmp_path):
    texts = [*SEEN, *["the aileron of the aileron"] * 3]
    done = resize_vocabulary(str(bert), texts, tmp_path / "out", trim=True, add=1)
    assert done.added == ("aileron",)
    made, before = (vl.load(folder, backend="torch", precision="f32") for folder in (tmp_path / "out", bert))
    assert "aileron" in made.tokenizer.encode("the aileron").tokens
    assert (made.encode(["the wing"]) == before.encode(["the wing"])).all()


def test_nothing_to_do_is_said(bert, tmp_path):
    with pytest.raises(UsageError, match="nothing to do"):
        resize_vocabulary(str(bert), SEEN, tmp_path / "out")
