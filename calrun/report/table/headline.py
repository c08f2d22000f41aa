"""What a reader asks first, in one sentence: which method or acquisition, by how much, and how sure that is."""

import numpy as np
import pandas as pd

from calrun.report.draw.panels import Line, Panel, label_of, of_line
from calrun.report.draw.style import style_of
from calrun.report.measure.cost import mean_speed_up
from calrun.report.measure.curves import LINE, accuracy_by_budget, last_common_budget
from calrun.report.measure.power import detectable
from calrun.report.measure.significance import answer, holm, interval, paired_t_test
from calrun.report.table.tables import ratio_text

ALPHA = 0.05
SURE = {"better": "told apart", "worse": "told apart", "open": "open: not told apart"}


def headline(panel: Panel, against: str, baseline: str) -> str:
    """Returns the sentence on one panel: its best line at the last budget that most lines reach, against another.

    Args:
        panel: the panel whose lines are compared.
        against: the method or acquisition to be better than, paired by seed; if it is the best itself, or is not among
            the lines, the next best takes its place.
        baseline: the method that speed-ups are measured against.
    """
    budget = last_common_budget(panel.runs)
    at_budget = panel.runs[panel.runs["labelled"] == budget]
    means = accuracy_by_budget(at_budget).sort_values("mean", ascending=False)
    lines = [Line(*map(str, keys)) for keys in means[LINE].itertuples(index=False, name=None)]
    if not lines:
        return f"{panel.title}: no network was evaluated at {budget:,} labels."
    best = label_of(lines[0], panel.rows)
    says = f"{panel.title}: at {budget:,} labels {best} has {100 * means['mean'].iloc[0]:.1f} %"
    if len(lines) == 1:
        return f"{says}, {seeds_said(int(means['n'].iloc[0]))}; nothing stands beside it."
    bases = [line for line in lines[1:] if getattr(line, panel.rows) == against and line.context == lines[0].context]
    other = bases[0] if bases and getattr(lines[0], panel.rows) != against else lines[1]
    pairs = differences(at_budget, lines[0], other)
    centre = lines[0] if getattr(lines[0], panel.rows) == against else other
    compared = [line for line in lines if line != centre]  # the first of them belongs to this pair
    comparisons = [paired_t_test(differences(at_budget, line, centre).to_numpy(float)) for line in compared]
    seeds = [int(of_line(means, line)["n"].iloc[0]) for line in (lines[0], other)]
    apart = above(100 * (means["mean"].iloc[0] - float(of_line(means, other)["mean"].iloc[0])))
    said = f"{says}, {apart} {label_of(other, panel.rows)}{speed(panel, lines[0], other, baseline, budget)}"
    return f"{said} ({how_sure(pairs, np.array(comparisons), len(pairs) < max(seeds))})."


def above(points: float) -> str:
    said = f"{points:.1f}"
    return "level with" if float(said) == 0 else f"{said} points above"


def differences(at_budget: pd.DataFrame, line: Line, other: Line) -> "pd.Series[float]":
    """Returns how far `line` is above `other`, by seed; a seed that one of them lacks is left out."""
    own, base = (of_line(at_budget, which).set_index("seed")["accuracy"] for which in (line, other))
    return (own - base).dropna()


def how_sure(pairs: "pd.Series[float]", p_M: np.ndarray, unpaired: bool) -> str:
    """Returns the interval of a mean paired difference, its n, and the test corrected for all comparisons.

    Args:
        pairs: differences by seed.
        p_M: p-values of all comparisons with the same line, that of `pairs` first.
        unpaired: whether there are seeds that only one of the pair has; then the mean of the pairs is said too.
    """
    n = len(pairs)
    if n < 2:
        return f"untested: {n or 'no'} pair{'s' * (n != 1)} of equal seeds; two or more are wanted"
    p = float(holm(p_M)[0])
    if np.isnan(p):
        return f"untested: the {n} differences are all equal"
    low, high = (100 * bound for bound in interval(pairs.to_numpy(float)))
    sure = SURE[answer(pairs.mean(), p, ALPHA)]
    tested = f"p = {p:.2g}" + (f" after Holm's correction over {len(p_M)} comparisons" if len(p_M) > 1 else "")
    mean = f"mean of the seeds that both have {100 * pairs.mean():+.1f}, " if unpaired else ""
    least = 100 * float(pairs.std()) * detectable(n, len(p_M), ALPHA)
    told = f"95 % interval of this pair alone {low:+.1f} to {high:+.1f}, n = {n}"
    return f"{sure}; {mean}{told}, which finds {least:.1f} points with 80 % power, {tested}"


def speed(panel: Panel, best: Line, other: Line, baseline: str, budget: int) -> str:
    """Returns how fast the best line trained against the baseline, or the other line if the baseline is the best."""
    line = other if best.method == baseline else best
    if panel.rows != "method" or line.method == baseline:
        return ""
    ratios = of_line(mean_speed_up(panel.runs, baseline), line)
    times = ratios.loc[ratios["labelled"] == budget, "time"].dropna()
    if times.empty:
        return ""
    said = f"{ratio_text(times.iloc[0])}× the speed of {style_of(baseline).label}"
    return f", which trains at {said}" if line == other else f" at {said}"


def seeds_said(n: int) -> str:
    return "one seed" if n == 1 else f"a mean over {n} seeds"
