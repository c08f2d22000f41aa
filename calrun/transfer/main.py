"""`calrun transfer RUNS...`: others train on what finished runs have bought, and the matrix of what came of it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from calrun.machine.children import run_bound
from calrun.report.page.render import to_text
from calrun.report.table.plain import encoding_of, printable, say
from calrun.report.table.tables import Table
from calrun.report.table.written import write_frame, write_table
from calrun.transfer.jobs import Job, Plan, copy_options, planned, write_option
from calrun.transfer.matrix import CHANCE, OWN, Matrix, matrix_of, name_picks, name_trainers
from calrun.transfer.sources import read_sources
from calrun.transfer.tables import difference_table, matrix_table, sentences

NO_RANDOM = "no run with acquisition=random is among these, so nothing says whether picks help more than random ones"


def transfer(
    folders: Sequence[Path],
    words: Sequence[str] = (),
    config_dir: Path | None = None,
    dry_run: bool = False,
    console: Console | None = None,
) -> Matrix | None:
    """Trains on the picks of finished runs and prints what that does; writes it beside the new runs.

    Args:
        folders: run folders, or folders that hold them.
        words: GROUP=OPTION and KEY=VALUE that change what trains; without any, each run's network and method trains on
            the picks of all.
        config_dir: a folder of the user's own options.
        dry_run: whether to say only what would be played; then nothing is returned.
        console: where it is printed.

    Raises:
        ValueError: if the runs cannot be compared, a word changes what the picks were bought on, or a run failed.
    """
    console = console or Console()
    plan = planned(read_sources(folders), words, config_dir)
    print_plan(plan, console)
    if dry_run:
        return None
    play(plan)
    matrix = matrix_of(plan)
    out = folder_of(plan)
    tables = tables_of(matrix, console)
    files = [path for table in tables for path in write_table(out, table)]
    files.append(write_frame(out / "transfer-numbers.csv", matrix.table))
    say(console, f"{len(files)} files in {printable(str(out))}, to begin with {printable(str(files[0]))}")
    return matrix


def print_plan(plan: Plan, console: Console) -> None:
    """Prints each run that is missing, and how many there are."""
    picks, trainers = name_picks(plan), name_trainers(plan)
    for job in plan.missing:
        by, of = trainers[job.trainer.digest], picks[job.source.picks]
        say(console, f"to play  {printable(job.folder.name)}  {by} on the picks of {of}, seed {job.source.seed}")
    done = len(plan.jobs) - len(plan.missing)
    alone = "1 pair is the run itself" if len(plan.own) == 1 else f"{len(plan.own)} pairs are the runs themselves"
    counts = f"{counted(len(plan.sources), 'run')}, {counted(len(plan.trainers), 'trainer')}"
    say(console, f"{counts}: {alone}, {done} played before, {len(plan.missing)} to play")


def counted(number: int, what: str) -> str:
    """Returns a number of things."""
    return f"{number} {what}{'s' if number != 1 else ''}"


def play(plan: Plan) -> None:
    """Plays what is missing, as `calrun run -m` does.

    Raises:
        ValueError: if a run failed.
    """
    codes = [run_bound([sys.executable, "-m", "calrun.cli", *typed]) for typed in commands_of(plan)]
    if any(codes):
        raise ValueError(f"some runs failed; calrun status {folder_of(plan).parent} says which and why")


def commands_of(plan: Plan) -> list[list[str]]:
    """Returns what to type after `calrun` to play what is missing; writes the options that it names."""
    by_words: dict[tuple[str, ...], list[Job]] = {}
    for job in plan.missing:
        by_words.setdefault(job.words, []).append(job)
    commands = []
    for words, jobs in by_words.items():
        conf = jobs[0].folder.parent / "conf"
        copy_options(plan.config_dir, conf)
        for job in jobs:
            write_option(conf, job.option, job.text)
        options = ",".join(job.option for job in jobs)
        commands.append(["run", "-m", "--config-dir", str(conf), f"experiment={options}", *words])
    return commands


def folder_of(plan: Plan) -> Path:
    """Returns where tables go: beside the new runs, or where nothing is new, in the first run's experiment."""
    runs = [job.folder for job in plan.jobs.values()] or [plan.sources[0].folder]
    return runs[0].parent / "report"


def tables_of(matrix: Matrix, console: Console) -> list[Table]:
    """Returns the tables, printed with what they say."""
    found = {against: matrix.differences(against) for against in (OWN, CHANCE)}
    tables = [matrix_table(matrix)]
    tables += [difference_table(matrix, against, each) for against, each in found.items() if each]
    for table in tables:
        say(console, to_text(table, console.width if console.is_terminal else None, encoding_of(console)))
    for against, each in found.items():
        for sentence in sentences(against, each):
            say(console, printable(sentence))
    if not matrix.random:
        say(console, NO_RANDOM)
    return tables
