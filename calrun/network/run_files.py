"""What a run folder alone says of a trained network: its configuration, its committed rounds, the state of one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from calrun.dataset.base import Inputs
from calrun.feature_store.fit.behind import completed
from calrun.folder.begun import damaged, recorded_in
from calrun.folder.identity import HEADER, is_place
from calrun.folder.inputs_file import read_inputs
from calrun.folder.round_line import committed_rounds
from calrun.machine.files import load_tensors, whole

BEGINNING = {"pretrained": False, "checkpoint": None}  # options of calrun's models that only say how weights begin
SHOWN = 5


@dataclass(frozen=True)
class RunFiles:
    """A run folder, wherever it lies.

    Args:
        folder: the folder.
        config: its config.yaml.
        inputs: what its network takes.
        number: the committed round that is looked at.
        num_rounds: that the run wants to play.
    """

    folder: Path
    config: dict[str, Any]
    inputs: Inputs
    number: int
    num_rounds: int

    @property
    def cfg(self) -> DictConfig:
        """The resolved configuration, as it holds wherever the folder lies.

        The accelerator is what there is here, and the weights that the model began with are not asked for.
        """
        own = {key: value for key, value in self.config.items() if key not in (*HEADER, "data_fingerprint")}
        own.pop("feature_store", None)  # the network is whole again, and looks at rows as the data set has them
        own["trainer"] = {**own["trainer"], "accelerator": "auto"}
        if str(own["model"].get("_target_")).startswith("calrun."):
            own["model"] = {key: BEGINNING.get(key, value) for key, value in own["model"].items()}
        cfg: DictConfig = OmegaConf.create(own)
        return cfg

    def cfg_where_it_was_played(self) -> DictConfig:
        """Returns the same with the data set's places as they were then, except for those that are here."""
        cfg, known = self.cfg, [str(place) for place in self.config.get("data_places") or []]
        for key, value in cfg.dataset.items():
            if not isinstance(value, str) or not is_place(f"dataset.{key}") or Path(value).expanduser().exists():
                continue
            cfg.dataset[key] = next((place for place in known if place.endswith(f"/{Path(value)}")), value)
        return cfg

    @property
    def class_names(self) -> list[str]:
        return [str(name) for name in self.config["class_names"]]

    @property
    def state_path(self) -> Path:
        return self.folder / f"state-{self.number}.pt"

    def state(self) -> dict[str, Any]:
        """Returns what the method carried out of the round."""
        with whole(self.state_path):
            state = load_tensors(self.state_path)
        return completed(self.folder, state)


def run_files(run: str | Path, number: int | None = None) -> RunFiles:
    """Returns the files of a run at one of its rounds.

    Args:
        run: the run folder.
        number: of a committed round; `None` is the last one.

    Raises:
        ValueError: if there is no run, no such round, or no state of it, or nothing says what its network takes.
    """
    folder = Path(run).expanduser()
    config = configuration(folder)
    lines = committed_rounds(folder)
    if not lines:
        raise ValueError(f"{folder} has no finished round yet, and so no trained network; play the run first")
    if number is not None and not 1 <= number <= len(lines):
        raise ValueError(f"{folder} has rounds 1 to {len(lines)}, but round {number} is asked for; choose one of them")
    found = RunFiles(folder, config, read_inputs(folder), number or len(lines), max(len(lines), lines[-1]["rounds"]))
    if found.state_path.exists():
        return found
    if number is None and len(committed_rounds(folder)) > len(lines):  # a run that is being played has gone on
        return run_files(folder)
    raise without_state(found)


def configuration(folder: Path) -> dict[str, Any]:
    """Returns the config.yaml of a run folder.

    Raises:
        ValueError: if there is none, or it is damaged.
    """
    config = recorded_in(folder) if folder.is_dir() else None
    if config is None:
        runs = sorted(path.parent.name for path in folder.glob("*/config.yaml"))
        hint = f"give one of the runs in it, such as {folder / runs[0]}" if runs else "give the folder of one run"
        raise ValueError(f"{folder} is no run folder (it has no config.yaml); {hint}")
    if not config:
        raise damaged(folder)
    return config


def without_state(run: RunFiles) -> ValueError:
    """Returns the refusal of a round without a state; it says which rounds have one."""
    kept = sorted(int(path.stem.removeprefix("state-")) for path in run.folder.glob("state-*.pt"))
    there = f"there are those of rounds {', '.join(map(str, kept[:SHOWN]))}" if kept else "there is none"
    return ValueError(
        f"{run.folder} has no state of round {run.number} ({run.state_path.name}), but {there}; "
        "record.keep_states=true keeps every round's from the beginning"
    )
