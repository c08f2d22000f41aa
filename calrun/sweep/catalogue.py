"""`calrun reproduce --list`: every printed table of the five papers, what it takes, and how far it has come here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from calrun.errors import MISTAKES, sentence
from calrun.places import CONF, options
from calrun.report.page.render import to_text
from calrun.report.read.runs import read
from calrun.report.table.plain import encoding_of, say
from calrun.report.table.tables import MISSING, Cell, Table
from calrun.report.verdict.printed import PaperTable, paper_table
from calrun.report.verdict.verdict import VERDICTS, verdicts
from calrun.sweep.costs import REFERENCE, Cost, recorded_costs

PAPERS = ("cal", "beck", "emam", "wen", "disal")
WANTED = "# FILE: "  # a line of a recipe that says which file only its user has
SCALED = "-x"  # between an experiment's name and the scale of its small runs
OUTPUTS = "paths.outputs="


@dataclass(frozen=True)
class Entry:
    """One printed table: its recipe, how many numbers it prints, and the state of its runs, in words.

    Args:
        recipe: an option of the group experiment.
        paper: the printed numbers.
        cost: what all of its runs take; `None` if nobody has counted it.
        state: how our numbers stand, and why there are none.
    """

    recipe: str
    paper: PaperTable
    cost: Cost | None
    state: str

    @property
    def rows(self) -> int:
        return len(self.paper.cells)


def recipes() -> list[str]:
    """Returns every recipe of a printed table, paper by paper."""
    found = [name for name in options("experiment")["experiment"] if name.partition("/")[0] in PAPERS]
    printed = [name for name in found if paper_table(name) is not None]
    return sorted(printed, key=lambda name: (PAPERS.index(name.partition("/")[0]), number_of(name), name))


def number_of(name: str) -> int:
    """Returns the number of a table such as cal/table10; 0 of another recipe."""
    digits = name.rpartition("table")[2]
    return int(digits) if digits.isdigit() else 0


def entries(outputs: Path) -> list[Entry]:
    """Returns a line for each printed table, with the state of the runs below `outputs`."""
    found, costs = [], recorded_costs()
    for name in recipes():
        paper = paper_table(name)
        assert paper is not None
        found.append(Entry(name, paper, costs.get(name), state_of(name, paper, outputs)))
    return found


def state_of(name: str, paper: PaperTable, outputs: Path) -> str:
    """Returns how the numbers of a table stand: within, off, scaled, not run, and why."""
    folder = outputs / experiment_in(name)
    whole = standing(folder, paper, 1.0) if folder.is_dir() else ""
    others = sorted(folder.parent.glob(f"{folder.name}{SCALED}*")) if folder.parent.is_dir() else []
    scaled = [f"scaled x {scale:g}: {said}" for scale, said in scaled_states(others, paper) if said]
    parts = [part for part in (whole, *scaled) if part]
    return "; ".join(parts) or f"not run: {reason(name, folder)}"


def scaled_states(folders: Iterable[Path], paper: PaperTable) -> Iterable[tuple[float, str]]:
    for folder in folders:
        text = folder.name.rpartition(SCALED)[2]
        try:
            scale = float(text)
        except ValueError:
            continue
        yield scale, standing(folder, paper, scale)


def standing(folder: Path, paper: PaperTable, scale: float) -> str:
    """Returns how many cells have each verdict; '' while no run below a folder has finished a round."""
    try:
        found = verdicts(read([folder]).table, paper, scale)
    except MISTAKES as error:
        return f"not read: {sentence(error)}" if any(folder.rglob("rounds.jsonl")) else ""
    counts = found["verdict"].value_counts()
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts)


def reason(name: str, folder: Path) -> str:
    """Returns why a table has no run."""
    wanted = [line.removeprefix(WANTED) for line in recipe_text(name).splitlines() if line.startswith(WANTED)]
    return f"it wants {wanted[0].rstrip('.')}" if wanted else f"nothing in {folder}"


def recipe_text(name: str) -> str:
    return (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")


def experiment_in(name: str) -> str:
    """Returns the experiment that a recipe's runs go to, from its file alone: its own, or an included one's."""
    tree: dict[str, Any] = yaml.safe_load(recipe_text(name))
    own = tree.get("experiment_name")
    if own is not None:
        return str(own)
    included = [line.removeprefix("/experiment/") for line in tree["defaults"] if isinstance(line, str)]
    beside = [line if "/" in line else f"{name.rpartition('/')[0]}/{line}" for line in included if line != "_self_"]
    return experiment_in(beside[0])


def asked(table: str, overrides: Sequence[str], listed: bool, dry_run: bool) -> Path:
    """Returns the outputs whose state is asked for by `calrun reproduce --list`, or `all --dry-run`.

    Args:
        table: what stands where a recipe's name does; '' if nothing does.
        overrides: only paths.outputs=FOLDER is known.
        listed: whether --list was given.
        dry_run: whether --dry-run was given.

    Raises:
        ValueError: if something else was asked for.
    """
    words = [word for word in (table, *overrides) if word not in ("", "all")]
    others = [word for word in words if not word.startswith(OUTPUTS)]
    if listed and others:
        raise ValueError(f"reproduce --list wants nothing but {OUTPUTS}FOLDER beside it, got {others[0]!r}")
    if others:
        raise ValueError(f"reproduce all --dry-run wants nothing but {OUTPUTS}FOLDER beside it, got {others[0]!r}")
    if not listed and not table:
        raise ValueError("reproduce wants a recipe, such as cal/table1, or --list, which shows them all")
    if not listed and not dry_run:
        raise ValueError(
            "reproduce all wants --dry-run, which adds up what every table takes; play tables one by one, such as "
            "calrun reproduce cal/table1"
        )
    return Path(next((word.removeprefix(OUTPUTS) for word in words), "outputs"))


def show(outputs: Path, console: Console | None = None) -> None:
    """Prints the table and its sums."""
    console = console or Console()
    found = entries(outputs)
    say(console, to_text(table_of(found), console.width if console.is_terminal else None, encoding_of(console)))
    say(console, sums(found))


def table_of(found: Sequence[Entry]) -> Table:
    """Returns the lines as a table."""
    return Table(
        title="The printed tables of the five papers",
        name="catalogue",
        groups=[("", 3), ("at most", 3), ("", 1)],
        columns=["recipe", "printed", "numbers", "runs", "gradient samples in M", "GPU hours", "state"],
        rows=[line_of(entry) for entry in found],
        notes=[
            "At most: if no round stops early. GPU hours: one run after the other at the rates measured on "
            f"{REFERENCE}; side by side they take a half to a sixth.",
            f"State, of the numbers that the paper prints: {', '.join(VERDICTS)}.",
        ],
    )


def line_of(entry: Entry) -> list[Cell]:
    cost = entry.cost
    numbers = (
        [Cell(MISSING)] * 3
        if cost is None
        else [
            Cell(f"{cost.runs}", cost.runs),
            Cell(f"{cost.samples / 1e6:,.1f}", cost.samples),
            Cell(f"{cost.gpu_hours:,.1f}", cost.gpu_hours),
        ]
    )
    return [
        *(Cell(entry.recipe), Cell(entry.paper.source), Cell(f"{entry.rows}", entry.rows)),
        *numbers,
        Cell(entry.state),
    ]


def sums(found: Sequence[Entry]) -> str:
    """Returns what all tables take together; a recipe that asks another one's runs takes nothing of its own."""
    own = {experiment_in(entry.recipe): entry.cost for entry in found if entry.cost is not None}
    runs, samples, hours = (
        sum(getattr(cost, name) for cost in own.values()) for name in ("runs", "samples", "gpu_hours")
    )
    return (
        f"all: {len(found)} tables, {sum(entry.rows for entry in found)} numbers, {runs:,} runs, at most "
        f"{samples / 1e6:,.0f} M gradient samples and {hours:,.0f} GPU hours"
    )
