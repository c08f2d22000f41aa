"""A run that is stopped anywhere and begun again ends as the unbroken one, bit for bit."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.acquisition.base import Acquisition, Candidates
from calrun.experiment import Experiment, build
from calrun.folder.record import Record
from calrun.loop import run
from calrun.method.fit.fit import Fitter
from calrun.part.figures import EpochFigures

TRAINER = {"accelerator": "cpu", "devices": 1}
RECIPES = {
    "al_ws": ("method=al_ws", "stop=fixed_epochs"),
    "adam": ("method=al_ws", "stop=fixed_epochs", "optimizer=adam"),
    "dropout": ("method=al_ws", "stop=fixed_epochs", "model=lenet", "model.channels=[2,2]", "model.hidden=8"),
    "batch_norm": ("method=shrink_perturb", "stop=fixed_epochs", "model=cnn", "model.width=2"),
    "cal_der": ("method=cal_der",),
    "cal_der_online": ("method=cal_der", "method.objective.store_when=first_epoch_online"),
    "cal_mir": ("method=cal_mir", "method.visit.choose.selection=softmax_sample", "method.visit.replay_size=10"),
    "cal_sds2": ("method=cal_sds2", "method.visit.replay_size=10", "method.visit.num_candidates=15"),
    "lp_ft": ("method=lp_ft", "stop=fixed_epochs", "method.phases.0.stop.epochs=4", "method.start.head_std=0.01"),
    "swa": (
        *("method=al_ws", "stop=fixed_epochs", "model=cnn", "model.width=2", "optimizer=sgd_swa"),
        *("optimizer.averaging.start_accuracy=null", "optimizer.averaging.start_epoch=2"),
    ),
    "gradmatch": (
        *("method=al_ws_gradmatch", "stop=fixed_epochs", "model=cnn", "model.width=2", "method.visit.share=0.5"),
        *("method.visit.every_epochs=2", "method.visit.warm_up_epochs=1", "method.visit.full_every_rounds=9"),
    ),
    "restart": (
        "method=al_ws",
        "stop=distil",
        "stop.every=2",
        "stop.below=1",
        "stop.rule.threshold=1",
        "optimizer=adam",
    ),
    "early_stopping": (
        "method=al_ws",
        "stop=early_stopping",
        "stop.patience=2",
        "val_fraction=0.2",
        "optimizer.lr=0.3",
    ),
}
EPOCHS = ("trainer.max_epochs=4", "trainer.cal_epochs=4", "trainer.batch_size=8")


class Killed(Exception):
    """Stands for the end of a process."""


class KilledAt(Acquisition):
    """Ends the run when it would select for the `number`-th time."""

    def __init__(self, inner: Acquisition, number: int) -> None:
        self.inner, self.left, self.needs = inner, number, inner.needs

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        self.left -= 1
        if not self.left:
            raise Killed
        return self.inner.select(candidates, budget, rng)


def begin(cfg: DictConfig, folder: Path) -> tuple[Experiment, Record]:
    return build(cfg), Record(folder, {"run_id": "0", "data_fingerprint": "1"})


def finish(
    cfg: DictConfig, folder: Path, progress: Callable[..., None] = lambda *_: None, tell: Any = (), every: float = 0.0
) -> list[int]:
    """Plays what is missing with a checkpoint at every epoch; returns the number of epochs that it trained."""
    exp, record = begin(cfg, folder)
    return _run(exp, record, progress, tell, every)


def _run(exp: Experiment, record: Record, progress: Any, tell: Any, every: float = 0.0) -> list[int]:
    trained: list[int] = []

    def told(number: int, most: int, figures: EpochFigures, phase: int) -> None:
        trained.append(number)
        progress(number, most, figures)

    try:
        run(exp, record, Fitter(TRAINER, every, told), tell)
    finally:
        record.close()
    return trained


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors that the last round left."""
    (path,) = folder.glob("state-*.pt")
    state = torch.load(path, weights_only=True)
    return state["net"] | {f"stored {name}": tensor for name, tensor in state["pieces"]["objective"].items()}


def assert_same(broken: Path, unbroken: Path, result_of: Callable[[Path], Any]) -> None:
    assert result_of(broken) == result_of(unbroken)
    ours, theirs = state_of(broken), state_of(unbroken)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture(scope="module")
