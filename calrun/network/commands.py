"""The commands `calrun predict` and `calrun select`; nothing here imports what trains before one of them runs."""

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run, wherever it lies")]
Rows = Annotated[str, typer.Argument(metavar="DATA", help="rows of the kind that the run's data set option reads")]
RoundNumber = Annotated[int | None, typer.Option("--round", help="whose network; default: the last that is committed")]
Split = Annotated[str | None, typer.Option(help="which rows, where DATA holds several splits: train, test, val")]


def predict_command(
    run: RunFolder,
    data: Rows,
    out: Annotated[Path, typer.Option(help="the table to write")] = Path("predictions.csv"),
    number: RoundNumber = None,
    split: Split = None,
) -> None:
    """Writes the class of each row, and the probability of each class, as a run's network sees them.

    Of pixels (task=segmentation) these are means over a picture, and OUT-masks/ITEM.png holds the class of each pixel.
    """
    from calrun.network.predict import predict

    predict(run, data, out, number, split)


def select_command(  # noqa: PLR0913 - the options of a command
    run: RunFolder,
    data: Rows,
    acquisition: Annotated[str, typer.Option(help="an option (calrun list acquisition)")],
    budget: Annotated[int, typer.Option(help="rows to choose")],
    overrides: Annotated[list[str] | None, typer.Argument(help="acquisition.KEY=VALUE, after --")] = None,
    out: Annotated[Path, typer.Option(help="the table to write")] = Path("picks.csv"),
    number: RoundNumber = None,
    split: Split = None,
    config_dir: Annotated[Path | None, typer.Option(help="a folder of your own options, as for calrun run")] = None,
) -> None:
    """Ranks rows without labels: those that an acquisition would buy next, as a run's network sees them."""
    from calrun.network.select import Wish, select

    select(run, data, Wish(acquisition, budget, overrides or (), config_dir), out, number, split)
