import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.train import toys
from tokenizers import Tokenizer, models, normalizers

from vecloom.errors import DataError, UsageError
from vecloom.train import run
from vecloom.train.data import read_table
from vecloom.train.recipe import DataSource
from vecloom.train.translated import ScoredPair, check_signs, collapsed, lost_signs, normal, read_stsb, without_leaks

UNCASED = normalizers.BertNormalizer(lowercase=True)  # strip_accents unset, which is BERT's default
SAFE = normalizers.BertNormalizer(lowercase=False, strip_accents=False)


def test_berts_uncased_normaliser_deletes_vowel_signs_and_is_refused():
    # किताबें loses U+0947 and U+0902, मुलगी loses U+0941; ि, ा and ी stay
    words = ["किताबें", "मुलगी"]
    assert lost_signs(UNCASED.normalize_str, words) == {"\u0947": 1, "\u0902": 1, "\u0941": 1}
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.normalizer = UNCASED
    with pytest.raises(UsageError, match=r"The tokenizer of bert deletes 3 signs of these texts, U\+09"):
        check_signs(tokenizer, words, "bert")
    tokenizer.normalizer = SAFE
    check_signs(tokenizer, words, "bert")


def test_joiners_count_as_signs_and_plain_accents_do_not():
    cleaning = normalizers.BertNormalizer(lowercase=False, strip_accents=False, clean_text=True)
    assert lost_signs(cleaning.normalize_str, ["क्‍ष"]) == {"\u200d": 1}
    assert not lost_signs(UNCASED.normalize_str, ["Zürich", "über"])


@given(text=st.text(alphabet="कखगािीुूेैोौं़्क़ abc", max_size=30))
def test_composing_twice_is_composing_once_and_loses_no_sign(text):
    assert normal(normal(text)) == normal(text)
    assert not lost_signs(normal, [text])
    assert collapsed(text, unicodedata.normalize("NFD", text))


def test_two_writings_of_a_nukta_are_one_text():
    assert normal("\u0958") == normal("\u0915\u093c")
    assert collapsed("Ein  Haus", "ein haus")
    assert not collapsed("ein haus", "ein Baum")


def line(score="3.8", first='एक "विमान", बंद', second="दोन"):
    return "\t".join(["main", "file", "2012", "0001", score, first, second])


def test_quotes_and_commas_stay_in_their_field(tmp_path):
    (tmp_path / "train.tsv").write_text(f"{line()}\n{line('5.0', 'a', 'b')}", encoding="utf-8")
    assert read_stsb(tmp_path / "train.tsv") == [('एक "विमान", बंद', "दोन", 3.8), ("a", "b", 5.0)]


@pytest.mark.parametrize(
    ("text", "match"), [("a\tb\n", r"train.tsv:1 has 2 columns, not 7"), (line("6"), "the score is '6', not 0 to 5")]
)
def test_a_line_that_is_no_pair_is_an_error(tmp_path, text, match):
    (tmp_path / "train.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=match):
        read_stsb(tmp_path / "train.tsv")


def test_test_pairs_that_were_trained_on_go_in_either_order():
    train = [ScoredPair("a", "b", 1.0)]
    test = [ScoredPair("b", "a", 1.0), ScoredPair("a", "c", 2.0), ScoredPair("a", "b", 3.0)]
    assert without_leaks(test, train) == [("a", "c", 2.0)]


def test_a_recipe_leaves_out_pairs_that_became_one_against_their_score(tmp_path):
    rows = [
        {"sentence1": "\u0915\u093c", "sentence2": "\u0958", "score": 2},  # one text, and not alike
        {"sentence1": "same", "sentence2": "same", "score": 5},
        {"sentence1": "\u0958", "sentence2": "other", "score": 0},
    ]
    path = toys.write_rows(tmp_path / "scored.jsonl", rows)
    table = read_table(DataSource(path=str(path), scale=(0, 5), translated=True))
    assert table.rows["sentence1"][:] == ["same", "\u0915\u093c"]
    assert "pairs whose texts became one in translation, against their label: 1" in table.checked.notes()
    assert len(read_table(DataSource(path=str(path), scale=(0, 5)))) == 3


def test_a_premise_that_contradicts_itself_is_left_out(tmp_path):
    rows = [
        {"premise": "a", "hypothesis": "A", "label": "contradiction"},
        {"premise": "a", "hypothesis": "a", "label": "entailment"},
        {"premise": "a", "hypothesis": "b", "label": "neutral"},
    ]
    path = toys.write_rows(tmp_path / "nli.jsonl", rows)
    assert len(read_table(DataSource(path=str(path), translated=True))) == 2


def test_training_on_translated_texts_refuses_a_tokenizer_that_deletes_signs(tmp_path):
    toys.model(tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json"))
    tokenizer.normalizer = UNCASED
    tokenizer.save(str(tmp_path / "model" / "tokenizer.json"))
    rows = [{"anchor": f"मुलगी {number}", "positive": f"पुस्तक {number}"} for number in range(10)]
    toys.write_rows(tmp_path / "pairs.jsonl", rows)
    source = {"path": str(tmp_path / "pairs.jsonl"), "translated": True}
    with pytest.raises(UsageError, match=r"deletes 10 signs of these texts, U\+0941"):
        run(toys.recipe(tmp_path, data=(source,)))
