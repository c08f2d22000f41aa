"""Runs that die in the middle of a fit, without a process of their own."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from calrun.check.lightning import trainer_arguments
from calrun.experiment import Experiment, build
from calrun.folder.record import Record
from calrun.loop import run
from calrun.method.fit.fit import Fitter
from calrun.part.figures import EpochFigures


class Killed(Exception):
    """Stands for the end of a process."""


def played(
    folder: Path, cfg: DictConfig, epochs: float = float("inf"), every: float = 0.0
) -> tuple[Experiment, list[dict[str, Any]]]:
    """Plays what is missing, with a checkpoint at every epoch, and dies after some epochs; returns the rounds too."""
    exp, record = build(cfg), Record(folder, {"run_id": "0", "data_fingerprint": "1"})
    done = 0

    def told(number: int, most: int, figures: EpochFigures, phase: int) -> None:
        nonlocal done
        done += 1
        if done >= epochs:
            raise Killed

    try:
        run(exp, record, Fitter(trainer_arguments(cfg.trainer), every, told))
        return exp, record.rounds()
    finally:
        record.close()
