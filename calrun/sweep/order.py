"""Orders: what a launcher sends to another process so that it plays a run, as if its command had been typed there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from calrun.folder.anew import number_of
from calrun.folder.identity import Identity

NOT_FOR_A_JOB = ("hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweeper", "hydra.mode", "hydra.sweep")


@dataclass(frozen=True)
class Order:
    """A run to be played.

    Args:
        words: what follows `calrun run`.
        folder: the run's; need not exist.
        place: the folder that the command was typed in.
        sweep: the multirun that it is part of.
        fresh: the number of the run's folder that --fresh moves aside; `None` where nothing is moved.
        code: the user's files as they were when the order was given, and calrun's number of results.
        group: what decides the resources that it needs: data set and model.
    """

    words: tuple[str, ...]
    folder: Path
    place: Path
    sweep: str = ""
    fresh: int | None = None
    code: dict[str, Any] = field(default_factory=dict)
    group: str = ""

    @property
    def name(self) -> str:
        return self.folder.name


def words_of(config: DictConfig, overrides: Sequence[str], number: int) -> tuple[str, ...]:
    """Returns what follows `calrun run` for one job of a multirun.

    Args:
        config: the multirun's, as Hydra composed it.
        overrides: the job's.
        number: of the job, which Hydra counts from 0.
    """
    hydras = [word for word in config.hydra.overrides.hydra if not word.lstrip("+~").startswith(NOT_FOR_A_JOB)]
    folders = [source.path for source in config.hydra.runtime.config_sources if source.provider == "command-line"]
    options = [word for folder in folders for word in ("--config-dir", str(Path(folder).absolute()))]
    return (*options, *hydras, f"hydra.job.num={number}", *overrides)


def code_of(now: Identity) -> dict[str, Any]:
    """Returns what an order notes of the code: it must not have changed when the run begins."""
    return {"code": now.code, "results": now.results}


def order_of(
    words: Sequence[str], folder: Path, now: Identity, sweep: str, fresh: bool, choices: Mapping[str, Any]
) -> Order:
    """Returns the order for a run; `choices` are the names of its configuration's options."""
    return Order(
        words=tuple(words),
        folder=folder.absolute(),
        place=Path.cwd(),
        sweep=sweep,
        fresh=number_of(folder) if fresh else None,
        code=code_of(now),
        group=f"{choices['dataset']} {choices['model']}",
    )
