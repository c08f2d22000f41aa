"""The rounds that a run folder does not hold yet: everything is built, then played."""

from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from calrun.check.lightning import trainer_arguments
from calrun.check.together import num_processes
from calrun.errors import exit_code
from calrun.experiment import Experiment, build
from calrun.folder.anew import wanted
from calrun.folder.begun import refuse_changed
from calrun.folder.environment import add_attempt, device_name
from calrun.folder.identity import Identity, identity
from calrun.folder.inputs_file import write_inputs
from calrun.folder.later import missing_records
from calrun.folder.progress import Progress
from calrun.folder.record import Follower, Record
from calrun.folder.remaining import Remaining
from calrun.folder.round_line import committed_rounds
from calrun.logger.base import Logger
from calrun.loop import run
from calrun.method.fit.fit import Fitter
from calrun.oracle.wanted import LabelsWanted
from calrun.parallel import world
from calrun.parallel.launch import join, leave
from calrun.part.figures import EpochFigures
from calrun.places import SHOWN_GROUPS
from calrun.plan.choices import refused_choices
from calrun.text.say import warn
from calrun.text.words import SEPARATOR
from calrun.training.trainer import silence_lightning

RECORDED_CHOICES = (*SHOWN_GROUPS, "initial", "budget", "trainer", "optimizer", "stop", "stop_al", "experiment")


def play_missing(cfg: DictConfig, choices: dict[str, Any], folder: Path, now: Identity, quiet: bool) -> float:
    """Plays the rounds that are missing in a run folder; returns the final accuracy.

    Raises:
        ValueError: if the configuration cannot work, or the folder is another run's or in use.
        OSError: if the folder cannot be written; every committed round stays as it was.
        LabelsWanted: if the oracle has not answered yet with the labels of a round.
    """
    silence_lightning()
    if num_processes(cfg) == 1:
        return play_here(cfg, choices, folder, now, quiet)
    join()
    try:
        return play_here(cfg, choices, folder, now, quiet or not world.is_first())
    finally:
        leave()


def play_here(cfg: DictConfig, choices: dict[str, Any], folder: Path, now: Identity, quiet: bool) -> float:
    """Does so in this process, which may be one of several."""
    exp = build(cfg)
    if refused := refused_choices(exp):
        raise ValueError(SEPARATOR.join(refused))
    if now.data is None:
        now = identity(cfg)  # the data was downloaded just now
    if wanted.begins_anew(folder) and world.is_first():
        wanted.move_aside(folder)  # only now, when the new run is known to be able to begin
    elif world.is_first() and committed_rounds(folder):
        refuse_changed(folder, now, exp.fingerprint())
    for caution in exp.cautions if world.is_first() else ():
        warn(caution)
    record = begun(folder, config_of(cfg, choices, now, exp), exp)
    try:
        exp.oracle.begin(exp.data.train, exp.data.class_names, record.folder)
        return _play(cfg, exp, record, quiet)
    except LabelsWanted as wanted_labels:
        record.pause(wanted_labels)
        raise
    except Exception as error:  # an interruption is not a failure: the claim shows that nobody plays the run
        record.fail(error)
        raise
    finally:
        record.close()


def begun(folder: Path, config: dict[str, Any], exp: Experiment) -> Record:
    """Returns a run's folder, made or tidied by the process that writes; the others wait for it."""
    if not world.is_first():
        world.wait()
        return Follower(folder, config)
    record = Record(folder, config)
    try:
        write_inputs(record.folder, exp.data if exp.behind is None else exp.behind.data)
        if exp.behind is not None:
            exp.behind.keep_backbone(record.folder)
    except Exception as error:
        record.fail(error)
        record.close()
        raise
    world.wait()
    return record


def config_of(cfg: DictConfig, choices: dict[str, Any], now: Identity, exp: Experiment) -> dict[str, Any]:
    """Returns what config.yaml holds: the resolved configuration, the options' names, and what identifies the run."""
    resolved: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    names = {group: choices[group] for group in RECORDED_CHOICES if group in choices}
    chosen = {"acquisition": exp.acquisition, "initial": exp.initial}
    about = {
        **now.recorded(),
        "experiment": cfg.experiment_name,
        "data_fingerprint": exp.fingerprint(),
        "cheats": [group for group, each in chosen.items() if each.looks_at_truth()],
        "class_names": list(exp.data.class_names),
        **({"unknown_classes": list(exp.data.unknown_classes)} if exp.data.unknown_classes else {}),
    }
    return {**about, "choices": names, **resolved}


def _play(cfg: DictConfig, exp: Experiment, record: Record, quiet: bool) -> float:
    progress = Progress(record, quiet, Remaining(exp))
    logger: Logger = instantiate(cfg.logger) if world.is_first() else Logger()
    if world.is_first():
        add_attempt(record.folder / "environment.json", exp.predictor.device)

    def told(epoch: int, most: int, figures: EpochFigures, phase: int) -> None:
        progress.epoch(epoch, most, figures)
        logger.epoch(record.last_status["round"], phase, epoch, figures)

    fit = Fitter(trainer_arguments(cfg.trainer), cfg.trainer.checkpoint_every_seconds, told, exp.record.energy)
    ended: BaseException | None = None
    try:
        progress.begin(device_name(exp.predictor.device), exp.sizes)
        missing_records(record.folder, record.rounds(), cfg.record).say(quiet)
        logger.start(record.folder, record.config, record.rounds)
        accuracy = run(exp, record, fit, (progress.round, logger.log))
        progress.end(accuracy)
        return accuracy
    except BaseException as error:
        ended = error
        raise
    finally:
        logger.finish(exit_code(ended))
        progress.close()
