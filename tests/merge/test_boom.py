import pytest
import torch

from vecloom.errors import DataError, UsageError
from vecloom.merge import bagging_plan, boom_update, core_subset, update_plan, write_bags


def test_each_data_set_is_drawn_by_itself():
    bags = bagging_plan({"large": 1000, "small": 10}, (0.8, 1.0))
    assert [len(bags[0]["large"]), len(bags[0]["small"])] == [800, 8]
    assert bags[1] == {"large": list(range(1000)), "small": list(range(10))}


def test_rows_are_drawn_without_replacement():
    rows = bagging_plan({"a": 50}, (0.6,))[0]["a"]
    assert len(set(rows)) == 30
    assert set(rows) <= set(range(50))


def test_half_and_rest_are_the_whole():
    half, rest = bagging_plan({"a": 11, "b": 4}, (0.5, "rest"))
    for name, size in (("a", 11), ("b", 4)):
        assert sorted(half[name] + rest[name]) == list(range(size))


def test_bags_of_one_ratio_differ_and_a_seed_repeats_them():
    bags = bagging_plan({"a": 100}, (0.6, 0.6, 0.6), seed=7)
    assert bags[0] != bags[1] != bags[2]
    assert bags == bagging_plan({"a": 100}, (0.6, 0.6, 0.6), seed=7)
    assert bags != bagging_plan({"a": 100}, (0.6, 0.6, 0.6), seed=8)


def test_every_data_set_is_in_every_bag():
    assert len(bagging_plan({"tiny": 2}, (0.2,))[0]["tiny"]) == 1


@pytest.mark.parametrize("ratios", [("rest",), (0.5, "rest", "rest"), (0.0,), (1.2,), (0.5, "other")])
def test_ratios_that_cannot_be(ratios):
    with pytest.raises(UsageError, match="ratio"):
        bagging_plan({"a": 10}, ratios)


def test_an_update_sees_all_new_rows_and_a_core_of_the_old():
    plan = update_plan({"old": 100}, {"new": 30})
    assert len(plan["old"]) == 40
    assert plan["new"] == list(range(30))
    assert len(core_subset(100)) == 40


def test_an_update_needs_names_that_differ():
    with pytest.raises(UsageError, match="both old and new"):
        update_plan({"a": 3}, {"a": 3})


def test_an_update_is_half_old_half_new():
    base, old, new = ({"w": torch.tensor(row)} for row in ([1.0, 1.0], [2.0, 1.0], [1.0, 3.0]))
    # V = [1,0] and [0,2]: half-way on the sphere, mean length 1.5
    assert boom_update(base, old, new)["w"].tolist() == pytest.approx([2.060660, 2.060660], abs=1e-5)


def test_bags_are_written_beside_each_other(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(f'{{"row": {row}}}\n' for row in range(10)))
    made = write_bags({"a": tmp_path / "a.jsonl"}, tmp_path / "bags", (0.5, "rest"))
    assert [folder.name for folder in made] == ["bag1", "bag2"]
    rows = [line for folder in made for line in (folder / "a.jsonl").read_text().splitlines()]
    assert sorted(rows) == sorted((tmp_path / "a.jsonl").read_text().splitlines())


def test_a_missing_data_set_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.jsonl cannot be read"):
        write_bags({"a": tmp_path / "none.jsonl"}, tmp_path)
