"""The command `calrun best`; nothing here imports what reads runs before it runs."""

from pathlib import Path
from typing import Annotated

import typer


def best_command(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="experiments, or folders that hold them")],
    metric: Annotated[str, typer.Option(help="a metric of the validation split after the last round")] = "accuracy",
    method: Annotated[str | None, typer.Option(help="only the runs of this method")] = None,
    out: Annotated[
        Path | None, typer.Option(help="writes the winner's values: FOLDER/hparams/NAME.yaml, for hparams=NAME")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="compares what is finished of a grid, over the seeds that all of it has")
    ] = False,
) -> None:
    """Names the hyper-parameters that are best on the validation split, never on a test set, over all seeds.

    Each experiment and each method in it is a search with a winner of its own.
    """
    from calrun.search.best import best

    best(folders, metric, method, out, partial)
