"""`calrun report DIR...`: reads run folders, prints the comparison tables, and writes every table and figure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from calrun.report.draw import plots
from calrun.report.draw.balance import balance_figure
from calrun.report.draw.calibration import calibration_figure
from calrun.report.draw.correlations import correlation_figure
from calrun.report.draw.maps import dynamics_of_lines, map_figure
from calrun.report.draw.panels import Panel, label_of, lines_of, panels
from calrun.report.measure.curves import LINE
from calrun.report.measure.entropy import entropy_correlation
from calrun.report.measure.forgetting import mean_forgetting_matrix
from calrun.report.measure.prices import Prices
from calrun.report.page.html import Part, class_names_of, page
from calrun.report.page.render import to_text
from calrun.report.proxy import proxied
from calrun.report.read.dynamics import recorded_dynamics
from calrun.report.read.full_training import summary_of
from calrun.report.read.runs import Problem, Runs, read
from calrun.report.table.calibration_table import calibration_tables
from calrun.report.table.dynamics_table import dynamics_table
from calrun.report.table.full_row import with_full_training
from calrun.report.table.headline import headline
from calrun.report.table.iou_table import by_iou, iou_tables
from calrun.report.table.overview import budget_figure, overview_figure, overview_points
from calrun.report.table.plain import encoding_of, printable, say
from calrun.report.table.sensitivity import Grid, grid_table, grids, tidy_grids
from calrun.report.table.stopping_table import stopping_tables
from calrun.report.table.tables import RANDOM, Table, comparison, tidy
from calrun.report.table.unknown_table import unknown_table
from calrun.report.table.written import remove_abandoned_parts, write_frame, write_runs, write_table, write_text
from calrun.report.verdict.answers import answer_tables
from calrun.report.verdict.domains import domain_tables, paper_names

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
    stand_ins: Mapping[str, str] | None = None,
    console: Console | None = None,
) -> Report:
    """Prints the comparison tables of all runs at or below `folders` and writes tables, figures and data into `out`.

    Args:
        folders: run folders, or folders that hold them at any depth.
        out: where the files go; made if needed.
        baseline: the method that speed-ups are measured against; without runs of the default there are none.
        prices: of labels and of training, for the overall cost of acquisitions; without them it is not printed.
        stand_ins: the paper's data set that one of these stands for in the tables over several data sets, by its name.
        console: where the tables are printed; standard output by default.

    Raises:
        ValueError: there is nothing to read, or no run of a `baseline` or of a stand-in that was asked for.
    """
    console = console or Console()
    runs = read(folders)
    refuse_unknown(baseline, runs)
    alike = paper_names(runs.table, stand_ins or {})
    entropies, damaged = runs.test_entropies()
    dynamics, unread = recorded_dynamics(runs)
    beside, torn = proxied(runs, dynamics, prices)
    runs = replace(runs, problems=[*runs.problems, *damaged, *unread, *torn])
    parts = [part_of(panel, runs, baseline, entropies, prices) for panel in widest_first(panels(runs.table, runs.full))]
    remove_abandoned_parts(out)
    files = write_numbers(runs, [grid for part in parts for grid in part.grids], out, baseline)
    for part in parts:
        print_part(part, console)
        part.tables.extend([*dynamics_table(part.panel, dynamics), *beside.tables(part.panel)])
        files += [path for table in part.tables for path in write_table(out, table)]
        files += [*write_maps(part.panel, dynamics, out), *beside.write_figures(part.panel, out)]
        files += [*write_figures(part.panel, out, baseline), *write_correlations(part.panel, entropies, out)]
    files += beside.write_times(out)
    across, written = write_overview(runs, out, baseline, alike)
    for table in across:
        print_table(table, console)
    remarks = missing_prices(parts) if prices else []
    files += [*written, write_text(out / "report.html", page(runs, parts, baseline, remarks, across))]
    for remark in remarks:
        say(console, remark, "yellow")
    print_problems(runs.problems, console)
    say(console, f"{len(files)} files in {printable(str(out))}, to begin with {printable(str(files[-1]))}")
    return Report(runs, files)


def refuse_unknown(baseline: str, runs: Runs) -> None:
    """Raises a ValueError if no run has played a baseline that was asked for."""
    methods = sorted(set(runs.table["method"]))
    if baseline not in {"al", *methods}:
        raise ValueError(f"report wants as baseline a method of these runs ({', '.join(methods)}), got {baseline!r}")


def part_of(
    panel: Panel,
    runs: Runs,
    baseline: str,
    entropies: Mapping[tuple[str, int], np.ndarray],
    prices: Prices | None,
) -> Part:
    """Returns what one panel shows."""
    found = list(grids(panel, runs.configurations))
    names = class_names_of(runs).get(str(panel.runs["context"].iloc[0]), ())
    compared = [with_full_training(comparison(panel, baseline), panel), *iou_tables(panel, names)]
    compared += [*unknown_table(panel), *calibration_tables(panel), *stopping_tables(panel)]
    shown = [*compared, *map(grid_table, found)]
    more = list(answer_tables(panel, baseline, entropies, prices))
    against = baseline if panel.rows == "method" else RANDOM
    return Part(panel, headline(panel, against, baseline), [*shown, *more], len(shown), found)


def print_part(part: Part, console: Console) -> None:
    """Prints the sentence and the first tables of one panel."""
    say(console, f"{part.headline}\n")
    for table in part.tables[: part.num_printed]:
        print_table(table, console)


def print_table(table: Table, console: Console) -> None:
    say(console, to_text(table, console.width if console.is_terminal else None, encoding_of(console)))


def missing_prices(parts: Sequence[Part]) -> list[str]:
    """Returns what to say if prices were given but no cost could be worked out."""
    if any(table.name.endswith("-cost") for part in parts for table in part.tables):
        return []
    return [
        "no overall cost: it is that of reaching the last accuracy of random, so it wants runs of acquisition=random "
        "beside those of another acquisition, with the same method, data set, model, budget and seeds"
    ]


def widest_first(found: Iterable[Panel]) -> list[Panel]:
    """Returns the panels that compare most lines first: 26 acquisitions come before 26 pairs of methods."""
    return sorted(found, key=lambda panel: -len(panel.runs[LINE].drop_duplicates()))


def write_numbers(runs: Runs, found: Sequence[Grid], out: Path, baseline: str) -> list[Path]:
    """Writes, unrounded, the rounds of all runs, what the comparisons hold, and the grids if there are any."""
    every = pd.concat([runs.table, runs.full]) if len(runs.full) else runs.table
    files = [*write_runs(out, every), write_frame(out / "comparison.csv", tidy(runs.table, baseline))]
    if len(runs.full):
        files.append(write_frame(out / "full-training.csv", summary_of(runs.full)))
    return files + ([write_frame(out / "sensitivity.csv", tidy_grids(found))] if found else [])


def write_overview(runs: Runs, out: Path, baseline: str, alike: Mapping[str, str]) -> tuple[list[Table], list[Path]]:
    """Writes points, figures and tables over several data sets, models or acquisitions, if there are several.

    Args:
        runs: what was read.
        out: where the files go.
        baseline: the method that the others are measured against.
        alike: the name of the paper's data set for each context.

    Returns:
        The tables, and all files.
    """
    points = overview_points(runs.table, baseline)
    if len(points[["context", "acquisition"]].drop_duplicates()) < 2:
        return [], []
    files = [write_frame(out / "overview.csv", points), *plots.save(overview_figure(points, baseline), out, "overview")]
    by_budget = budget_figure(points, baseline)
    files += plots.save(by_budget, out, "overview-budgets") if by_budget else []
    tables = domain_tables(points, alike, baseline)
    return tables, files + [path for table in tables for path in write_table(out, table)]


def write_figures(panel: Panel, out: Path, baseline: str) -> list[Path]:
    """Writes the figures that the runs of one panel allow."""
    files = plots.save(plots.learning_curves(panel), out, f"{panel.name}-curves")
    if (measured := by_iou(panel)) is not None:
        files += plots.save(plots.learning_curves(measured), out, f"{panel.name}-mean-iou-curves")
    speed_ups = plots.speed_up_figure(panel, baseline)
    if speed_ups:
        files += plots.save(speed_ups, out, f"{panel.name}-speed-up")
    for figure, name in ((balance_figure(panel), "class-balance"), (calibration_figure(panel), "calibration")):
        files += plots.save(figure, out, f"{panel.name}-{name}") if figure else []
    matrices = forgetting_matrices(panel)
    if matrices:
        files += plots.save(plots.forgetting_figure(panel.title, matrices), out, f"{panel.name}-forgetting")
    return files


def write_correlations(panel: Panel, entropies: Mapping[tuple[str, int], np.ndarray], out: Path) -> list[Path]:
    """Writes how test entropies of methods are correlated in each round, as numbers and as a figure."""
    found = entropy_correlation(panel.runs, entropies) if panel.rows == "method" else pd.DataFrame()
    if not len(found):
        return []
    name = f"{panel.name}-entropy-correlation-rounds"
    return [write_frame(out / f"{name}.csv", found), *plots.save(correlation_figure(panel.title, found), out, name)]


def write_maps(panel: Panel, dynamics: Mapping[str, pd.DataFrame], out: Path) -> list[Path]:
    """Writes a data map of each line whose runs recorded their dynamics."""
    lines = dynamics_of_lines(panel, dynamics)
    return plots.save(map_figure(panel.title, lines), out, f"{panel.name}-data-maps") if lines else []


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
    """Prints what was left out or is not as it should be, and how many more such folders there are."""
    for problem in problems[:MOST_PROBLEMS_PRINTED]:
        say(console, f"{printable(str(problem.folder))}: {problem.reason}", "yellow")
    if len(problems) > MOST_PROBLEMS_PRINTED:
        say(console, f"... and {len(problems) - MOST_PROBLEMS_PRINTED} more folders", "yellow")
