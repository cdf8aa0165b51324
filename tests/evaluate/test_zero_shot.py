import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.errors import DataError
from vecloom.evaluate.benchmark.zero_shot import base_name, front_matter, trained_on, training_data, zero_shot_share

CARD = """---
license: mit
datasets:
- ms_marco
- PolyAI/banking77
- mteb/sts12-sts
---
# A model
"""


def card(folder, text=CARD):
    (folder / "README.md").write_text(text, encoding="utf-8")
    return folder


def test_the_share_is_the_part_of_the_benchmark_that_was_not_trained_on():
    # 1 of 3 is known: int(100 - 33.3) = 66
    assert zero_shot_share({"a", "z"}, ["a", "b", "c"]) == 66
    assert zero_shot_share(set(), ["a"]) == 100
    assert zero_shot_share({"a"}, ["a"]) == 0


def test_the_share_is_unknown_where_the_training_data_is():
    assert zero_shot_share(None, ["a"]) is None
    assert zero_shot_share({"a"}, []) is None


@pytest.mark.parametrize("model", ["intfloat/multilingual-e5-small", "BAAI/bge-m3", "sentence-transformers/LaBSE"])
def test_the_share_is_what_mteb_computes(model):
    import mteb

    tasks = [task.metadata.name for task in mteb.get_benchmark("MTEB(eng, v1)").tasks]
    known = training_data(model)
    train = None if known.named is None else known.named | known.similar.keys()
    expected = mteb.get_model_meta(model).zero_shot_percentage(tasks)
    assert zero_shot_share(train, tasks) == expected


def test_data_sets_of_a_card_are_matched_with_tasks(tmp_path):
    tasks = ["MSMARCO", "NanoMSMARCORetrieval", "MSMARCO-PL", "Banking77Classification.v2", "STS12", "STS13", "SciFact"]
    found = trained_on(card(tmp_path), tasks)
    assert set(found) == {"MSMARCO", "NanoMSMARCORetrieval", "MSMARCO-PL", "Banking77Classification.v2", "STS12"}
    assert str(found["MSMARCO-PL"]) == "the model card names ms_marco, the same data or a variant of it"
    assert str(found["STS12"]) == "the model card names mteb/sts12-sts"  # the very data of mteb's task


def test_local_tasks_are_matched_by_name(tmp_path):
    assert set(trained_on(card(tmp_path), ["banking77", "my-own"])) == {"banking77"}


def test_the_card_itself_can_be_given(tmp_path):
    assert "MSMARCO" in trained_on(card(tmp_path) / "README.md", ["MSMARCO"])


def test_one_data_set_need_not_be_a_list(tmp_path):
    assert set(trained_on(card(tmp_path, "---\ndatasets: snli\n---\n"), ["SNLI"])) == {"SNLI"}


def test_a_model_that_mteb_knows_is_asked_of_mteb():
    found = trained_on("intfloat/multilingual-e5-small", ["FEVER", "FEVERHardNegatives", "SciFact"])
    assert set(found) == {"FEVER", "FEVERHardNegatives"}
    assert str(found["FEVER"]) == "mteb names FEVER"


def test_the_base_model_counts(tmp_path):
    folder = card(tmp_path, "---\nbase_model: intfloat/multilingual-e5-small\n---\n")
    assert "FEVER" in trained_on(folder, ["FEVER", "SciFact"])


def test_the_bundled_model_was_trained_on_what_its_card_says():
    found = trained_on("minilm", ["NQ", "QuoraRetrieval", "STS15", "Cranfield"])
    assert set(found) == {"NQ", "QuoraRetrieval"}


def test_nothing_said_is_unknown_and_not_innocent(tmp_path):
    assert not training_data(tmp_path).known
    assert not training_data(card(tmp_path, "# No front matter\n")).known
    assert not training_data("nobody/nothing").known
    assert training_data("sentence-transformers/LaBSE").known  # mteb says: on no task


def test_similar_tasks_say_which_named_one_they_are_similar_to():
    known = training_data("sentence-transformers/all-mpnet-base-v2")
    assert known.named is not None
    assert set(known.similar.values()) <= known.named
    assert not known.named & known.similar.keys()


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("mteb/NQ-NL", "nq"),
        ("NanoNQRetrieval", "nq"),
        ("natural_questions", "nq"),
        ("embedding-data/QQP", "quora"),
        ("QuoraRetrieval", "quora"),
        ("ClimateFEVERHardNegatives.v2", "climatefever"),
        ("FEVER", "fever"),
        ("STS15", "sts15"),
        ("SICK-R", "sickr"),
        ("Banking77Classification.v2", "banking77"),
        ("ArxivClusteringP2P", "arxiv"),
        ("Retrieval", "retrieval"),  # an ending alone is the whole name
    ],
)
def test_variants_share_a_base_name(name, base):
    assert base_name(name) == base


@given(st.text(max_size=30))
def test_a_base_name_is_its_own_base(name):
    assert base_name(base_name(name)) == base_name(name)


def test_front_matter_with_windows_line_ends_and_a_mark_is_read(tmp_path):
    path = tmp_path / "README.md"
    path.write_bytes(b"\xef\xbb\xbf---\r\ndatasets:\r\n- snli\r\n---\r\ntext\r\n---\r\n")
    assert front_matter(path) == {"datasets": ["snli"]}


@pytest.mark.parametrize("text", ["---\ndatasets: [snli\n---\n", "---\na: b: c\n---\n"])
def test_a_broken_front_matter_is_named(tmp_path, text):
    with pytest.raises(DataError, match=r"front matter of .*README\.md"):
        trained_on(card(tmp_path, text), ["SNLI"])


@pytest.mark.parametrize("text", ["", "---\n", "---\njust words\n---\n", "# Title\n---\ndatasets: x\n---\n"])
def test_no_front_matter_says_nothing(tmp_path, text):
    assert trained_on(card(tmp_path, text), ["SNLI"]) == {}
