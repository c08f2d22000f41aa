"""`calrun reproduce cal/table1`: lists the runs of a table, plays the missing ones, and says how close it came."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from calrun.errors import MISTAKES, sentence
from calrun.machine.children import run_bound
from calrun.places import CONF, options
from calrun.report.main import Report, report
from calrun.report.measure.robustness import MADE, corruption_group
from calrun.report.page.render import to_text
from calrun.report.read.configuration import all_leaves
from calrun.report.read.runs import Runs, read
from calrun.report.table.plain import encoding_of, say
from calrun.report.table.tables import MISSING, Cell, Table
from calrun.report.table.written import write_frame, write_table
from calrun.report.verdict.claims import Claim, least_accuracy
from calrun.report.verdict.departures import departures
from calrun.report.verdict.lost import without_numbers
from calrun.report.verdict.printed import PaperTable, paper_table
from calrun.report.verdict.setting import our_setting
from calrun.report.verdict.supplement import remark
from calrun.report.verdict.verdict import ours_as_cells, verdict_table, verdicts
from calrun.run import finished_accuracy, run_folder
from calrun.sweep.checkpoints import refuse_unreadable
from calrun.sweep.costs import most_samples
from calrun.sweep.sweep import job_config, split_sweep, without_sweeps
from calrun.text.duration import duration

if TYPE_CHECKING:
    from calrun.experiment import Experiment

PROBE_STEPS = 3
MADE_HERE = "corruptions made from the clean test set, without frost, in place of the published files"


@dataclass(frozen=True)
class Job:
    """One run of a table: the overrides that make it, its configuration, its folder, and whether it is finished."""

    overrides: tuple[str, ...]
    cfg: DictConfig
    folder: Path
    finished: bool


@dataclass(frozen=True)
class Reproduction:
    """A table to reproduce: the command line after `calrun run -m`, and the runs that it makes."""

    name: str
    arguments: tuple[str, ...]
    scale: float
    overrides: tuple[tuple[str, ...], ...]

    @cached_property
    def jobs(self) -> list[Job]:
        """The runs, composed when first asked for: each takes a third of a second."""
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return [job_of(overrides) for overrides in self.overrides]

    @property
    def missing(self) -> list[Job]:
        return [job for job in self.jobs if not job.finished]


def reproduction(name: str, seeds: str | None = None, scale: float = 1.0, more: Sequence[str] = ()) -> Reproduction:
    """Returns the runs of the experiment `name`.

    Args:
        name: an option of the group experiment, such as cal/table1.
        seeds: in place of the recipe's, such as '0,1,2'; whole numbers from 0 on.
        scale: shrinks pool, budgets and epochs alike; the runs then go to an experiment of their own.
        more: further overrides, such as a launcher or a trainer.

    Raises:
        ValueError: there is no such experiment, `seeds` are not seeds, or `scale` is not above 0 and up to 1.
    """
    legal = options("experiment")["experiment"]
    if name not in legal:
        guess = "".join(f", the nearest is {close}" for close in get_close_matches(name, legal, n=1))
        raise ValueError(f"there is no experiment {name!r} to reproduce{guess}; choose one of: {', '.join(legal)}")
    if not 0 < scale <= 1:
        raise ValueError(f"reproduce wants a scale above 0 and up to 1, got {scale}")
    arguments = [f"experiment={name}"]
    if seeds is not None:
        arguments.append(f"seed={','.join(map(str, seeds_of(seeds)))}")
    if scale != 1:
        arguments += [f"scale={scale}", f"experiment_name={experiment_of(name)}-x{scale:g}"]
    arguments += more
    return Reproduction(name, tuple(arguments), scale, tuple(overrides_of(arguments)))


def experiment_of(name: str) -> str:
    """Returns the experiment that a recipe's runs go to: another recipe's where it asks the same runs."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return str(compose("config", [f"experiment={name}"]).experiment_name)


def seeds_of(text: str) -> list[int]:
    """Returns the seeds in a text such as '0, 1,2', each once.

    Raises:
        ValueError: one of them is not a whole number from 0 on.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"reproduce wants seeds as whole numbers from 0 on, such as 0,1,2, got {text!r}")
    return list(dict.fromkeys(map(int, parts)))


def overrides_of(arguments: Sequence[str]) -> list[tuple[str, ...]]:
    """Returns the overrides of each job that Hydra's basic sweeper would make for `calrun run -m ARGUMENTS`."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        whole = compose("config", without_sweeps(arguments), return_hydra_config=True)
    return split_sweep(whole.hydra.sweeper, arguments)


def job_of(overrides: Sequence[str]) -> Job:
    cfg, choices = job_config(overrides)
    folder = run_folder(cfg, choices)
    return Job(tuple(overrides), cfg, folder, finished_accuracy(folder, cfg) is not None)


def reproduce(
    planned: Reproduction, dry_run: bool = False, no_run: bool = False, console: Console | None = None
) -> Report | None:
    """Plays what is missing of a paper's table and prints it with verdicts; writes them beside the runs' report.

    Args:
        planned: the table's runs.
        dry_run: whether to say only what would run; then nothing is returned.
        no_run: whether to play nothing and to compare the rounds that are there.
        console: where the table is printed.

    Raises:
        ValueError: a run failed, or with `no_run` there is none.
    """
    console, name = console or Console(), planned.name
    print_reproduction(planned, console, no_run)
    if dry_run:
        return None
    if planned.missing and not no_run:
        command = [sys.executable, "-m", "calrun.cli", "run", "-m", *planned.arguments]
        if run_bound(command):
            raise ValueError(
                f"{name}: some runs failed; calrun status {planned.jobs[0].folder.parent} says which and why"
            )
    folders = [job.folder for job in planned.jobs if job.folder.is_dir() or not no_run]
    if not folders:
        raise ValueError(
            f"{name}: none of its runs has begun below {planned.jobs[0].folder.parent}; leave out --no-run"
        )
    out = planned.jobs[0].folder.parent / "report"
    result = report(folders, out, console=console)
    paper = paper_table(name)
    if paper is None:
        say(console, without_numbers(name))
        return result
    return Report(result.runs, result.files + write_verdict(result.runs, paper, planned.scale, out, console))


