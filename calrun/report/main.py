"""`calrun report DIR...`: reads run folders, prints the comparison tables, and writes every table and figure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from calrun.report import plots
from calrun.report.answers import answer_tables
from calrun.report.curves import LINE
from calrun.report.forgetting import mean_forgetting_matrix
from calrun.report.html import page
from calrun.report.overview import budget_figure, overview_figure, overview_points
from calrun.report.panels import Panel, label_of, lines_of, panels
from calrun.report.prices import Prices
from calrun.report.render import to_csv, to_latex, to_markdown, to_text
from calrun.report.runs import Problem, Runs, read
from calrun.report.sensitivity import Grid, grid_table, grids, tidy_grids
from calrun.report.tables import Table, comparison, tidy

MOST_PROBLEMS_PRINTED = 10


@dataclass(frozen=True)
class Report:
    """What was read and what was written."""

    runs: Runs
    files: list[Path]


def report(
    folders: Sequence[Path],
    out: Path,
    baseline: str = "al",
    prices: Prices | None = None,
    console: Console | None = None,
) -> Report:
    """Prints the comparison tables of all runs at or below `folders` and writes tables, figures and data into `out`.

    Args:
        folders: run folders, or folders that hold them at any depth.
        out: where the files go; made if needed.
        baseline: the method over which speed-ups are taken; without runs of the default there are none.
        prices: of labels and of training, for the overall cost of acquisitions; without them it is not printed.
        console: where the tables are printed; standard output by default.

    Raises:
        ValueError: there is nothing to read, or no run of a `baseline` that was asked for.
    """
    console = console or Console()
    runs = read(folders)
    methods = sorted(set(runs.table["method"]))
    if baseline not in {"al", *methods}:
        raise ValueError(f"report wants as baseline a method of these runs ({', '.join(methods)}), got {baseline!r}")
    found = widest_first(panels(runs.table))
    over_keys = [list(grids(panel, runs.configurations)) for panel in found]
    files = write_numbers(runs, [grid for own in over_keys for grid in own], out, baseline)
    entropies = runs.test_entropies()
    tables = []
    for panel, own in zip(found, over_keys, strict=True):
        shown = [comparison(panel, baseline), *map(grid_table, own)]
        for table in shown:
            console.print(to_text(table, console.width if console.is_terminal else None), soft_wrap=True)
        tables.append([*shown, *answer_tables(panel, baseline, entropies, prices)])
        files += [path for table in tables[-1] for path in write_table(table, out)]
        files += write_figures(panel, out, baseline)
    files += write_overview(runs, out, baseline)
    files.append(out / "report.html")
    files[-1].write_text(page(runs, found, tables, baseline), encoding="utf-8")
    print_problems(runs.problems, console)
    console.print(f"{len(files)} files in {out}, to begin with {files[-1]}", highlight=False, soft_wrap=True)
    return Report(runs, files)


def widest_first(found: Iterable[Panel]) -> list[Panel]:
    """Returns the panels with those first that compare most lines: 26 acquisitions stand before 26 pairs of methods."""
    return sorted(found, key=lambda panel: -len(panel.runs[LINE].drop_duplicates()))


def write_table(table: Table, out: Path) -> list[Path]:
    """Writes what is printed as Markdown, LaTeX and CSV."""
    files = []
    for suffix, render in (("md", to_markdown), ("tex", to_latex), ("csv", to_csv)):
        files.append(out / f"{table.name}.{suffix}")
        files[-1].write_text(render(table), encoding="utf-8")
    return files


def write_numbers(runs: Runs, found: Sequence[Grid], out: Path, baseline: str) -> list[Path]:
    """Writes unrounded the rounds of all runs, what the comparisons hold, and the grids if there are any."""
    files = [*runs.export(out), out / "comparison.csv"]
    tidy(runs.table, baseline).to_csv(files[-1], index=False)
    if found:
        files.append(out / "sensitivity.csv")
        tidy_grids(found).to_csv(files[-1], index=False)
    return files


def write_overview(runs: Runs, out: Path, baseline: str) -> list[Path]:
    """Writes the points and the figures over several data sets, models or acquisitions, if there are several."""
    points = overview_points(runs.table, baseline)
    if len(points[["context", "acquisition"]].drop_duplicates()) < 2:
        return []
    csv = out / "overview.csv"
    points.to_csv(csv, index=False)
    files = [csv, *plots.save(overview_figure(points, baseline), out, "overview")]
    by_budget = budget_figure(points, baseline)
    return files + (plots.save(by_budget, out, "overview-budgets") if by_budget else [])


def write_figures(panel: Panel, out: Path, baseline: str) -> list[Path]:
    """Writes the figures that the runs of one panel allow."""
    files = plots.save(plots.learning_curves(panel), out, f"{panel.name}-curves")
    if panel.rows == "method" and baseline in set(panel.runs["method"]):
        files += plots.save(plots.speed_up_figure(panel, baseline), out, f"{panel.name}-speed-up")
    matrices = forgetting_matrices(panel)
    if matrices:
        files += plots.save(plots.forgetting_figure(panel.title, matrices), out, f"{panel.name}-forgetting")
    return files


def forgetting_matrices(panel: Panel) -> list[tuple[str, np.ndarray]]:
    """Returns (name with n, mean matrix) for each line of the panel whose runs recorded accuracy by round."""
    if panel.rows != "method" or panel.runs["accuracy_by_round"].isna().all():
        return []
    found = []
    for line, members in lines_of(panel.runs, "method"):
        accuracy_TT, n = mean_forgetting_matrix(members)
        if n:
            found.append((f"{label_of(line, 'method')} (n={n})", accuracy_TT))
    return found


def print_problems(problems: list[Problem], console: Console) -> None:
    """Prints what was left out or is not finished, and how much more there is of it."""
    for problem in problems[:MOST_PROBLEMS_PRINTED]:
        console.print(f"{problem.folder}: {problem.reason}", style="yellow", highlight=False, soft_wrap=True)
    if len(problems) > MOST_PROBLEMS_PRINTED:
        console.print(f"... and {len(problems) - MOST_PROBLEMS_PRINTED} more folders", style="yellow", highlight=False)
