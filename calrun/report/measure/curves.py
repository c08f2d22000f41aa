"""Accuracy against labels: means over seeds, and the area under the budget curve.

Every function takes the tidy table of `calrun.report.read.runs` and gives one. A line is what is compared; LINE names
it.
"""

import numpy as np
import pandas as pd

LINE = ["context", "acquisition", "method", "variant"]


def accuracy_by_budget(table: pd.DataFrame, value: str = "accuracy") -> pd.DataFrame:
    """Returns mean, standard deviation (ddof=1) and n of `value` over seeds for each line and number of labels.

    They are the columns of Tables 1-6 of Das et al. 2023, App. A.2. One seed has no deviation: `std` is NaN if n is 1.
    """
    known = table.dropna(subset=[value])
    groups = known.groupby([*LINE, "labelled"], sort=True)
    summary = groups.agg(
        mean=(value, "mean"),
        std=(value, "std"),
        n=(value, "size"),
        labelled_fraction=("labelled_fraction", "first"),
        seeds=("seed", lambda seeds: tuple(sorted(seeds))),
    )
    return summary.reset_index()


def area_under_budget_curve(table: pd.DataFrame, value: str = "accuracy") -> pd.DataFrame:
    """Returns the mean height of each run's curve of `value` over labels (trapezoids), in the range that lines share.

    Areas over different ranges of labels cannot be compared, so within a context every run is cut to the widest range
    that some run of every line covers; a run that ended earlier has no area (NaN) and takes none from the others.
    """
    rows = []
    for context, members in table.dropna(subset=[value]).groupby("context"):
        spans = members.groupby(LINE)["labelled"].agg(["min", "max"])
        low, high = spans["min"].max(), spans["max"].min()
        for keys, run in members.groupby([*LINE, "seed"]):
            area = mean_height(run["labelled"].to_numpy(float), run[value].to_numpy(float), low, high)
            rows.append({**dict(zip([*LINE, "seed"], keys, strict=True)), "context": context, "area": area})
    return pd.DataFrame(rows, columns=[*LINE, "seed", "area"])


def mean_height(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """Returns the mean of the polygon through (x, y) between `low` and `high`; NaN if it does not reach that far."""
    if len(x) < 2 or high <= low or x.min() > low or x.max() < high:
        return float("nan")
    inside = (x > low) & (x < high)
    grid = np.concatenate([[low], x[inside], [high]])
    return float(np.trapezoid(np.interp(grid, x, y), grid) / (high - low))


def last_common_budget(table: pd.DataFrame) -> int:
    """Returns the last of the budgets that most lines reach: with several budget plans, few may reach the very last."""
    counts = table.drop_duplicates([*LINE, "labelled"])["labelled"].value_counts()
    return int(counts[counts == counts.max()].index.max())


def floor_of(y_N: np.ndarray) -> float:
    """Returns where to end an axis: below the upper group if the others lie five times its span away, else -inf."""
    ordered = np.sort(y_N)[::-1]
    for count in range(len(ordered) // 2 + 1, len(ordered)):
        span = ordered[0] - ordered[count - 1]
        if ordered[count - 1] - ordered[count] > 5 * max(span, 0.005 * abs(ordered[0])):
            return float(ordered[count - 1] - 0.6 * max(span, 0.005 * abs(ordered[0])))
    return float("-inf")


def floor_of_curves(summary: pd.DataFrame, runs: pd.DataFrame) -> float:
    """Returns where to end the axis of curves: below all points except those that fall out; -inf if none does.

    What falls out is a whole line whose best lies far below the others' best, or a point far below the others at its
    budget: a curve starts low, so points of different budgets cannot be compared. What stays, stays with all its runs.

    Args:
        summary: means, as `accuracy_by_budget` gives them.
        runs: the runs that they are means of.
    """
    best = summary.groupby(LINE)["mean"].transform("max")
    by_line = floor_of(summary.groupby(LINE)["mean"].max().to_numpy(float))
    by_budget = summary.groupby("labelled")["mean"].transform(lambda means: floor_of(means.to_numpy(float)))
    falls_out = (best < by_line) | (summary["mean"] < by_budget)
    kept = runs.merge(summary.loc[~falls_out, [*LINE, "labelled"]])["accuracy"]
    floor = float(kept.min() - 0.05 * max(kept.max() - kept.min(), 0.01))
    return floor if (summary["mean"] < floor).any() else float("-inf")


def seeds_said(what: str, counts: pd.Series) -> str:
    """Returns a heading such as 'mean ± std, n=2–3 seeds'; with one seed, nothing is a mean."""
    return f"{what}, {seed_range(counts)} seeds" if counts.max() > 1 else "one seed each (n=1)"


def seed_range(counts: pd.Series) -> str:
    return f"n={span(counts)}"


def span(counts: pd.Series) -> str:
    """Returns the least and the most of whole numbers, such as 2–3, or the one there is."""
    least, most = int(counts.min()), int(counts.max())
    return str(most) if least == most else f"{least}–{most}"