def played() -> dict[str, tuple[DictConfig, Path, list[int]]]:
    """Configuration, folder and epochs of the unbroken runs so far."""
    return {}


@pytest.fixture
def unbroken(
    request: pytest.FixtureRequest,
    configure: Callable[..., DictConfig],
    played: dict[str, tuple[DictConfig, Path, list[int]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[DictConfig, Path, list[int]]:
    """The unbroken run of a recipe: its configuration, its folder and the epochs it trained."""
    name: str = request.param
    if name not in played:
        cfg, folder = configure(*EPOCHS, *RECIPES[name]), tmp_path_factory.mktemp(name)
        played[name] = cfg, folder, finish(cfg, folder, every=1e9)
    return played[name]


every_recipe = pytest.mark.parametrize("unbroken", RECIPES, indirect=True)
some_recipes = pytest.mark.parametrize("unbroken", ["al_ws", "cal_der_online", "cal_sds2", "lp_ft"], indirect=True)
Unbroken = tuple[DictConfig, Path, list[int]]


@every_recipe
def test_a_fit_stopped_after_any_epoch_of_any_round_goes_on_where_it_was(
    unbroken: Unbroken, tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    """The process ends after 2 or 3 epochs of its life, so that most attempts leave a checkpoint in a fit."""
    recipe, whole_folder, whole = unbroken
    lives, left = 0, True
    while left:
        seen: list[int] = []

        def die(
            number: int, most: int, figures: EpochFigures, seen: list[int] = seen, after: int = 2 + lives % 2
        ) -> None:
            seen.append(number)
            if len(seen) > after:
                raise Killed

        try:
            finish(recipe, tmp_path / "broken", die)
            left = False
        except Killed:
            lives += 1
            assert lives < len(whole)
    assert lives >= 3
    assert_same(tmp_path / "broken", whole_folder, result_of)


@some_recipes
def test_a_run_stopped_between_fit_and_commit_is_the_unbroken_one(
    unbroken: Unbroken, tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    recipe, whole_folder, _ = unbroken
    exp, record = begin(recipe, tmp_path / "broken")
    with pytest.raises(Killed):
        _run(replace(exp, acquisition=KilledAt(exp.acquisition, 2)), record, lambda *_: None, ())
    trained = finish(recipe, tmp_path / "broken")
    assert trained[0] > 1  # the fit's last checkpoint is used
    assert_same(tmp_path / "broken", whole_folder, result_of)


@some_recipes
def test_a_full_disk_between_state_and_line_leaves_the_rounds_before_it(
    unbroken: Unbroken, tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    """State and picks of round 2 are on disk when the line cannot be written."""
    recipe, whole_folder, _ = unbroken

    def fill_the_disk(line: dict[str, Any]) -> None:
        if line["round"] == 1:
            (tmp_path / "broken" / ".rounds.jsonl.part").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left"):
        finish(recipe, tmp_path / "broken", tell=[fill_the_disk])
    committed = result_of(tmp_path / "broken")[0]
    assert [line["round"] for line in committed] == [1]
    assert (tmp_path / "broken" / "state-2.pt").exists()
    finish(recipe, tmp_path / "broken")
    assert_same(tmp_path / "broken", whole_folder, result_of)


@some_recipes
def test_a_run_stopped_right_after_a_commit_begins_with_the_next_round(
    unbroken: Unbroken, tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    recipe, whole_folder, _ = unbroken

    def die(line: dict[str, Any]) -> None:
        raise Killed

    for number in (1, 2):
        with pytest.raises(Killed):
            finish(recipe, tmp_path / "broken", tell=[die])
        assert len(result_of(tmp_path / "broken")[0]) == number
    finish(recipe, tmp_path / "broken")
    assert_same(tmp_path / "broken", whole_folder, result_of)


@pytest.mark.slow
def test_a_run_killed_by_the_system_at_random_moments_is_the_unbroken_one() -> None:
    """Four kills of scripts/kill_test.py; the full table is of twenty kills of three methods."""
    script = Path(__file__).parents[1] / "scripts" / "kill_test.py"
    command = [sys.executable, str(script), "--kills", "4", "--methods", "cal_der", "--seed", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended
    row = ended.stdout.splitlines()[-1].split(" | ")
    assert row[:2] == ["| cal_der", "4"]
    assert row[-1] == "none |"
