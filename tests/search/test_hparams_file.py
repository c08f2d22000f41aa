"""The file of a winner: the searched keys alone, under a name that a run can choose."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Make = Callable[..., Path]
PHASE = {"trainable": "head", "stop": {"epochs": 5}}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "conf" / "hparams" / "found.yaml"


def searched(make_run: Make, tmp_path: Path) -> str:
    for lr in (0.01, 0.1):
        make_run(lr, optimizer={"lr": lr, "momentum": 0.9}, method="al")
    return str(tmp_path / "outputs" / "lr")


def test_only_searched_keys_are_written(make_run: Make, calrun: Callable[..., Any], tmp_path: Path, out: Path) -> None:
    assert calrun("best", searched(make_run, tmp_path), "--out", str(out)).code == 0
    assert yaml.safe_load(out.read_text()) == {"optimizer": {"lr": 0.1}}
    package, said, *_ = out.read_text().splitlines()
    assert package == "# @package _global_"
    assert (
        said == "# Found by `calrun best` on validation rows: the best of 2 configurations of digits, mlp, al, entropy."
    )
    assert calrun("best", str(tmp_path / "outputs" / "lr"), "--out", str(out)).code == 0  # its own file is replaced


def test_of_a_list_all_is_written_and_a_copy_of_a_value_is_not(
    make_run: Make, calrun: Callable[..., Any], tmp_path: Path, out: Path
) -> None:
    for epochs, lr in ((5, 0.1), (10, 0.1), (5, 0.2), (10, 0.2)):
        phases = [PHASE | {"stop": {"epochs": epochs}}, {"trainable": "all"}]
        make_run(epochs / 100 + lr, optimizer={"lr": lr}, part={"phases": phases, "optimizer": {"lr": lr}})
    answer = calrun("best", str(tmp_path / "outputs" / "lr"), "--out", str(out))
    assert "best: optimizer.lr=0.2 part.phases.0.stop.epochs=10" in answer.out
    phases = [PHASE | {"stop": {"epochs": 10}}, {"trainable": "all"}]
    assert yaml.safe_load(out.read_text()) == {"optimizer": {"lr": 0.2}, "part": {"phases": phases}}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("found.yaml", "--out wants FOLDER/hparams/NAME.yaml"),
        ("hparams/found.yml", "--out wants FOLDER/hparams/NAME.yaml"),
        ("hparams/a-b.yaml", "--out wants FOLDER/hparams/NAME.yaml"),
        ("hparams/cifar10_cal_er.yaml", "calrun has an option hparams=cifar10_cal_er, which would hide"),
        ("hparams/own.yaml", "is there and was not written by calrun best"),
    ],
)
def test_a_file_that_could_not_be_chosen_or_is_somebodys_own_is_refused(
    make_run: Make, refusal: Callable[..., str], tmp_path: Path, place: str, said: str
) -> None:
    folder, own = searched(make_run, tmp_path), tmp_path / "hparams" / "own.yaml"
    own.parent.mkdir()
    own.write_text("# Mine.\n")
    assert said in refusal("best", folder, "--out", str(tmp_path / place))
    assert [*own.parent.iterdir()] == [own]
    assert own.read_text() == "# Mine.\n"


def test_one_configuration_and_several_searches_have_no_winner(
    make_run: Make, refusal: Callable[..., str], tmp_path: Path, out: Path
) -> None:
    make_run(0.5)
    assert "nothing was searched" in refusal("best", str(tmp_path / "outputs"), "--out", str(out))
    make_run(0.5, method="cal_er")
    line = refusal("best", str(tmp_path / "outputs"), "--out", str(out))
    assert "--out wants one search" in line
    assert "lr: digits, mlp, cal_er, entropy" in line
    assert not out.exists()


def test_candidates_of_other_options_are_not_made_by_values(
    make_run: Make, refusal: Callable[..., str], tmp_path: Path, out: Path
) -> None:
    make_run(0.5, optimizer={"_target_": "SGD", "momentum": 0.9})
    make_run(0.6, optimizer={"_target_": "Adam"})
    assert "do not have optimizer.momentum" in refusal("best", str(tmp_path / "outputs"), "--out", str(out))
    assert not out.exists()


@pytest.mark.parametrize(
    ("command", "dataset", "words"),
    [
        (["calrun", "run"], "digits", "hparams=found ..."),
        (["calrun", "run", "hparams=first"], "digits", '"hparams=[first,found]" ...'),
        (["calrun", "run", "hparams=[first,second]"], "digits", '"hparams=[first,second,found]" ...'),
        (["calrun", "run"], "fmnist", '"hparams=[fmnist_cal_er,found]" ...'),
    ],
)
def test_the_winner_is_chosen_beside_the_values_that_it_was_found_with(
    make_run: Make, calrun: Callable[..., Any], out: Path, command: list[str], dataset: str, words: str
) -> None:
    for lr in (0.01, 0.1):
        folder = make_run(lr, optimizer={"lr": lr}, method="cal_er", dataset=dataset)
        (folder / "environment.json").write_text(json.dumps({"attempts": [{"command": command}]}))
    assert calrun("best", str(folder.parent), "--out", str(out)).out.rstrip().endswith(words)
