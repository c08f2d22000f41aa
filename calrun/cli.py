"""The command `calrun`: run, submit, status, plan, reproduce, transfer, report, best, arena, predict, select, ..."""

import logging
import os
import sys
import time
from math import nan
from pathlib import Path
from typing import Annotated, cast

import hydra
import typer
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from calrun import __version__
from calrun.arena.command import arena_command
from calrun.check.keys import keys, refuse_unknown_hparams, refuse_unread
from calrun.errors import MISTAKES
from calrun.errors import report as report_error
from calrun.feature_store.command.commands import features_app
from calrun.machine.signals import Ended, end_process, heeded
from calrun.machine.streams import make_patient
from calrun.network.commands import predict_command, select_command
from calrun.oracle.wanted import LabelsWanted
from calrun.parallel.launch import is_further
from calrun.places import CONF
from calrun.report.commands import report_command
from calrun.search.commands import best_command
from calrun.shell.completion import ASK, answers, script
from calrun.slurm.commands import cancel_command, logs_command, submit_words
from calrun.text.words import at_home, options_last, refuse_options
from calrun.transfer.commands import transfer_command

EVERY_TABLE = "all"  # in place of a recipe's name
FRESH, ACCEPT_CODE = "--fresh", "--accept-code"
failed: list[Exception] = []  # what a single run ended with, past Hydra, which would print a line of its own
logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs in several lines what our sentence says in one
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def run_task(cfg: DictConfig) -> float:
    """Plays one configuration; Hydra composes it and, in a multirun, calls this once for each job."""
    hydra_cfg = HydraConfig.get()
    try:
        choices = dict(hydra_cfg.runtime.choices)
        refuse_unknown_hparams(choices, hydra_cfg.overrides.task)
        refuse_unread(cfg, choices, cast(DictConfig, hydra_cfg))
        from calrun.run import play

        return play(cfg, choices, quiet=os.environ.get("CALRUN_QUIET") == "1")
    except Exception as error:
        if hydra_cfg.mode != RunMode.RUN and not isinstance(error, LabelsWanted):
            raise  # with Hydra's line, which tells which job of a multirun it was
        failed.append(error)
        return nan


def tidied(words: list[str]) -> list[str]:
    """Returns the words of `calrun run` as Hydra's parser takes them.

    Raises:
        ValueError: if a word looks like an option but is not one.
    """
    refuse_options(words, keys)
    return options_last([at_home(word) for word in words])


def show_version(wanted: bool) -> None:
    """Prints calrun's version and ends."""
    if wanted:
        typer.echo(f"calrun {__version__}")
        raise typer.Exit


@app.callback()
def command(
    version: Annotated[bool, typer.Option("--version", help="prints the version", callback=show_version)] = False,
) -> None:
    """Runs deep active-learning experiments from configuration."""


@app.command(
    "run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def run_command(context: typer.Context) -> None:
    """Plays a configuration: plain Hydra (GROUP=OPTION KEY=VALUE, -m, --help, --cfg job); the same command resumes.

    --fresh moves existing runs aside and plays them anew; --accept-code goes on with runs whose code has changed since
    they were begun.
    """
    words = flags_taken(context.args)
    if {"--help", "-h"} & {*words}:
        from calrun.shell.described import run_help

        typer.echo(run_help())
        return
    play_words(words)


def flags_taken(args: list[str]) -> list[str]:
    """Notes calrun's own flags and returns the other words as Hydra's parser takes them."""
    from calrun.folder.anew import wanted

    flags = {flag: flag in args for flag in (FRESH, ACCEPT_CODE)}
    wanted.fresh, wanted.accept_code, wanted.seen = *flags.values(), None
    return tidied([word for word in args if word not in flags])


@app.command("submit", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit_command(
    context: typer.Context,
    only: Annotated[str | None, typer.Option(help="states of the runs that are sent, such as failed,lost")] = None,
) -> None:
    """Sends the runs of a multirun that are missing to SLURM, and returns (GROUP=OPTION KEY=VALUE,VALUE).

    partition=, timeout_min=, pack= and the other options of conf/hydra/launcher/slurm.yaml say in what jobs; --fresh
    and --accept-code are those of calrun run.
    """
    play_words(flags_taken(submit_words(context.args, only)))


def play_words(words: list[str]) -> None:
    """Plays what follows `calrun run`, a run or a multirun.

    Raises:
        Exception: whatever a single run ended with, or the first failure of a multirun.
    """
    from calrun.sweep.sweep import end_sweep

    sys.argv = ["calrun run", *words]
    failed.clear()
    try:
        run_task()
    finally:
        end_sweep()
    for error in failed:
        raise error


@app.command("plan", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def plan_command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="prints numbers for a program")] = False,
    config_dir: Annotated[Path | None, typer.Option(help="a folder of your own options, as for calrun run")] = None,
    detect: Annotated[
        float | None, typer.Option(help="says instead the seeds that tell this many points apart")
    ] = None,
    sd: Annotated[float | None, typer.Option(help="for --detect: spread of differences over seeds, in points")] = None,
    bank: Annotated[Path | None, typer.Option(help="for --detect: an arena whose pairs give the spread")] = None,
) -> None:
    """Says what each round of a configuration will take in memory, arithmetic and time (GROUP=OPTION KEY=VALUE).

    With --detect it says how many seeds a comparison takes.
    """
    words = tidied(context.args)
    if detect is not None or sd is not None or bank is not None:
        from calrun.arena.seeds import show_seeds

        show_seeds(words, detect, sd, bank)
        return
    from calrun.plan.plan import composed, plan
    from calrun.plan.table import show

    show(plan(composed(words, config_dir)), as_json)


