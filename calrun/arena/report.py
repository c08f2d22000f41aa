"""Prints the arena's outcome and writes its files: tables, numbers, the diagram and the page."""

from pathlib import Path

from rich.console import Console

from calrun.arena.arena import Outcome
from calrun.arena.diagram import diagram
from calrun.arena.entrants import BASELINES
from calrun.arena.page import page
from calrun.arena.tables import Standing, answer_table, listed_table, ranking_table, short_answers, standing
from calrun.report.draw import plots
from calrun.report.page.render import to_text
from calrun.report.table.plain import encoding_of, printable, say
from calrun.report.table.tables import Table
from calrun.report.table.written import write_frame, write_table, write_text

CURVES = ["labelled", "curve"]
MOST_FAILURES = 10


def report(outcome: Outcome, out: Path, console: Console | None = None) -> list[Path]:
    """Prints the rankings, and writes everything into `out`; returns the files, the page last."""
    console = console or Console(highlight=False)
    standings = [standing(outcome, budget) for budget in outcome.wish.budgets]
    for now in standings:
        for baseline in BASELINES:
            show(short_answers(outcome, now, baseline), console)
        show(ranking_table(outcome, now), console)
    if outcome.listed:
        show(listed_table(outcome), console)
    for line in faults(outcome)[: MOST_FAILURES + 1]:
        say(console, line, "yellow")
    files = written(outcome, standings, out)
    minutes = outcome.cells["seconds"].sum() / 60
    failed = f", {len(outcome.failures):,} failed" if outcome.failures else ""
    counted = f"{outcome.num_played:,} cells played now{failed}, {len(outcome.cells):,} in the ranking"
    where = f"{len(files)} files in {printable(str(out))}, to begin with {printable(str(files[-1]))}"
    say(console, f"{counted} ({minutes:.1f} minutes of one core); {where}")
    return files


def show(table: Table, console: Console) -> None:
    """Prints a table."""
    say(console, to_text(table, console.width, encoding_of(console)))


def faults(outcome: Outcome) -> list[str]:
    """Returns a line for each acquisition that failed on a data set, and each record that was left out."""
    first = {(each.acquisition, each.name, each.budget): each for each in reversed(outcome.failures)}
    number = {key: sum((each.acquisition, each.name, each.budget) == key for each in outcome.failures) for key in first}
    lines = [
        each.said() + (f" (and {number[key] - 1} more seeds)" if number[key] > 1 else "")
        for key, each in reversed(first.items())
    ]
    return [*map(printable, lines), *map(printable, outcome.remarks)]


def written(outcome: Outcome, standings: list[Standing], out: Path) -> list[Path]:
    """Writes all files."""
    files = [write_frame(out / "cells.csv", outcome.cells.drop(columns=CURVES))]
    tables = []
    for now in standings:
        tables += [ranking_table(outcome, now), *(answer_table(outcome, now, name) for name in BASELINES)]
        for baseline, compared in now.versus.items():
            files.append(write_frame(out / f"versus-{baseline}-{now.budget}.csv", compared))
        files += plots.save(diagram(now), out, f"diagram-{now.budget}")
    for table in tables:
        files += write_table(out, table)
    return [*files, write_text(out / "arena.html", page(outcome, standings, faults(outcome)))]
