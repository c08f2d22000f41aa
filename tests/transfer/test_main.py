"""Others that train on the picks of runs, as a user types it."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from calrun.cli import main
from calrun.transfer.jobs import planned
from calrun.transfer.main import commands_of, transfer
from calrun.transfer.matrix import matrix_of
from calrun.transfer.sources import read_sources
from tests.conftest import SMALL

RUNS = [
    f"model={model} acquisition={acquisition}" for model in ("mlp", "linear") for acquisition in ("margin", "random")
]
TYPED = "trainer.batch_size=16"  # which a run notes as what it resolved


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs, played once for all tests, which change copies of them."""
    folder = tmp_path_factory.mktemp("transfer") / "outputs"
    with pytest.MonkeyPatch.context() as patch:
        for words in RUNS:
            typed = [*SMALL, *words.split(), TYPED, f"paths.outputs={folder}"]
            patch.setattr(sys, "argv", ["calrun", "run", *typed])
            with pytest.raises(SystemExit) as ended:
                main()
            assert not ended.value.code
    return folder


def own(outputs: Path, beginning: str) -> list[Path]:
    return sorted((outputs / "default").glob(f"digits-{beginning}*"))


def rounds(folder: Path) -> list[float]:
    lines = (folder / "rounds.jsonl").read_text().splitlines()
    return [json.loads(line)["test"]["test"]["accuracy"] for line in lines]


def into(tmp_path: Path) -> str:
    return f"paths.outputs={tmp_path / 'outputs'}"


def test_every_pair_is_played_once_and_the_diagonal_is_the_runs(
    outputs: Path, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    plan = planned(read_sources([outputs]), [into(tmp_path)])
    assert (len(plan.sources), len(plan.trainers), len(plan.own), len(plan.missing)) == (4, 2, 4, 2)
    (typed,) = commands_of(plan)
    assert calrun(*typed).code == 0
    answer = calrun("transfer", str(outputs), into(tmp_path))
    assert answer.code == 0, answer.err
    assert "4 pairs are the runs themselves, 2 played before, 0 to play" in answer.out
    matrix = matrix_of(plan)
    assert {*matrix.random} == {*matrix.picks} - {"margin of mlp", "margin of linear"}
    assert matrix.own[matrix.random[0]] == {"mlp", "linear"}  # the same rows, bought by both
    for model in ("mlp", "linear"):
        (folder,) = own(outputs, f"{model}-al-margin")
        np.testing.assert_array_equal(matrix.curves(f"margin of {model}", model).loc[0], rounds(folder))
    for line in ("linear on the picks of margin of mlp: ", "mlp on the picks of margin of linear: "):
        assert answer.out.count(line) == 2  # against its own picks, and against random ones
    assert (tmp_path / "outputs/transfer/report/transfer-own.md").exists()


@pytest.mark.parametrize("words", [("model=mlp", "method=cal_er"), ("trainer.max_epochs=3",)])
def test_a_pair_is_the_run_that_would_be_typed(
    words: tuple[str, ...], outputs: Path, play: Callable[..., Any], tmp_path: Path
) -> None:
    """The same identity, though a run's record holds what was resolved and not what was typed."""
    (source,) = own(outputs, "linear-al-margin")
    (job,) = planned(read_sources([source]), [*words, into(tmp_path)]).missing
    picks = [
        f"{group}{end}" for group in ("initial", "acquisition") for end in ("=picks_of", f".path={source}/picks.csv")
    ]
    assert play(TYPED, "model=linear", *words, "experiment_name=transfer", *picks).code == 0
    assert (job.folder / "picks.csv").read_text() == (source / "picks.csv").read_text()


def test_a_trainer_whose_acquisition_trains_something_beside_it_is_played_on_its_own_picks_too(
    play: Callable[..., Any], tmp_path: Path
) -> None:
    assert play("acquisition=learning_loss", "model.hidden=[16,8]").code == 0
    plan = planned(read_sources([tmp_path / "outputs"]), [into(tmp_path)])
    assert (len(plan.own), len(plan.missing)) == (0, 1)


def test_a_dry_run_says_what_would_be_played_and_writes_nothing(
    outputs: Path, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    (first,) = own(outputs, "mlp-al-margin")
    answer = calrun("transfer", str(first), "model=linear", into(tmp_path), "--dry-run")
    assert answer.code == 0, answer.err
    assert "to play  digits-linear-al-picks_of-s0-" in answer.out
    assert "linear on the picks of margin, seed 0" in answer.out
    assert "1 run, 2 trainers: 1 pair is the run itself, 0 played before, 1 to play" in answer.out
    assert not (tmp_path / "outputs").exists()


def test_what_played_before_is_not_played_again_and_a_replay_is_no_source(
    outputs: Path, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copytree(outputs, tmp_path / "outputs")
    plan = planned(read_sources(own(outputs, "mlp-al-margin")), ["model=linear", into(tmp_path)])
    for typed in commands_of(plan):
        assert calrun(*typed).code == 0
    again = planned(read_sources([tmp_path / "outputs"]), [into(tmp_path)])
    assert len(again.sources) == 4
    assert len(again.missing) == 1


@pytest.mark.slow
def test_the_command_plays_what_is_missing(outputs: Path, tmp_path: Path) -> None:
    matrix = transfer(own(outputs, "mlp-al"), ["model=linear", into(tmp_path), "hydra/launcher=processes"])
    assert matrix is not None
    assert matrix.curves("random", "linear").shape == matrix.curves("margin", "linear").shape == (1, 3)


# --- what is refused ---


@pytest.fixture
def copies(outputs: Path, tmp_path: Path) -> list[Path]:
    """Two runs of the same seed, to be changed."""
    found = [own(outputs, "mlp-al-margin")[0], own(outputs, "linear-al-margin")[0]]
    return [Path(shutil.copytree(folder, tmp_path / "copies" / folder.name)) for folder in found]


def changed(folder: Path, **blocks: Any) -> None:
    path = folder / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**tree, **blocks, "complete": True}, sort_keys=False))


