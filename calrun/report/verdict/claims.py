"""The claims of Das et al. 2023, and whether the numbers at hand bear them out or leave them open."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calrun.report.draw.style import style_of
from calrun.report.table.tables import ratio_text

BASELINE = "al"
WARM = "al_ws"
DISTILLING = ("cal_der", "cal_sd", "cal_sds2")
TIMES_CHANCE, ABOVE_MAJORITY = 2, 0.05  # accuracy that AL must reach before matching it says anything


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, and whether the numbers at hand bear it out."""

    text: str
    answer: str
    because: str


def claims(cells: pd.DataFrame, least: float = 0.0) -> list[Claim]:
    """Returns the claims of Das et al. 2023 (Sec. 5) on one table.

    `cells` holds method, budget (in order), mean, std, speed_up, and n if it is known. A method matches AL if its mean
    is not below AL's by more than AL's standard deviation, and is faster if its speed-up is above 1. Runs of one seed
    have no deviation: they leave the claims open, and so does AL below `least`, an accuracy as a fraction.
    """
    by_method = {str(method): own.reset_index(drop=True) for method, own in cells.groupby("method", sort=False)}
    base = by_method.get(BASELINE)
    tested = {name: own for name, own in by_method.items() if name.startswith("cal_")}
    if base is None or base["mean"].isna().any() or not any(own["speed_up"].notna().any() for own in tested.values()):
        return []  # nothing to compare with, or no speed-ups (Tables 11-16 print none)
    held = {name: holds(own, base) for name, own in tested.items()}
    whole = (base, *tested.values())
    last = {name: own.tail(1) for name, own in by_method.items()}
    distilling = (last[name] for name in (BASELINE, *DISTILLING) if name in last)
    warm = (last[name] for name in (BASELINE, WARM, *tested) if name in last)
    return [
        undecided(every_budget_claim(cells["budget"].unique(), held), whole, least),
        undecided(one_method_claim(tested, held), whole, least),
        undecided(distilling_claim(tested, base), tuple(distilling), least),
        undecided(warm_start_claim(tested, by_method.get(WARM)), tuple(warm), least),
    ]


def undecided(claim: Claim, rests_on: tuple[pd.DataFrame, ...], least: float) -> Claim:
    """Returns the claim, but open, with the reason, if the numbers that it rests on say nothing.

    Args:
        claim: as answered by the numbers alone.
        rests_on: the cells of AL, and then those of the methods, at the budgets that the claim is about.
        least: accuracy of AL, as a fraction, below which nothing is learnt from matching it.
    """
    base = rests_on[0]
    weak = base[base["mean"] < 100 * least]
    if len(weak):
        low = ", ".join(f"{mean:.1f} % at {budget}" for mean, budget in zip(weak["mean"], weak["budget"], strict=True))
        return replace(claim, answer="open", because=f"AL has {low}; it says something from {100 * least:.1f} % on")
    lone = [str(own["method"].iloc[0]) for own in rests_on if "n" in own and (own["n"] == 1).any()]
    if lone:
        return replace(claim, answer="open", because=f"one seed of {labels(lone)}: no deviation to match within")
    return claim


def least_accuracy(table: pd.DataFrame) -> float:
    """Returns twice chance, or the majority class's share plus five points if that is more, for runs of one data set.

    The share is that among the rows of round 1, over all seeds. The result is 0 if no run recorded classes.
    """
    first = table[(table["round"] == 1) & table["class_counts"].notna()].drop_duplicates("seed")
    counts = [np.asarray(counts, float) for counts in first["class_counts"]]
    if not counts or len({len(counts_C) for counts_C in counts}) > 1:
        return 0.0
    counts_C = np.sum(counts, axis=0)
    return float(max(TIMES_CHANCE / len(counts_C), counts_C.max() / counts_C.sum() + ABOVE_MAJORITY))


def holds(own: pd.DataFrame, base: pd.DataFrame) -> np.ndarray:
    """Returns for each budget whether the method matches AL and is faster; false for a budget that was not run."""
    return (matches(own, base) & (own["speed_up"] > 1)).to_numpy(bool)


def matches(own: pd.DataFrame, base: pd.DataFrame) -> "pd.Series[bool]":
    slack = base["std"].fillna(0.0)
    return own["mean"] >= base["mean"] - slack - 1e-9


def every_budget_claim(budgets: Iterable[str], held: dict[str, np.ndarray]) -> Claim:
    any_T = np.any(list(held.values()), axis=0)
    lacking = [str(budget) for budget, yes in zip(budgets, any_T, strict=True) if not yes]
    return Claim(
        "at every budget some CAL method matches AL and is faster",
        yes_no(not lacking),
        f"not at {', '.join(lacking)}" if lacking else f"at all {len(any_T)} budgets",
    )


def one_method_claim(tested: dict[str, pd.DataFrame], held: dict[str, np.ndarray]) -> Claim:
    always = [name for name, held_T in held.items() if held_T.all()]
    always.sort(key=lambda name: -tested[name]["speed_up"].iloc[-1])
    best = max(held, key=lambda name: int(held[name].sum()))
    shown = [
        f"{style_of(name).label} ({ratio_text(tested[name]['speed_up'].iloc[-1])}x at the last)" for name in always
    ]
    otherwise = f"most by {style_of(best).label}: {int(held[best].sum())} of {len(held[best])} budgets"
    return Claim(
        "one CAL method matches AL and is faster at every budget", yes_no(bool(always)), ", ".join(shown) or otherwise
    )


def distilling_claim(tested: dict[str, pd.DataFrame], base: pd.DataFrame) -> Claim:
    text = "the distilling methods (CAL-DER, CAL-SD, CAL-SDS2) match AL at the last budget"
    present = [name for name in DISTILLING if name in tested and not np.isnan(tested[name]["mean"].iloc[-1])]
    lacking = [name for name in present if not bool(matches(tested[name], base).iloc[-1])]
    if lacking or not present:
        return Claim(text, "no" if lacking else "open", f"not {labels(lacking)}" if lacking else "not run")
    if len(present) == len(DISTILLING):
        return Claim(text, "yes", "all three do")
    return Claim(text, "open", f"{labels(present)} {'does' if len(present) == 1 else 'do'}; the others were not run")


def warm_start_claim(tested: dict[str, pd.DataFrame], warm: pd.DataFrame | None) -> Claim:
    text = "warm starting alone speeds up less than every CAL method at the last budget"
    ratios = {name: own["speed_up"].iloc[-1] for name, own in tested.items() if not np.isnan(own["speed_up"].iloc[-1])}
    if warm is None or not ratios or np.isnan(warm["speed_up"].iloc[-1]):
        return Claim(text, "open", "not run")
    slowest = min(ratios, key=lambda name: float(ratios[name]))
    own = warm["speed_up"].iloc[-1]
    said = f"{ratio_text(own)}x against {ratio_text(ratios[slowest])}x of {style_of(slowest).label}"
    return Claim(text, yes_no(own < ratios[slowest]), said)


def labels(names: Iterable[str]) -> str:
    return ", ".join(style_of(name).label for name in names)


def yes_no(holds_true: bool) -> str:
    return "yes" if holds_true else "no"
