"""The command `calrun transfer`; nothing here imports what reads or plays runs before it runs."""

from pathlib import Path
from typing import Annotated

import typer


def transfer_command(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... [GROUP=OPTION KEY=VALUE]...",
            help="finished runs, or folders that hold them; then what is to train on their picks in their own place",
        ),
    ],
    config_dir: Annotated[Path | None, typer.Option(help="a folder of your own options, as for calrun run")] = None,
    launcher: Annotated[str | None, typer.Option(help="where runs go, such as processes or slurm")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list what would be played")] = False,
) -> None:
    """Trains other networks or methods on the picks of finished runs, budget by budget, and compares.

    Without GROUP=OPTION, the network and method of each run trains on the picks of all: k of them make a k x k matrix.
    A run with acquisition=random among them says whether picks help more than random ones.
    """
    from calrun.text.words import at_home
    from calrun.training.trainer import silence_lightning
    from calrun.transfer.main import transfer

    silence_lightning()
    folders = [Path(word).expanduser() for word in runs if Path(word).expanduser().exists() or "=" not in word]
    words = [at_home(word) for word in runs if not Path(word).expanduser().exists() and "=" in word]
    if not folders:
        raise ValueError("calrun transfer wants the folders of finished runs, got none; name them before GROUP=OPTION")
    transfer(folders, [*words, *([f"hydra/launcher={launcher}"] if launcher else [])], config_dir, dry_run)