def cut(folder: Path) -> None:
    lines = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    (folder / "rounds.jsonl").write_text("".join(lines[:2]))


def shorter(folder: Path) -> None:
    """A whole run of two rounds."""
    cut(folder)
    path = folder / "rounds.jsonl"
    path.write_text(path.read_text().replace('"rounds": 3', '"rounds": 2'))
    lines = (folder / "picks.csv").read_text().splitlines(keepends=True)
    (folder / "picks.csv").write_text("".join(lines[:41]))


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "unfinished": (cut, "is unfinished (2 of 3 rounds are there), and transfer plays the picks of whole runs"),
    "missing": (lambda folder: (folder / "picks.csv").unlink(), "picks.csv cannot be read as the picks.csv of a run"),
    "budget": (shorter, "have other budgets (20, 40 labels against 20, 40, 60)"),
    "data": (lambda folder: changed(folder, data_fingerprint="1-2-3"), "were played on other data"),
    "oracle": (
        lambda folder: changed(folder, oracle={"_target_": "calrun.oracle.noisy.Noisy", "rate": 0.3}),
        "differ in oracle._target_, oracle.rate; transfer wants runs on the same data, with the same oracle",
    ),
    "row_transform": (lambda folder: changed(folder, row_transform={"_target_": "calrun.x"}), "row_transform._target_"),
    "split": (lambda folder: changed(folder, val_fraction=0.1), "differ in val_fraction"),
    "option": (lambda folder: changed(folder, optimizer={"_target_": "mine.Plain"}), "cannot be composed again from"),
    "results": (lambda folder: changed(folder, results=1), "was played by a calrun that measured otherwise"),
    "yaml": (lambda folder: (folder / "config.yaml").write_text("- ["), "config.yaml is damaged"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_runs_that_cannot_be_compared_are_refused(fault: str, copies: list[Path], refusal: Callable[..., str]) -> None:
    fix, said = BROKEN[fault]
    fix(copies[1])
    assert said in refusal("transfer", str(copies[0].parent), "--dry-run")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("seed=3",),
            "seed=3 is decided by the runs whose picks are played again; calrun transfer changes what trains",
        ),
        (("acquisition=entropy",), "acquisition=entropy is decided by the runs"),
        (("dataset.num_train=100",), "is decided by the runs"),
        (("budget.rounds=2",), "is decided by the runs"),
        (("model=nothing",), "model=nothing is no option"),
        (("trainer.epochs=2",), "trainer.epochs is no option"),
        (("modell=mlp",), "modell is no option"),
        (("trainer.max_epochs=abc",), "trainer.max_epochs wants a whole number of at least 1, got 'abc'"),
        (("=mlp",), "=mlp has nothing before its =; write GROUP=OPTION or KEY=VALUE"),
        (("nowhere",), "nowhere: wanted a folder with runs in it, found nothing"),
        (
            ("--config-dir", "nowhere"),
            "--config-dir wants a folder with a folder for each group, but there is no nowhere",
        ),
    ],
)
def test_words_that_cannot_be_are_refused(
    words: tuple[str, ...], said: str, outputs: Path, refusal: Callable[..., str]
) -> None:
    assert said in refusal("transfer", str(own(outputs, "mlp-al-margin")[0]), *words, "--dry-run")


def test_without_runs_it_says_what_it_wants(refusal: Callable[..., str], tmp_path: Path) -> None:
    assert "wants the folders of finished runs, got none" in refusal("transfer", "model=mlp")
    assert "wants finished runs whose rows an acquisition has chosen, found none" in refusal("transfer", str(tmp_path))
