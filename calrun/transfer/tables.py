"""The matrix as tables, and what it says in sentences."""

from collections.abc import Iterator, Sequence

import numpy as np

from calrun.report.measure.curves import seed_range
from calrun.report.table.tables import MISSING, Cell, Table, number, shown_budgets
from calrun.transfer.matrix import CHANCE, OWN, Difference, Matrix, height

AGAINST = {OWN: "its own picks", CHANCE: "random picks"}
MEAN = "mean"
POINT = 100.0  # percentage points in a difference of accuracies


def matrix_table(matrix: Matrix) -> Table:
    """Returns the mean accuracy over the budgets by whose picks and who trains."""
    rows = []
    for picks in matrix.picks:
        cells = [_cell(matrix, picks, trainer) for trainer in matrix.trainers]
        rows.append([Cell(picks), *cells])
    counts = matrix.table.groupby(["picks", "trainer"])["seed"].nunique()
    return Table(
        title=f"whose picks, and who trains on them ({seed_range(counts)})",
        name="transfer",
        groups=[("", 1), ("trained by", len(matrix.trainers))],
        columns=["picks", *matrix.trainers],
        rows=rows,
        notes=[
            f"Accuracy in %, mean over {matrix.sizes[0]:,} to {matrix.sizes[-1]:,} labels (area under the curve over a "
            "linear axis), ± standard deviation over seeds; own: the run that chose the rows; a dash: not played, or "
            "not evaluated in every round."
        ],
    )


def _cell(matrix: Matrix, picks: str, trainer: str) -> Cell:
    areas = np.array([height(matrix.sizes, row) for row in matrix.curves(picks, trainer).to_numpy(float)])
    areas = areas[~np.isnan(areas)]
    if not len(areas):
        return Cell(MISSING)
    spread = f" ± {POINT * areas.std(ddof=1):.1f}" if len(areas) > 1 else ""
    own = " own" if trainer in matrix.own[picks] else ""
    return Cell(f"{POINT * areas.mean():.1f}{spread}{own}", POINT * float(areas.mean()))


def difference_table(matrix: Matrix, against: str, found: Sequence[Difference]) -> Table:
    """Returns the differences, budget by budget, with what could have been told apart."""
    budgets = shown_budgets(matrix.sizes)
    heads = [f"{budget:,}" for budget in budgets]
    at = [matrix.sizes.index(budget) for budget in budgets]
    return Table(
        title=f"accuracy minus that with {AGAINST[against]}, in points",
        name=f"transfer-{against}",
        groups=[("", 3), ("labels", len(heads)), ("mean over the budgets", 6)],
        columns=["picks", "trained by", "against", *heads, MEAN, "95 %", "n", "could tell", "p", "verdict"],
        rows=[_row(one, at) for one in found],
        notes=[
            "Paired by seed. p: t-test on the means over the budgets, two-sided, after Holm's correction over "
            f"{len(found)} comparison{'s' if len(found) != 1 else ''}. Could tell: the true difference that n pairs "
            "find in 80 % of all cases at Holm's first step; open: not told apart, which is no sign of equality."
        ],
    )


def _row(one: Difference, at: Sequence[int]) -> list[Cell]:
    low, high = one.bounds
    by_budget = [number(POINT * value, "{:+.1f}") for value in one.by_budget[[*at]]]
    bounds = Cell(MISSING) if np.isnan(low) else Cell(f"{POINT * low:+.1f} to {POINT * high:+.1f}")
    return [
        *(Cell(one.picks), Cell(one.trainer), Cell(one.against)),
        *by_budget,
        number(POINT * one.mean, "{:+.1f}"),
        bounds,
        Cell(str(len(one.areas)), len(one.areas)),
        Cell(_told_from(one), POINT * one.detectable),
        number(one.p, "{:.2g}"),
        Cell(one.verdict),
    ]


def sentences(against: str, found: Sequence[Difference]) -> Iterator[str]:
    """Yields what each difference says."""
    for one in found:
        yield f"{one.trainer} on the picks of {one.picks}: {_moved(one.mean)} {AGAINST[against]} ({_how_sure(one)})"


def _moved(mean: float) -> str:
    points = f"{POINT * abs(mean):.1f}"
    return "level with" if float(points) == 0 else f"{points} points {'above' if mean > 0 else 'below'}"


def _told_from(one: Difference) -> str:
    if np.isnan(one.detectable):
        return MISSING
    return f"{POINT * one.detectable:.1f}" if one.detectable < 1 else "over 100"


def _how_sure(one: Difference) -> str:
    pairs = f"n = {len(one.areas)}"
    if np.isnan(one.p):
        return f"untested, {pairs}: runs of more seeds tell"
    low, high = (POINT * bound for bound in one.bounds)
    told = "open: not told apart" if one.verdict == "open" else one.verdict
    bounds = f"95 % of this comparison alone {low:+.1f} to {high:+.1f}"
    return f"{told}; {bounds}, {pairs}; {_told_from(one)} points would have been told apart"
