"""One run: from a composed configuration to a finished run folder, or to the answer that nothing is missing.

Nothing here imports a training library: a finished run answers at once.
"""

from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from calrun.check.early import refuse_early
from calrun.check.together import num_processes
from calrun.folder.anew import accept_code, wanted
from calrun.folder.begun import refuse_changed, refuse_changed_since, renamed, siblings
from calrun.folder.identity import Identity, identity, run_id
from calrun.folder.later import missing_records
from calrun.folder.round_line import accuracy, committed_rounds, percent
from calrun.folder.settle import settle
from calrun.folder.unsent import is_unsent
from calrun.parallel.launch import is_part, play_together
from calrun.places import SHOWN_GROUPS, experiment_folder
from calrun.stop_al.base import first_stop, last_round, rule_of
from calrun.text.say import say


def run_folder(cfg: DictConfig, choices: dict[str, Any]) -> Path:
    """Returns where a configuration's run lives: the same configuration gives the same folder.

    Raises:
        ValueError: if a group that names the run has no option, or a name leads out of the outputs.
    """
    if missing := [group for group in SHOWN_GROUPS if choices.get(group) is None]:
        raise ValueError(f"a run wants an option of {', '.join(missing)}, but none is chosen; leave ~{missing[0]} out")
    slug = "-".join(str(choices[group]).replace("/", "_") for group in SHOWN_GROUPS)
    return experiment_folder(cfg.paths.outputs, cfg.experiment_name) / f"{slug}-s{cfg.seed}-{run_id(cfg)}"


def located(cfg: DictConfig, choices: dict[str, Any]) -> Path:
    """Returns the folder that a run will be played in, even if its data has been renamed since it was begun."""
    folder = run_folder(cfg, choices)
    return folder if folder.exists() or not siblings(folder) else renamed(folder, identity(cfg))


def play(cfg: DictConfig, choices: dict[str, Any], quiet: bool = False) -> float:
    """Plays what is missing of a run, or answers at once if nothing is; returns the final accuracy.

    Raises:
        ValueError: if the configuration cannot work, the folder is another run's or in use, or the rounds in it were
            played on other data or with other code.
        OSError: if the folder cannot be written; every committed round stays as it was.
        LabelsWanted: if the oracle has not answered yet with the labels of a round.
    """
    refuse_early(cfg)
    now = identity(cfg)
    folder = renamed(run_folder(cfg, choices).absolute(), now)
    refuse_changed_since(wanted.code, now)
    final = answered(cfg, folder, now, quiet)
    if final is None and (processes := num_processes(cfg)) > 1 and not is_part():
        play_together(folder, processes)
        final = finished_accuracy(folder, cfg)
    if final is None:
        from calrun.play import play_missing  # here: it imports everything that trains

        return play_missing(cfg, choices, folder, now, quiet)
    return final


def answered(cfg: DictConfig, folder: Path, now: Identity, quiet: bool = False) -> float | None:
    """Returns the final accuracy of a run of which nothing is missing, and says so; `None` if it wants to be played.

    Raises:
        ValueError: if the rounds in its folder were played on other data or with other code.
    """
    if wanted.accept_code:
        accept_code(folder, now)
    lines = [] if wanted.begins_anew(folder) else committed_rounds(folder)
    if lines:
        refuse_changed(folder, now)
    final, unrecorded = final_accuracy(lines, cfg), missing_records(folder, lines, cfg.record)
    if final is None or unrecorded.can_be_made or is_unsent(folder, cfg):
        return None
    settle(folder, cfg.record.keep_states)
    stop = first_stop(rule_of(cfg), lines, num_rounds(cfg, lines[-1]))
    ended = "" if stop is None else f"  stopped after round {stop.after}: {stop.reason}"
    said = f"{folder}  finished  accuracy {percent(final)}{ended}{_unseen(now)}"
    say(f"{said}  (--fresh moves it aside and plays anew)", quiet)
    unrecorded.say(quiet)
    return final


def finished_accuracy(folder: Path, cfg: DictConfig) -> float | None:
    """Returns the final accuracy of a finished run; `None` for any other folder."""
    return final_accuracy(committed_rounds(folder), cfg)


def final_accuracy(lines: list[dict[str, Any]], cfg: DictConfig) -> float | None:
    """Returns the accuracy after the last round that budget and rule ask for; `None` until that is committed."""
    if not lines:
        return None
    last = last_round(rule_of(cfg), lines, num_rounds(cfg, lines[-1]))
    if len(lines) < last:
        return None
    return accuracy(lines[last - 1])


def num_rounds(cfg: DictConfig, line: dict[str, Any]) -> int:
    """Returns how many rounds a configuration asks for, on a pool whose size follows from a committed line."""
    given = cfg.budget.get("rounds")
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    return len(instantiate(cfg.budget).planned(round(line["labelled"] / line["labelled_fraction"] / cfg.scale)))


def _unseen(now: Identity) -> str:
    return f" (its data at {', '.join(now.places)} cannot be read and was not compared)" if now.data is None else ""
