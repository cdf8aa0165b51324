import json

import pytest
from click.testing import CliRunner

from vecloom.cli.merge import merge
from vecloom.errors import UsageError, VecloomError
from vecloom.merge.card import read_record


def call(*args):
    found = CliRunner().invoke(merge, [str(arg) for arg in args])
    if isinstance(found.exception, VecloomError):
        raise found.exception
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def test_two_models_become_one(family, tmp_path):
    _, tuned = family
    done = call(*tuned[:2], "-o", tmp_path / "out")
    assert "2 models merged by linear into" in done.stdout
    assert read_record(tmp_path / "out")["method"] == "linear"


def test_a_method_its_options_and_weights(family, tmp_path):
    base, tuned = family
    call(
        *tuned[:2],
        "--base",
        base,
        "--method",
        "ties",
        "--set",
        "density=0.3",
        "--weight",
        2,
        "--weight",
        1,
        "-o",
        tmp_path / "out",
    )
    recipe = read_record(tmp_path / "out")["recipe"]
    assert recipe["parameters"] == {"density": 0.3}
    assert [model["parameters"]["weight"] for model in recipe["models"]] == [2, 1]


def test_a_recipe_is_run(family, tmp_path):
    base, tuned = family
    (tmp_path / "r.yaml").write_text(
        f"models:\n  - model: {tuned[0]}\n  - model: {tuned[1]}\nmerge_method: slerp\nbase_model: {base}\n"
    )
    told = json.loads(call(tmp_path / "r.yaml", "-o", tmp_path / "out", "--json").stdout)
    assert (told["method"], told["tensors"]) == ("slerp", 39)


def test_self_positioning_says_what_it_found(family, probes, tmp_path):
    base, tuned = family
    done = call(
        *tuned[:2], "--base", base, "--method", "self-positioning", "--probe", probes[0], "--probe", probes[1],
        "--set", "steps=3", "-o", tmp_path / "out",
    )  # fmt: skip
    assert "lambda: " in done.stdout
    assert "coefficients: [" in done.stdout


def test_explain_alone_lists_every_method():
    from vecloom.merge import METHODS

    told = call("--explain").stdout
    assert all(name in told for name in METHODS)
    assert "density=0.5" in told


def test_explain_says_what_would_be_done_and_does_not(family, tmp_path):
    base, tuned = family
    told = call(*tuned, "--base", base, "--method", "ties", "--explain", "-o", tmp_path / "out").stdout
    assert "density = 0.5" in told
    assert not (tmp_path / "out").exists()


def test_diagnose_shows_angles_signs_gradients_and_losses(family, probes, tmp_path):
    base, tuned = family
    told = call(
        *tuned[:2],
        "--base",
        base,
        "--diagnose",
        "--probe",
        probes[0],
        "--probe",
        probes[1],
        "--plot",
        tmp_path / "l.svg",
    ).stdout
    for part in ("Task vectors", "layer 1", "gradients at the base", "Loss from tuned1 (0) to tuned2 (1)"):
        assert part in told
    assert (tmp_path / "l.svg").exists()


def test_diagnose_as_json(family):
    told = json.loads(call(*family[1], "--diagnose", "--json").stdout)
    assert len(told["cosines"]) == 3


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["--method", "slurp"], "no merge method 'slurp'.*slerp"),
        (["--method", "ties"], "needs the base model"),
        (["--weight", "1"], "1 weight for 2 models"),
        (["--set", "density"], "not NAME=VALUE"),
        (["--set", "densty=0.2", "--method", "ties", "--base", "BASE", "-o", "x"], "no option 'densty'.*density"),
        ([], "no output"),
    ],
)
def test_a_wrong_call_is_answered(args, match, family):
    base, tuned = family
    with pytest.raises(UsageError, match=match):
        call(*tuned[:2], *(str(base) if arg == "BASE" else arg for arg in args))


def test_no_models_are_no_merge():
    with pytest.raises(UsageError, match="no models"):
        call("-o", "x")