@app.command("status")
def status_command(
    folder: Annotated[Path, typer.Argument(help="a run, an experiment, or all outputs")],
    watch: Annotated[bool, typer.Option("--watch", help="shows it anew until no run is running or queued")] = False,
) -> None:
    """Shows which runs are finished, running, queued, requeued, lost, cancelled, interrupted, failed or waiting."""
    from calrun.sweep.overview import show

    show(folder, watch)


@app.command("list")
def list_command(
    group: Annotated[str | None, typer.Argument(help="a group, such as acquisition")] = None,
    config_dir: Annotated[Path | None, typer.Option(help="a folder of your own options, as for calrun run")] = None,
) -> None:
    """Lists the options of every group, or of one, with a sentence on each."""
    from calrun.shell.described import described

    typer.echo("\n".join(described(group, config_dir)))


@app.command("reproduce")
def reproduce_command(  # noqa: PLR0913 - the options of a command
    table: Annotated[str, typer.Argument(help="a recipe, such as cal/table1 (calrun list experiment), or all")] = "",
    overrides: Annotated[list[str] | None, typer.Argument(help="further GROUP=OPTION KEY=VALUE for every run")] = None,
    seeds: Annotated[str | None, typer.Option(help="seeds to play, such as 0,1,2; default: the recipe's")] = None,
    scale: Annotated[float, typer.Option(help="shrinks pool, budgets and epochs alike; marks the table")] = 1.0,
    launcher: Annotated[str | None, typer.Option(help="where runs go, such as processes or slurm")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list what would run, with an estimate")] = False,
    no_run: Annotated[bool, typer.Option("--no-run", help="play nothing, compare the rounds that are there")] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="only show every printed table: cost, and how it stands")
    ] = False,
) -> None:
    """Plays what is missing of a paper's table and says how close it came, cell by cell."""
    if listed or table in ("", EVERY_TABLE):
        from calrun.sweep.catalogue import asked, show

        show(asked(table, overrides or [], listed, dry_run))
        return
    from calrun.sweep.reproduce import reproduce, reproduction
    from calrun.training.trainer import silence_lightning

    silence_lightning()
    more = [*(overrides or []), *([f"hydra/launcher={launcher}"] if launcher else [])]
    reproduce(reproduction(table, seeds, scale, more), dry_run, no_run)


app.command("report")(report_command)
app.command("cancel")(cancel_command)
app.command("logs")(logs_command)
app.command("predict")(predict_command)
app.command("select")(select_command)
app.command("best")(best_command)
app.command("arena")(arena_command)
app.command("transfer")(transfer_command)
app.add_typer(features_app, name="features")


@app.command("completion")
def completion_command(shell: Annotated[str, typer.Argument(help="bash, zsh or fish")]) -> None:
    """Prints what completes groups, options and keys in a shell: eval "$(calrun completion bash)"."""
    typer.echo(script(shell))


def complete(line: str) -> None:
    """Prints the words that can stand at the end of a line, one per line."""
    below = {"features": [str(command.name) for command in features_app.registered_commands]}
    for word in answers(line, [str(command.name) for command in app.registered_commands], run_task, below):
        print(word)


def main() -> None:
    """Runs a command; a user's mistake ends in one sentence and exit code 2, a signal in one line and its own code."""
    make_patient()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come here instead of to Hydra's own printer
    try:
        with heeded(told=not is_further()):  # inside: what a library makes of a signal's exception is no error
            if line := os.environ.get(ASK):
                complete(line)
                raise SystemExit(0)
            sys.path.append(here())  # a user's own classes; last, or a file called random.py would hide Python's
            app()
    except Exception as error:
        if is_further() and not isinstance(error, MISTAKES):
            time.sleep(1)  # one of several processes: if another has died, that is said, and this one ended, meanwhile
        raise SystemExit(report_error(error)) from None


def here() -> str:
    """Returns the folder that the command was started in.

    Raises:
        ValueError: if it is gone.
    """
    try:
        return str(Path.cwd())
    except FileNotFoundError as error:
        raise ValueError("the folder that calrun was started in is gone; go to one that exists") from error


def program() -> None:
    """Runs a command in a process of its own, which ends as soon as it has said that a signal ends it."""
    try:
        main()
    except Ended as ended:
        end_process(int(ended.code or 0))


if __name__ == "__main__":
    program()
