"""Grids over hyper-parameters: one or two configuration keys against accuracy (Das et al. 2023, Tables 9 and 10)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from calrun.folder.round_line import is_number
from calrun.report.draw.panels import Panel, outside_brackets
from calrun.report.draw.style import style_of
from calrun.report.measure.curves import seed_range
from calrun.report.page.naming import changes, differing_keys, short_names, source_first
from calrun.report.read.configuration import Configuration
from calrun.report.table.plain import file_name
from calrun.report.table.tables import (
    BOLD,
    Cell,
    Table,
    accuracy_cells,
    budget_heading,
    seed_count,
    shown_budgets,
    with_best_bold,
)

MOST_KEYS = 2
DIGITS = 2  # decimals of an accuracy in percent, as the paper prints them: the differences are small


@dataclass(frozen=True)
class Grid:
    """What the runs of one method in one panel show over one or two configuration keys.

    Args:
        panel: the panel of its runs, which are all of one method and one budget plan.
        context: names the panel and the budget plan.
        method: the method's name.
        keys: dotted keys, the one with fewer values first.
        along: further keys whose values change with those of `keys`, one for one.
        cells: mean, std and n of accuracy for each combination of values and each budget; a column for each key.
    """

    panel: Panel
    context: str
    method: str
    keys: tuple[str, ...]
    along: tuple[str, ...]
    cells: pd.DataFrame

    @property
    def names(self) -> list[str]:
        return short_names(self.keys)

    @property
    def title(self) -> str:
        where = f"{self.context}, {style_of(self.panel.fixed).label}"
        return f"{where}: {style_of(self.method).label} over {' and '.join(self.names)}"

    @property
    def name(self) -> str:
        return file_name(*outside_brackets(self.context), self.panel.fixed, self.method, "over", *self.names)

    @property
    def notes(self) -> list[str]:
        return [f"Changing along: {', '.join(self.along)}."] if self.along else []


def grids(panel: Panel, configurations: Mapping[str, Configuration]) -> Iterator[Grid]:
    """Yields a grid for each method of the panel whose runs differ in one or two numbers and in nothing else."""
    if panel.rows != "method":
        return
    for (context, method), runs in panel.runs.groupby(["context", "method"], sort=False):
        own = [configurations[run_id] for run_id in runs.drop_duplicates("setting")["run_id"]]
        axes = axes_of([configuration.leaves for configuration in own])
        numbers = [[key for key in keys if all(is_number(one.leaves.get(key)) for one in own)] for keys in axes]
        if not 1 <= len(axes) <= MOST_KEYS or not all(numbers):
            continue
        keys = [min(names, key=source_first) for names in numbers]
        keys.sort(key=lambda key: (len({one.leaves[key] for one in own}), key))
        copies = {copy for shown in changes([one.leaves for one in own]).values() for copy in shown}
        along = tuple(sorted({key for names in axes for key in names} - {*keys} - copies))
        cells = sensitivity_grid(runs, configurations, tuple(keys))
        yield Grid(panel, str(context), str(method), tuple(keys), along, cells)


def axes_of(members: list[dict[str, Any]]) -> list[list[str]]:
    """Returns the keys in which `members` differ, grouped by which members they tell apart."""
    axes: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for key in differing_keys(members):
        values = [repr(member.get(key)) for member in members]
        axes[tuple(values.index(value) for value in values)].append(key)
    return list(axes.values())


def sensitivity_grid(
    table: pd.DataFrame, configurations: Mapping[str, Configuration], keys: tuple[str, ...]
) -> pd.DataFrame:
    """Returns mean, std and n of the accuracy at each budget for each combination of the values of `keys`.

    Args:
        table: runs of one line's method; whatever else differs between them would be averaged, so it is refused.
        configurations: of the runs, by run id.
        keys: dotted configuration keys, such as method.alpha.

    Raises:
        ValueError: two runs of one combination and seed differ in something else.
    """
    valued = table.copy()
    for key in keys:
        valued[key] = [configurations[run_id].leaves.get(key) for run_id in valued["run_id"]]
    by = ["context", "method", "acquisition", *keys, "labelled"]
    clash = valued[valued.duplicated([*by, "seed"])]
    if len(clash):
        raise ValueError(
            f"a grid over {', '.join(keys)} wants one run per combination and seed, but {len(clash)} more are there "
            f"(first: {clash['run_id'].tolist()[:5]}); add the other key in which they differ"
        )
    return valued.groupby(by)["accuracy"].agg(mean="mean", std="std", n="size").reset_index()


def grid_table(grid: Grid) -> Table:
    """Returns the table of one grid: for one key, a row per value with the budgets across; for two, a square."""
    return square(grid) if len(grid.keys) == MOST_KEYS else column(grid)


def column(grid: Grid) -> Table:
    """Returns the table of a grid over one key, every budget across (Table 9 is its last column)."""
    (key,) = grid.keys
    budgets = shown_budgets(sorted(grid.cells["labelled"].unique()))
    rows = []
    for value, cells in grid.cells.groupby(key):
        own = cells.set_index("labelled").reindex(budgets)
        rows.append([number(value), seed_count(own["n"]), *accuracy_cells(own, own["n"].max(), DIGITS)])
    return Table(
        title=grid.title,
        name=grid.name,
        groups=[("", 2), ("test accuracy in %", len(budgets))],
        columns=[*grid.names, "n", *(budget_heading(grid.panel.runs, budget) for budget in budgets)],
        rows=with_best_bold(rows, first=2, count=len(budgets), digits=DIGITS),
        notes=[f"Mean ± standard deviation over n seeds; a number without ± is one seed. {BOLD}", *grid.notes],
    )


def square(grid: Grid) -> Table:
    """Returns the table of a grid over two keys at the last budget (Table 10), with the best of all cells in bold."""
    down, across = grid.keys
    cells = grid.cells[grid.cells["labelled"] == grid.cells["labelled"].max()]
    values = sorted(grid.cells[across].unique())
    rows = [
        [number(value), *accuracy_cells(own.set_index(across).reindex(values), cells["n"].max(), DIGITS)]
        for value, own in cells.groupby(down)
    ]
    best = iter(with_best_bold([[cell] for row in rows for cell in row[1:]], first=0, count=1, digits=DIGITS))
    return Table(
        title=grid.title,
        name=grid.name,
        groups=[("", 1), (f"test accuracy in % by {grid.names[1]}", len(values))],
        columns=[grid.names[0], *(f"{value:g}" for value in values)],
        rows=[[row[0], *(next(best)[0] for _ in values)] for row in rows],
        notes=[
            f"At {cells['labelled'].max():,} labels: mean ± standard deviation, {seed_range(cells['n'])} seeds a cell; "
            f"a number without ± is one seed. Bold: the highest of all cells.",
            *grid.notes,
        ],
    )


def number(value: Any) -> Cell:
    return Cell(f"{value:g}", float(value))


def tidy_grids(found: Sequence[Grid]) -> pd.DataFrame:
    """Returns every cell of every grid, unrounded and in %, a row per combination and budget, for CSV."""
    frames = []
    for grid in found:
        cells = grid.cells.assign(mean=100 * grid.cells["mean"], std=100 * grid.cells["std"])
        for place, key in enumerate(grid.keys, start=1):
            cells[f"key_{place}"], cells[f"value_{place}"] = key, cells[key]
        frames.append(cells)
    columns = [f"{name}_{place}" for place in range(1, MOST_KEYS + 1) for name in ("key", "value")]
    return pd.concat(frames).reindex(
        columns=["context", "acquisition", "method", *columns, "labelled", "mean", "std", "n"]
    )
