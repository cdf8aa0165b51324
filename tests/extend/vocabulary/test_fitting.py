import json

import pytest
from tests.extend.vocabulary import kinds
from tests.extend.vocabulary.models import ROLES
from tokenizers import AddedToken

from vecloom.errors import ModelError, UsageError
from vecloom.extend.vocabulary.fitting import Target, fit, read_target
from vecloom.extend.vocabulary.special import frame, match, read_roles, specials_in

BERT = kinds.wordpiece(200)
ROBERTA = kinds.byte_level(500, special=True)


def target(tokenizer, **roles):
    return Target("target", tokenizer, roles)


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
def test_any_tokenizer_gets_the_models_frame(kind):
    made = fit(BERT, ROLES["bert"], target(kinds.KINDS[kind]())).tokenizer
    encoding = made.encode("the wing", "heat")
    assert made.encode("the wing").tokens[0] == "[CLS]"
    assert made.encode("the wing").tokens[-1] == "[SEP]"
    assert [token for token, special in zip(encoding.tokens, encoding.special_tokens_mask, strict=True) if special] == [
        "[CLS]", "[SEP]", "[SEP]",
    ]  # fmt: skip
    assert encoding.type_ids[-1] == 1
    assert sorted(made.get_vocab().values()) == list(range(len(made.get_vocab())))


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
def test_texts_are_cut_as_before_within_the_frame(kind):
    given = kinds.KINDS[kind]()
    fitted = fit(BERT, ROLES["bert"], target(given))
    for text in kinds.CORPUS[:4]:
        inner = fitted.tokenizer.encode(text, add_special_tokens=False).tokens
        assert inner == given.encode(text, add_special_tokens=False).tokens


def test_tokens_that_are_missing_get_the_old_ids_and_nothing_else_moves():
    given = kinds.byte_level(400)
    fitted = fit(BERT, ROLES["bert"], target(given))
    made, before, after = fitted.tokenizer, given.get_vocab(), fitted.tokenizer.get_vocab()
    for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]"):
        assert made.token_to_id(token) == BERT.token_to_id(token)
    moved = {token for token in before if before[token] != after[token]}
    assert {before[token] for token in moved} == {0, 2, 3, 4}
    assert all(fitted.origin[after[token]] == before[token] for token in before)
    assert sum(fitted.origin < 0) == 4
    assert "[UNK]" not in after  # bytes know everything


def test_a_target_with_tokens_of_its_own_keeps_every_id():
    fitted = fit(BERT, ROLES["bert"], target(ROBERTA, **ROLES["roberta"]))
    assert fitted.tokenizer.get_vocab() == ROBERTA.get_vocab()
    assert fitted.tokenizer.encode("wing").tokens[::2] == ["<s>", "</s>"]
    assert fitted.roles["cls_token"] == "<s>"
    assert fitted.specials[0] == BERT.token_to_id("[CLS]")
    assert fitted.specials[1] == BERT.token_to_id("[PAD]")


def test_padding_keeps_its_id_where_positions_hang_on_it():
    fitted = fit(ROBERTA, ROLES["roberta"], target(BERT, **ROLES["bert"]), padding_counts=True)
    assert fitted.tokenizer.token_to_id("[PAD]") == 1
    assert fitted.tokenizer.token_to_id("[UNK]") == 0  # changed places
    assert fitted.tokenizer.encode("zzz✈").ids.count(0) >= 1  # and is still what unknown words become


def test_two_roles_never_share_one_token():
    # GPT-2 has one token for all; start and end must stay apart
    found = match(ROLES["bert"], {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, {"<|endoftext|>": 9})
    assert found["[CLS]"] == "<|endoftext|>"
    assert found["[SEP]"] == "[SEP]"
    assert len(set(found.values())) == len(found)


def test_the_frame_of_a_tokenizer():
    assert frame(BERT) == (["[CLS]:0", "$A:0", "[SEP]:0"], ["[CLS]:0", "$A:0", "[SEP]:0", "$B:1", "[SEP]:1"])
    assert frame(ROBERTA)[1] == ["<s>:0", "$A:0", "</s>:0", "</s>:0", "$B:0", "</s>:0"]
    assert frame(kinds.unigram()) == (["$A:0"], ["$A:0", "$B:1"])
    assert specials_in(frame(BERT)[1]) == ["[CLS]", "[SEP]", "[SEP]"]


def test_without_a_frame_there_is_none_afterwards():
    fitted = fit(kinds.unigram(), {"unk_token": "<unk>"}, target(BERT, **ROLES["bert"]))
    assert fitted.tokenizer.encode("the wing").tokens == ["the", "wing"]


def test_roles_from_files_and_from_spellings(tmp_path):
    assert read_roles(tmp_path, BERT) == ROLES["bert"]
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"cls_token": {"content": "[SEP]"}, "pad_token": "[NO]"})
    )
    assert read_roles(tmp_path, BERT) == {"cls_token": "[SEP]"}


def test_a_tokenizer_is_read_from_a_file_a_folder_or_a_name(tmp_path):
    BERT.save(str(tmp_path / "tokenizer.json"))
    for name in (tmp_path / "tokenizer.json", tmp_path):
        found = read_target(str(name))
        assert found.tokenizer.get_vocab() == BERT.get_vocab()
        assert found.roles == ROLES["bert"]
    assert len(read_target("minilm").tokenizer.get_vocab()) == 30522


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("tokenizer.json", "{}", ModelError, "cannot be read as a tokenizer"),
        ("tokenizer.json", "not json", ModelError, "cannot be read as a tokenizer"),
        ("spiece.model", "x", ModelError, "SentencePiece model"),
    ],
)
def test_files_that_are_no_tokenizers(name, content, error, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        read_target(str(tmp_path / name))


def test_names_that_are_not_there(tmp_path):
    (tmp_path / "domain.json").write_text("{}")
    with pytest.raises(UsageError, match=r"no tokenizer.*Did you mean .*domain.json"):
        read_target(str(tmp_path / "domian.json"))
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        read_target(str(tmp_path))


def test_a_tokenizer_with_words_of_its_own_keeps_them_behind():
    given = kinds.wordpiece(200, special=False)
    given.add_tokens([AddedToken("aileron", single_word=True)])
    made = fit(BERT, ROLES["bert"], target(given, unk_token="[UNK]")).tokenizer
    assert made.encode("the aileron wing").tokens == ["[CLS]", "the", "aileron", "wing", "[SEP]"]
    assert made.token_to_id("aileron") == len(made.get_vocab()) - 1
