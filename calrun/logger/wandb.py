"""Mirrors a run to Weights & Biases: one W&B run for each run folder, metrics against the number of labels."""

import re
import secrets
import shutil
from pathlib import Path
from typing import Any, Literal

import wandb

from calrun.folder.round_line import flatten
from calrun.logger.base import Logger
from calrun.machine.files import replace_text
from calrun.places import SHOWN_GROUPS

ID_FILE = "wandb-id"
ID = re.compile(r"[\w-]{1,64}", re.ASCII)  # W&B: 64 characters at most, and none of :;,#?/'


class WandbLogger(Logger):
    """Sends each round's numbers to W&B; the run folder stays the truth.

    Args:
        project: W&B project.
        mode: `online`, `offline` (no account, no network) or `disabled`.
        entity: W&B user or team; `None` is the account's own.
        tags: words to find the run by.
    """

    def __init__(
        self,
        project: str,
        mode: Literal["online", "offline", "disabled"],
        entity: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        self.project, self.mode, self.entity, self.tags = project, mode, entity, tags
        self.run: Any = None

    def start(self, folder: Path, config: dict[str, Any], finished: list[dict[str, Any]]) -> None:
        try:
            self._init(folder, config)
        except wandb.errors.Error as error:
            raise ValueError(
                f"logger=wandb cannot begin a run in mode {self.mode} ({error}); log in, or set logger.mode=offline"
            ) from error
        self.run.define_metric("labelled")
        self.run.define_metric("round")
        self.run.define_metric("*", step_metric="labelled")
        for line in finished:
            if line["round"] >= self.run.step:  # W&B lacks it: an offline run begins empty, an online one was killed
                self.log(line)
        if self.mode == "offline":
            self._remove_earlier(folder)

    def _init(self, folder: Path, config: dict[str, Any]) -> None:
        choices = config["choices"]
        self.run = wandb.init(
            project=self.project,
            entity=self.entity,
            mode=self.mode,
            id=id_of(folder, config),
            resume="allow" if self.mode == "online" else None,
            name=folder.name,
            group="-".join(str(choices[group]) for group in SHOWN_GROUPS),
            job_type=str(choices["method"]),
            tags=self.tags,
            config=config,
            dir=folder,
            settings=wandb.Settings(silent=True),
        )

    def _remove_earlier(self, folder: Path) -> None:
        """Removes what earlier attempts have left: this one sends it again, and `wandb sync` would send it twice."""
        for attempt in folder.glob(f"wandb/offline-run-*-{self.run.id}"):
            if attempt != Path(self.run.dir).parent:
                shutil.rmtree(attempt, ignore_errors=True)

    def log(self, line: dict[str, Any]) -> None:
        self.run.log(flatten(line), step=line["round"])

    def finish(self, exit_code: int) -> None:
        if self.run is not None:
            self.run.finish(exit_code)  # or the next run of this process would write into this one


def id_of(folder: Path, config: dict[str, Any]) -> str:
    """Returns the W&B id of a run folder, which keeps it: another folder of the same configuration is another run."""
    path = folder / ID_FILE
    known = path.read_text().strip() if path.exists() else ""
    if ID.fullmatch(known):
        return known
    experiment = re.sub(r"[^\w-]+", "-", str(config["experiment"]), flags=re.ASCII)[:40]
    made = f"{experiment}-{config['run_id']}-{secrets.token_hex(3)}"
    replace_text(path, f"{made}\n")
    return made
