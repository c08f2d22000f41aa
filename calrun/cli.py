"""The command `calrun`: run, status, report, list."""

import os
import sys
from pathlib import Path
from typing import Annotated

import hydra
import typer
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from calrun.errors import report as report_error
from calrun.places import CONF

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def run_task(cfg: DictConfig) -> float:
    """Plays one configuration; Hydra composes it and, in a multirun, calls this once for each job."""
    from calrun.run import play

    return play(cfg, dict(HydraConfig.get().runtime.choices), quiet=os.environ.get("CALRUN_QUIET") == "1")


@app.command(
    "run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def run_command(context: typer.Context) -> None:
    """Plays a configuration: plain Hydra (GROUP=OPTION KEY=VALUE, -m, --help, --cfg job); the same command resumes."""
    sys.argv = ["calrun run", *context.args]
    run_task()


@app.command("status")
def status_command(folder: Annotated[Path, typer.Argument(help="a run, an experiment, or all outputs")]) -> None:
    """Shows which runs are finished, running, interrupted, failed or waiting."""
    from calrun.status import show

    show(folder)


@app.command("list")
def list_command(group: Annotated[str | None, typer.Argument(help="a group, such as acquisition")] = None) -> None:
    """Lists the options of every group, or of one."""
    from calrun.places import options

    for name, legal in options(group).items():
        typer.echo(f"{name:<12} {', '.join(legal)}")


@app.command("report")
def report_command(
    folders: Annotated[list[Path], typer.Argument(help="run folders, or folders that hold them")],
    out: Annotated[
        Path | None, typer.Option(help="where tables and figures go; default: report/ in the first folder")
    ] = None,
    baseline: Annotated[str, typer.Option(help="the method that speed-ups are over")] = "al",
) -> None:
    """Turns run folders into tables and figures."""
    from calrun.report.main import report

    report(folders, out or folders[0] / "report", baseline)


def main() -> None:
    """Runs a command; a user's mistake ends in one sentence and exit code 2."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come here instead of to Hydra's own printer
    sys.path.insert(0, str(Path.cwd()))  # a user's own classes
    try:
        app()
    except Exception as error:
        raise SystemExit(report_error(error)) from None


if __name__ == "__main__":
    main()
