"""Mirrors a run to Weights & Biases: one W&B run for each run folder, metrics against the number of labels."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import wandb

from calrun.logger.mirror import Mirror

FINISH_SECONDS = 600.0  # after which a run no longer waits for a network that is down


class WandbLogger(Mirror):
    """Sends each round's numbers to W&B; the run folder stays the truth.

    Args:
        project: W&B project.
        mode: `online`, `offline` (no account, no network) or `disabled`.
        entity: W&B user or team; `None` is the account's own.
        tags: words to find the run by.
    """

    option = "wandb"

    def __init__(
        self,
        project: str,
        mode: Literal["online", "offline", "disabled"],
        entity: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        super().__init__()
        self.project, self.mode, self.entity, self.tags = project, mode, entity, tags

    def begin(self, config: dict[str, Any], name: str, group: str, job_type: str) -> Any:
        wandb.setup(wandb.Settings(silent=True))  # what is said before a run has settings
        try:
            run = wandb.init(
                project=self.project,
                entity=self.entity,
                mode=self.mode,
                id=self.id,
                resume="allow" if self.mode == "online" else None,
                name=name,
                group=group,
                job_type=job_type,
                tags=self.tags,
                config=config,
                dir=self.folder,
                settings=wandb.Settings(silent=True, finish_timeout=FINISH_SECONDS),
            )
        except (wandb.errors.UsageError, wandb.errors.AuthenticationError) as error:
            raise ValueError(
                f"logger=wandb cannot begin a run in mode {self.mode} ({error}); log in, or set logger.mode=offline"
            ) from error
        except Exception:
            self._forget_service()
            raise
        self.held = dict(run.summary) if self.mode == "online" else {}
        run.define_metric("labelled")
        run.define_metric("round")
        run.define_metric("*", step_metric="labelled")
        return run

    def curve(self, this_round: int, names: list[str]) -> None:
        epoch = f"round_{this_round}/epoch"
        self.run.define_metric(epoch)
        for name in names:  # not by a glob: the one above fits them too
            self.run.define_metric(f"round_{this_round}/{name}", step_metric=epoch)

    def caught_up(self) -> None:
        """Removes what earlier attempts have left offline: `wandb sync` would put a part in the place of the whole."""
        for attempt in self.folder.glob(f"wandb/offline-run-*-{self.id}") if self.mode != "disabled" else ():
            if attempt != Path(self.run.dir).parent:
                shutil.rmtree(attempt, ignore_errors=True)

    def artifact(self, name: str, kind: str, files: list[Path]) -> Any:
        artifact = wandb.Artifact(name, kind)
        for path in files:
            artifact.add_file(str(path), policy="immutable", skip_cache=True)  # no copies in the user's home
        return artifact

    def end(self, exit_code: int) -> None:
        try:
            self.run.finish(exit_code)
        except Exception:
            self._forget_service()
            raise
        if self.broken:
            self._forget_service()

    def _forget_service(self) -> None:
        """Lets the next run start W&B's process anew, and the interpreter end without words about a dead one."""
        with suppress(Exception):
            wandb.teardown()
