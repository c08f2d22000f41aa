"""One run: from a composed configuration to a finished run folder."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from calrun.choices import refused_choices
from calrun.environment import environment
from calrun.errors import exit_code
from calrun.experiment import Experiment, build
from calrun.files import replace_text
from calrun.fit import Fitter, trainer_arguments
from calrun.identity import run_id
from calrun.logger.base import Logger
from calrun.loop import run
from calrun.places import experiment_folder
from calrun.progress import Progress
from calrun.record import Record, read_rounds
from calrun.words import SEPARATOR

SHOWN_CHOICES = ("dataset", "model", "method", "acquisition")
RECORDED_CHOICES = (*SHOWN_CHOICES, "initial", "budget", "trainer", "optimizer", "stop", "experiment")


def run_folder(cfg: DictConfig, choices: dict[str, Any]) -> Path:
    """Returns where a configuration's run lives: the same configuration gives the same folder."""
    if missing := [group for group in SHOWN_CHOICES if choices.get(group) is None]:
        raise ValueError(f"a run wants an option of {', '.join(missing)}, but none is chosen; leave ~{missing[0]} out")
    slug = "-".join(str(choices[group]).replace("/", "_") for group in SHOWN_CHOICES)
    return experiment_folder(cfg.paths.outputs, cfg.experiment_name) / f"{slug}-s{cfg.seed}-{run_id(cfg)}"


def play(cfg: DictConfig, choices: dict[str, Any], quiet: bool = False) -> float:
    """Plays what is missing of a run, or answers at once if nothing is; returns the final accuracy.

    Raises:
        ValueError: if the configuration cannot work, or the folder is another run's or in use.
        OSError: if the folder cannot be written; every committed round stays as it was.
    """
    silence_lightning()
    folder = run_folder(cfg, choices)
    accuracy = finished_accuracy(folder)
    if accuracy is not None:
        Progress.say(f"{folder.name}  finished  accuracy {accuracy:.2%}", quiet)
        return accuracy
    exp = build(cfg)
    if refused := refused_choices(exp):
        raise ValueError(SEPARATOR.join(refused))
    record = Record(folder, config_of(cfg, choices, exp))
    try:
        return _play(cfg, exp, record, quiet)
    except Exception as error:  # what interrupts a run is no fault of it: the lock shows that nobody plays it
        record.fail(error)
        raise
    finally:
        record.close()


def finished_accuracy(folder: Path) -> float | None:
    """Returns the final accuracy of a finished run, None of any other folder."""
    lines = read_rounds(folder / "rounds.jsonl") if (folder / "config.yaml").exists() else []
    if not lines or lines[-1]["round"] < lines[-1]["rounds"]:
        return None
    tests: dict[str, dict[str, float]] = lines[-1]["test"]
    return next(iter(tests.values()))["accuracy"]


def config_of(cfg: DictConfig, choices: dict[str, Any], exp: Experiment) -> dict[str, Any]:
    """Returns what config.yaml holds: the resolved configuration, the options' names, and what identifies the run."""
    resolved: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    names = {group: choices[group] for group in RECORDED_CHOICES if group in choices}
    identity = {"run_id": run_id(cfg), "experiment": cfg.experiment_name, "data_fingerprint": exp.fingerprint()}
    cheats = {"uses_oracle": "oracle" in exp.acquisition.needs | exp.initial.needs}
    return {**identity, **cheats, "choices": names, **resolved}


def _play(cfg: DictConfig, exp: Experiment, record: Record, quiet: bool) -> float:
    progress = Progress(record, quiet)
    logger: Logger = instantiate(cfg.logger)
    replace_text(record.folder / "environment.json", json.dumps(environment(exp.predictor.device), indent=1) + "\n")
    fit = Fitter(
        trainer_arguments(cfg.trainer), cfg.trainer.checkpoint_every_seconds, progress.epoch, exp.record.energy
    )
    ended: BaseException | None = None
    try:
        logger.start(record.folder, record.config, record.rounds())
        return run(exp, record, fit, (progress.round, logger.log))
    except BaseException as error:
        ended = error
        raise
    finally:
        logger.finish(exit_code(ended))
        progress.close()


def silence_lightning() -> None:
    """Keeps Lightning from saying, at every fit, what the run says once."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