def print_reproduction(planned: Reproduction, console: Console, no_run: bool = False) -> None:
    """Prints each run that is missing, how many are finished, and how long the missing ones may take.

    Raises:
        ValueError: if a file of weights that they begin from is missing or cannot be read; they are listed before.
    """
    missing = planned.missing
    for job in missing:
        say(console, f"to run  {job.folder.name}")
    finished = len(planned.jobs) - len(missing)
    say(console, f"{planned.name}: {len(planned.jobs)} runs, {finished} finished, {len(missing)} to run")
    if told := remark(planned.name):
        say(console, told)
    refuse_unreadable([] if no_run else [job.cfg for job in missing])
    if missing:
        try:
            say(console, f"estimate: {estimate(planned)}")
        except MISTAKES as error:
            say(console, f"no estimate: {sentence(error)}")


def estimate(planned: Reproduction) -> str:
    """Returns how long the missing runs take, from the finished runs of the table, or from a probe of the network."""
    done = [job for job in planned.jobs if job.finished]
    if done:
        table = read([job.folder for job in done]).table
        seconds = table.groupby("method")["fit_seconds"].sum() / table.groupby("method")["run_id"].nunique()
        known = [float(seconds.get(method_of(job), seconds.max())) for job in planned.missing]
        return f"{duration(sum(known))} of training, one after the other, by the runs that are finished"
    from calrun.experiment import build

    first = planned.missing[0].cfg
    exp = build(first)
    pool_size = round(len(exp.pool) / first.scale)  # of the recipe's data set, if it has only one
    bound = sum(most_samples(job.cfg, pool_size) for job in planned.missing)
    rate = samples_per_second(exp)
    return (
        f"at most {duration(bound / rate)} of training, one after the other ({bound / 1e6:.2f} M gradient samples "
        f"if no round stops early, at {rate:,.0f} a second as measured here)"
    )


def method_of(job: Job) -> str:
    return next((part.split("=", 1)[1] for part in job.overrides if part.startswith("method=")), "")


def samples_per_second(exp: "Experiment") -> float:
    """Returns how many samples pass forward and backward in a second, at the run's batch size, without data loading."""
    from calrun.plan.network_rates import first_rows  # here, because reading folders needs no network

    net = exp.method.evaluated().to(exp.predictor.device)
    x = first_rows(exp, exp.method.setup_.batch_size)
    started = 0.0
    for step in range(PROBE_STEPS + 1):
        if step == 1:  # the first step also sets up
            started = time.perf_counter()
        loss = net(x).logits_BC.square().mean()
        loss.backward()
        loss.item()  # waits for the device
    return PROBE_STEPS * len(x) / (time.perf_counter() - started)


def write_verdict(runs: Runs, paper: PaperTable, scale: float, out: Path, console: Console) -> list[Path]:
    """Prints and writes the verdict on every cell and claim of one printed table."""
    found = verdicts(runs.table, paper, scale)
    unlike = departures([own.leaves for own in runs.configurations.values()], recipe_leaves(paper.name))
    unlike += [MADE_HERE] if paper.is_corrupted and corruption_group(runs.table) == MADE else []
    table = verdict_table(found, paper, scale, unlike, our_setting(runs))
    say(console, to_text(table, console.width if console.is_terminal else None, encoding_of(console)))
    tables = [table, claims_table(ours_as_cells(found), paper, least_accuracy(runs.table))]
    for claim, answer, because, theirs, why in ([cell.text for cell in row] for row in tables[1].rows):
        say(console, f"{claim}: {answer} ({because}); paper's numbers: {theirs} ({why})")
    files = [path for table in tables if table.rows for path in write_table(out, table)]
    return [*files, write_frame(out / f"{table.name}-numbers.csv", found)]


def recipe_leaves(name: str) -> list[dict[str, Any]]:
    """Returns the leaves of each run of a recipe as it stands, except that the seed is 0."""
    recipe = reproduction(name, seeds="0")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = [job_config(overrides) for overrides in recipe.overrides]
    return [
        all_leaves(OmegaConf.to_container(cfg, resolve=True), choices)  # type: ignore[arg-type]
        for cfg, choices in composed
    ]


def claims_table(ours: pd.DataFrame, paper: PaperTable, least: float = 0.0) -> Table:
    """Returns each claim with our answer and the one that the paper's own printed numbers give."""
    found = paper.claimed(ours, least)
    nothing = {claim.text: Claim(claim.text, MISSING, MISSING) for claim in found}
    theirs = nothing | {claim.text: claim for claim in paper.claimed(paper.cells, 0.0)}
    rows = []
    for claim in found:
        printed = theirs[claim.text]
        ours_cells = [Cell(claim.text), Cell(claim.answer), Cell(claim.because)]
        rows.append([*ours_cells, Cell(printed.answer), Cell(printed.because)])
    return Table(
        title=f"{paper.source}: claims",
        name=f"{paper.name.replace('/', '-')}-claims",
        groups=[("", 1), ("ours", 2), ("paper's numbers", 2)],
        columns=["claim", "answer", "because", "answer", "because"],
        rows=rows,
        notes=[
            "Matches: mean accuracy not below AL's by more than AL's standard deviation. Open: one seed, a difference "
            "no larger than its deviation, or AL below twice chance or below the majority class and 5 points."
        ],
    )
