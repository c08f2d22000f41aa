"""Runs on a GPU: every training method plays there, twice alike, and goes on after a death in the middle of a fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from calrun.check.lightning import trainer_arguments
from calrun.experiment import build
from calrun.folder.record import Record
from calrun.loop import run
from calrun.method.fit.fit import Fitter
from calrun.part.figures import EpochFigures
from calrun.places import CONF

pytestmark = pytest.mark.gpu
METHODS = sorted(path.stem for path in (CONF / "method").glob("[!_]*.yaml"))
SMALL = ("trainer=gpu", "model=cnn", "model.width=8", "trainer.max_epochs=3", "trainer.cal_epochs=3")
DEATH = 5  # in an epoch of round 2


class Killed(Exception):
    """Stands for the end of a process."""


def played(folder: Path, cfg: DictConfig, epochs: float = float("inf")) -> list[dict[str, Any]]:
    """Plays what is missing, with a checkpoint at every epoch, and dies after some epochs."""
    exp, record = build(cfg), Record(folder, {"run_id": "0", "data_fingerprint": "1"})
    done = 0

    def told(number: int, most: int, figures: EpochFigures, phase: int) -> None:
        nonlocal done
        done += 1
        if done >= epochs:
            raise Killed

    try:
        run(exp, record, Fitter(trainer_arguments(cfg.trainer), 0.0, told))
        return record.rounds()
    finally:
        record.close()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("method", METHODS)
def test_two_runs_agree_and_so_does_one_that_died(
    method: str, precision: str, configure: Callable[..., DictConfig], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    cfg = configure(f"method={method}", *SMALL, f"trainer.precision={precision}", "trainer.deterministic=true")
    lines = played(tmp_path / "first", cfg)
    assert {line["device"] for line in lines} == {"cuda:0"}
    played(tmp_path / "again", cfg)
    assert result_of(tmp_path / "again") == result_of(tmp_path / "first")
    with pytest.raises(Killed):
        played(tmp_path / "killed", cfg, epochs=DEATH)
    played(tmp_path / "killed", cfg)
    assert result_of(tmp_path / "killed") == result_of(tmp_path / "first")
