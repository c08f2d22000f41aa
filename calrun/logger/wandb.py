"""Mirrors a run to Weights & Biases: one W&B run for each run folder, metrics against the number of labels."""

from pathlib import Path
from typing import Any, Literal

import wandb

from calrun.logger.base import Logger
from calrun.record import flatten


class WandbLogger(Logger):
    """Sends each round's numbers to W&B; the run folder stays the truth.

    Args:
        project: W&B project.
        mode: `online`, `offline` (no account, no network) or `disabled`.
        entity: W&B user or team; none is the account's own.
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
        if self.mode != "online":  # offline runs cannot be resumed: say the finished rounds again
            for line in finished:
                self.log(line)

    def _init(self, folder: Path, config: dict[str, Any]) -> None:
        choices = config["choices"]
        self.run = wandb.init(
            project=self.project,
            entity=self.entity,
            mode=self.mode,
            id=config["run_id"],
            resume="allow" if self.mode == "online" else None,
            name=folder.name,
            group="-".join(str(choices[group]) for group in ("dataset", "model", "method", "acquisition")),
            job_type=str(choices["method"]),
            tags=self.tags,
            config=config,
            dir=folder,
            settings=wandb.Settings(silent=True),
        )

    def log(self, line: dict[str, Any]) -> None:
        self.run.log(flatten(line))

    def finish(self) -> None:
        if self.run is not None:
            self.run.finish()  # or the next run of this process would write into this one
