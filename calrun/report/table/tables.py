"""The comparison table: rows methods (or acquisitions), columns budgets: accuracy, then speed-up, as Das et al. 2023.

A mean is shown only over two or more seeds, with its deviation (ddof=1); n is in every row, and in each cell that fewer
seeds have reached.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from calrun.report.draw.panels import Line, Panel, label_of, lines_of, of_line
from calrun.report.draw.style import style_of
from calrun.report.measure.cost import COSTS, has_ratios, mean_speed_up
from calrun.report.measure.curves import LINE, accuracy_by_budget, last_common_budget, span
from calrun.report.measure.stopping import num_stopped

MOST_BUDGETS = 6
ENERGY = "cumulative_energy_kwh"
WORK = {"cumulative_epochs": "epochs_mean", "train_accuracy": "train_accuracy_mean"}
MISSING = "–"
BOLD = "Bold: the highest of its column as printed; not by itself a difference."
REFERENCE = "oracle_greedy"  # the acquisition that knows what a label does for a ridge head
RANDOM = "random"  # the acquisition that others are measured against


@dataclass(frozen=True)
class Cell:
    """What is printed, and the number behind it for sorting (NaN where there is none)."""

    text: str
    value: float = float("nan")
    bold: bool = False

    @property
    def is_number(self) -> bool:
        """Tells whether the text is a number that this package has written."""
        return not np.isnan(self.value)


@dataclass(frozen=True)
class Table:
    """A table ready to be rendered: headings over groups of columns, columns, rows of cells, and notes below."""

    title: str
    name: str
    groups: list[tuple[str, int]]
    columns: list[str]
    rows: list[list[Cell]]
    notes: list[str] = field(default_factory=list)

    def mapped(self, change: Callable[[str], str]) -> "Table":
        """Returns the table with every text in it changed."""
        return replace(
            self,
            title=change(self.title),
            groups=[(change(name), count) for name, count in self.groups],
            columns=[change(column) for column in self.columns],
            rows=[[replace(cell, text=change(cell.text)) for cell in row] for row in self.rows],
            notes=[change(note) for note in self.notes],
        )


class ColumnGroup(NamedTuple):
    """Neighbouring columns under one heading, and the cells of a line in them."""

    name: str
    columns: list[str]
    cells: Callable[[Line], list[Cell]]


def comparison(panel: Panel, baseline: str = "al") -> Table:
    """Returns the table of one panel; it has speed-ups if its rows are methods that pair with `baseline`."""
    accuracy = accuracy_by_budget(panel.runs)
    budgets = shown_budgets(sorted(accuracy["labelled"].unique()))
    last = last_common_budget(panel.runs)
    blocks = accuracy_blocks(panel, accuracy, budgets)
    if panel.rows == "method" and has_ratios(panel.runs, baseline):
        blocks += ratio_blocks(panel, accuracy, budgets, baseline)
    blocks += work_blocks(panel, last) + energy_blocks(panel, last)
    rows = [[cell for block in blocks for cell in block.cells(line)] for line, _ in lines_of(accuracy, panel.rows)]
    return Table(
        title=panel.title,
        name=panel.name,
        groups=[(block.name, len(block.columns)) for block in blocks],
        columns=[column for block in blocks for column in block.columns],
        rows=with_best_bold(rows, first=2, count=len(budgets)),
        notes=notes_of(panel, budgets, baseline),
    )


def accuracy_blocks(panel: Panel, accuracy: pd.DataFrame, budgets: list[int]) -> list[ColumnGroup]:
    def own(line: Line) -> pd.DataFrame:
        return of_line(accuracy, line).set_index("labelled").reindex(budgets)

    heads = [budget_heading(panel.runs, budget) for budget in budgets]
    return [
        ColumnGroup("", [panel.rows, "n"], lambda line: [Cell(label_of(line, panel.rows)), seed_count(own(line)["n"])]),
        ColumnGroup(f"test {panel.measure} in %", heads, lambda line: accuracy_cells(own(line), own(line)["n"].max())),
    ]


def ratio_blocks(panel: Panel, accuracy: pd.DataFrame, budgets: list[int], baseline: str) -> list[ColumnGroup]:
    """Returns the speed-ups at the budgets that have any, and the other ratios at the last one that most lines have."""
    ratios = mean_speed_up(panel.runs, baseline)
    versus = f"{style_of(baseline).label} / method"
    known = set(ratios.loc[ratios["time"].notna(), "labelled"])
    timed = [budget for budget in budgets if budget in known]
    paired = ratios[ratios["samples"].notna() | ratios["steps"].notna()]

    def cells(line: Line, name: str, at: list[int]) -> list[Cell]:
        most = float(of_line(accuracy, line)["n"].max())
        own = of_line(ratios, line).set_index("labelled").reindex(at)
        return [ratio_cell(value, n, most) for value, n in own[[name, f"{name}_n"]].itertuples(index=False, name=None)]

    blocks = []
    if timed:
        heads = [f"{budget:,}" for budget in timed]
        blocks.append(ColumnGroup(f"fit time, {versus}", heads, lambda line: cells(line, "time", timed)))
    if len(paired):
        last = last_common_budget(paired)
        names = ["steps", "samples", *(["energy"] if ratios["energy"].notna().any() else [])]
        at_last = ColumnGroup(
            f"at {last:,}, {versus}", names, lambda line: [cell for name in names for cell in cells(line, name, [last])]
        )
        blocks.append(at_last)
    return blocks


def work_blocks(panel: Panel, budget: int) -> list[ColumnGroup]:
    """Returns columns with what training took up to a budget, and how well it fitted; empty if no run says."""
    columns = {"cumulative_epochs": ("epochs", "{:,.0f}", 1), "train_accuracy": ("train accuracy in %", "{:.1f}", 100)}
    at_last = panel.runs[panel.runs["labelled"] == budget]
    known = {name: shown for name, shown in columns.items() if at_last[name].notna().any()}

    def cells(line: Line) -> list[Cell]:
        own = of_line(at_last, line)
        return [number(factor * own[name].astype(float).mean(), form) for name, (_, form, factor) in known.items()]

    heads = [head.replace(" in", "\nin") for head, *_ in known.values()]
    return [ColumnGroup(f"trained by {budget:,}", heads, cells)] if known else []


def energy_blocks(panel: Panel, budget: int) -> list[ColumnGroup]:
    """Returns a column with the energy of training up to a budget in watt-hours; empty if no run recorded it."""
    at_budget = panel.runs[panel.runs["labelled"] == budget]
    if at_budget[ENERGY].isna().all():
        return []
    return [ColumnGroup(f"at {budget:,}", ["energy\nWh"], lambda line: [energy_cell(of_line(at_budget, line)[ENERGY])])]


def shown_budgets(budgets: Sequence[int]) -> list[int]:
    """Returns at most MOST_BUDGETS budgets, evenly spaced back from the last one."""
    step = -(-len(budgets) // MOST_BUDGETS)
    return list(budgets[::-1][::step][::-1])


def budget_heading(runs: pd.DataFrame, budget: int) -> str:
    fractions = runs.loc[runs["labelled"] == budget, "labelled_fraction"].dropna().unique()
    return f"{budget:,}\n{100 * fractions[0]:.3g} %" if len(fractions) == 1 else f"{budget:,}"


def seed_count(counts: pd.Series) -> Cell:
    """Returns how many seeds the cells of a row are means of; a cell without any is a dash and does not count."""
    return Cell(span(counts.dropna()), float(counts.max()))


def accuracy_cells(own: pd.DataFrame, most: float, digits: int = 1) -> list[Cell]:
    """Returns mean ± std in percent, without ± for a single seed; a cell of fewer seeds than `most` says its n."""
    cells = []
    for mean, std, n in zip(own["mean"], own["std"], own["n"], strict=True):
        if np.isnan(mean):
            cells.append(Cell(MISSING))
            continue
        text = f"{100 * mean:.{digits}f}" + (f" ± {100 * std:.{digits}f}" if n > 1 else "")
        cells.append(Cell(text + (f" (n={n:.0f})" if n < most else ""), 100 * mean))
    return cells


def ratio_cell(value: float, n: float, most: float) -> Cell:
    """Returns a mean ratio; a cell of fewer pairs of seeds than the line's `most` seeds says its n."""
    if np.isnan(value):
        return Cell(MISSING)
    return Cell(f"{ratio_text(value)}×" + (f" (n={n:.0f})" if n < most else ""), value)


