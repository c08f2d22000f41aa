"""`calrun report --log`: the report goes, as an artifact, to where the runs that it compares were sent."""

from collections.abc import Iterable
from pathlib import Path

from hydra.utils import instantiate

from calrun.folder.begun import recorded_in
from calrun.logger.mirror import Mirror
from calrun.report.read.runs import find_run_folders

OURS = "calrun.logger."  # modules whose classes a run folder may name here; it names no other code to run


def logger_of(folders: Iterable[Path]) -> tuple[Mirror, str]:
    """Returns the first logger that a run at or below `folders` has used, and that run's experiment.

    Raises:
        ValueError: if no run there has one.
    """
    for folder in find_run_folders(folders):
        config = recorded_in(folder) or {}
        block = config.get("logger") or {}
        if str(block.get("_target_")).startswith(OURS):
            logger = instantiate(block)
            if isinstance(logger, Mirror):
                return logger, str(config["experiment"])
    raise ValueError(
        "report --log sends a report to where its runs were sent, but none of these has a logger; leave --log out, "
        "or play them with logger=wandb or logger=trackio"
    )
