"""The commands of `calrun features`; nothing here imports what trains before one of them runs."""

from pathlib import Path
from typing import Annotated

import typer

features_app = typer.Typer(
    no_args_is_help=True, help="Features that runs share: computes them ahead, lists, verifies and removes them."
)
Words = Annotated[list[str] | None, typer.Argument(metavar="[GROUP=OPTION KEY=VALUE]...", help="as of calrun run")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]... [KEY=VALUE]...", help="as calrun features list says")]
ConfigDir = Annotated[Path | None, typer.Option(help="a folder of your own options, as for calrun run")]


@features_app.command("compute")
def compute_command(words: Words = None, config_dir: ConfigDir = None) -> None:
    """Computes what a configuration's runs will read; the same command goes on where it was killed."""
    from calrun.feature_store.command.ahead import compute_ahead

    compute_ahead(words or [], config_dir)


@features_app.command("list")
def list_command(words: Words = None) -> None:
    """Lists what lies in paths.features: what of, rows x width, numbers, size, and whether it is whole."""
    from calrun.feature_store.command.looked_over import list_all

    list_all(words or [])


@features_app.command("verify")
def verify_command(words: Ids = None, config_dir: ConfigDir = None) -> None:
    """Reads features again and compares their checksums; of a configuration, a sample of rows passes the backbone too.

    Ends with exit code 2 if any are not what they were, or some that are named by their ids are unfinished.
    """
    from calrun.feature_store.command.looked_over import verify

    verify(words or [], config_dir)


@features_app.command("remove")
def remove_command(words: Ids = None) -> None:
    """Removes features by their ids; runs that want them compute them anew."""
    from calrun.feature_store.command.looked_over import remove

    remove(words or [])