def ratio_text(value: float, digits: int = 1) -> str:
    """Returns a ratio with some decimals; below 0.1 with two significant digits, so that it never reads as 0.0."""
    return f"{value:.2g}" if 0 < value < 0.1 else f"{value:.{digits}f}"


def percent(mean: float, std: float, n: int) -> Cell:
    """Returns mean ± std in percent, or a single seed's number as it is, with its n."""
    if n == 0:
        return Cell(MISSING)
    return Cell(f"{100 * mean:.1f}" + (f" ± {100 * std:.1f}" if n > 1 else "") + f" (n={n})", 100 * mean)


def number(value: float, form: str) -> Cell:
    """Returns a number in the form of a format string; NaN is a dash."""
    if np.isnan(value):
        return Cell(MISSING)
    return Cell("∞" if np.isinf(value) else form.format(value), float(value))


def energy_cell(kwh_N: pd.Series) -> Cell:
    """Returns the mean in watt-hours; the cell says its n if not every run recorded the energy."""
    n, watt_hours = kwh_N.count(), 1000 * float(kwh_N.mean())
    if n == 0:
        return Cell(MISSING)
    text = f"{watt_hours:,.0f}" if watt_hours >= 1000 else f"{watt_hours:.3g}"
    return Cell(text + (f" (n={n})" if n < len(kwh_N) else ""), watt_hours)


def with_best_bold(rows: list[list[Cell]], first: int, count: int, digits: int = 1) -> list[list[Cell]]:
    """Sets the highest printed number of each of `count` columns in bold, ties too, unless the whole column ties."""
    bold = [list(row) for row in rows]
    for column in range(first, first + count):
        printed = [round(row[column].value, digits) for row in rows]
        known = [value for value in printed if not np.isnan(value)]
        tells = len(set(known)) > 1
        for row, value in zip(bold, printed, strict=True):
            if tells and value == max(known):
                row[column] = replace(row[column], bold=True)
    return bold


def notes_of(panel: Panel, budgets: list[int], baseline: str) -> list[str]:
    notes = ["Accuracy: mean ± standard deviation over n seeds; a number without ± is one seed. " + BOLD]
    if panel.runs["cheats"].str.contains("acquisition").any():
        notes.append("Oracle: the acquisition reads the classes of unlabelled rows; for comparison, not for use.")
    if panel.runs["acquisition"].eq(REFERENCE).any():
        notes.append(f"{REFERENCE}: a reference for a ridge head on fixed features, not a ceiling: greedy is no bound.")
    if (initial := panel.runs.loc[panel.runs["cheats"].str.contains("initial"), "run_id"].nunique()) > 0:
        runs = f"{initial} of {panel.runs['run_id'].nunique()} runs"
        notes.append(f"Initial rows of {runs}: chosen by their classes, which nobody had bought then.")
    if panel.rows == "method":
        notes.append(ratio_note(panel, baseline))
    if panel.runs.loc[panel.runs["labelled"] == budgets[-1], ENERGY].notna().any():
        notes.append("Energy: of training, cumulative, as codecarbon measures or estimates it; mean over n seeds.")
    if stopped := num_stopped(panel.runs):
        notes.append(
            f"A rule (stop_al) stopped {stopped} of {panel.runs['run_id'].nunique()} runs before their budget."
        )
    return [*notes, *unshown(panel.runs, budgets)]


def unshown(runs: pd.DataFrame, budgets: list[int]) -> list[str]:
    """Returns which budgets have no column, and why: a round that was not evaluated is in no table and no CSV."""
    evaluated = set(runs.dropna(subset=["accuracy"])["labelled"])
    left_out, others = evaluated - set(budgets), set(runs["labelled"]) - evaluated
    wide, never = (", ".join(f"{budget:,}" for budget in sorted(found)) for found in (left_out, others))
    notes = [f"Left out for width: {wide} labels; the CSV has all that were evaluated."] if wide else []
    return [*notes, f"Not evaluated: {never} labels."] if never else notes


def ratio_note(panel: Panel, baseline: str) -> str:
    """Returns what the ratios are, or why there are none."""
    label, base = style_of(baseline).label, panel.runs[panel.runs["method"] == baseline]
    if has_ratios(panel.runs, baseline):
        return (
            f"Ratios: cumulative cost of {label} over the method's, mean over the seeds both have: time of training "
            "alone, optimizer steps, samples with gradient. A round 1 that both train alike has no ratio."
        )
    if base.empty:
        return f"No speed-ups: no run of {baseline!r} is among these."
    if len(base) == len(panel.runs):
        return f"No speed-ups: {label} stands alone."
    if base.drop_duplicates(["context", "variant"])["context"].duplicated().any():
        return f"No speed-ups: several settings of {label} leave open which of them to compare with."
    return f"No speed-ups: no other method has a seed and a later round in common with {label}."


def tidy(table: pd.DataFrame, baseline: str = "al") -> pd.DataFrame:
    """Returns all that the comparison tables hold, unrounded, accuracies in %, a row per line and budget, for CSV."""
    by = [*LINE, "labelled"]
    table = table.assign(accuracy=100 * table["accuracy"], train_accuracy=100 * table["train_accuracy"].astype(float))
    accuracy = accuracy_by_budget(table).drop(columns="seeds")
    energy = accuracy_by_budget(table, ENERGY)[[*by, "mean", "n"]].rename(
        columns={"mean": "energy_kwh_mean", "n": "energy_kwh_n"}
    )
    work = table[[*by, *WORK]].astype(dict.fromkeys(WORK, float)).groupby(by)[[*WORK]].mean().rename(columns=WORK)
    ratios = mean_speed_up(table, baseline).rename(columns={name: f"{name}_ratio" for name in COSTS})
    return (
        accuracy.rename(columns={"mean": "accuracy_mean", "std": "accuracy_std"})
        .merge(ratios, on=by, how="left")
        .merge(energy, on=by, how="left")
        .merge(work.reset_index(), on=by, how="left")
    )
