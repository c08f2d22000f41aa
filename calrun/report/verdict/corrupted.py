"""The claims of Das et al. 2023 about corrupted test sets (Sec. 5.3.1, App. A.3), answered from the numbers at hand."""

from dataclasses import replace

import numpy as np
import pandas as pd

from calrun.report.draw.style import style_of
from calrun.report.verdict.claims import BASELINE, Claim, labels, matches, undecided, yes_no

BEST, OTHER = "cal_sds2", "cal_der"
MOST_NAMED = 5


def corruption_claims(cells: pd.DataFrame, least: float = 0.0) -> list[Claim]:
    """Returns the claims on accuracies by corruption (Table 7, Figure 5).

    `cells` holds method, test_set, mean, std, and n if it is known. Averages are over the corruptions that all methods
    have. Runs of one seed leave the claims open, and so does AL below `least`, an accuracy as a fraction, on average.
    """
    known = cells.dropna(subset=["mean"])
    by_method = {str(method): own.set_index("test_set") for method, own in known.groupby("method", sort=False)}
    base = by_method.get(BASELINE)
    tested = {name: own for name, own in by_method.items() if name.startswith("cal_")}
    if base is None or not tested:
        return []
    shared = [name for name in base.index if all(name in own.index for own in by_method.values())]
    average = {name: averaged(own.loc[shared]) for name, own in by_method.items()}
    whole = tuple(average[name] for name in (BASELINE, *tested))
    pair = tuple(average[name] for name in (BASELINE, BEST, OTHER) if name in average)
    return [
        undecided(within_deviation_claim(tested, base), whole, least),
        undecided(highest_claim({name: float(own["mean"].iloc[0]) for name, own in average.items()}), whole, least),
        undecided(better_claim(average), pair, least),
    ]


def averaged(own: pd.DataFrame) -> pd.DataFrame:
    """Returns one cell: the mean over the corruptions."""
    n = own["n"].min() if "n" in own else np.nan
    return pd.DataFrame({"method": [own["method"].iloc[0]], "budget": "average", "mean": own["mean"].mean(), "n": n})


def within_deviation_claim(tested: dict[str, pd.DataFrame], base: pd.DataFrame) -> Claim:
    text = "on no corruption is a CAL method below AL by more than AL's standard deviation"
    below, count = [], 0
    for name, own in tested.items():
        shared = [corruption for corruption in base.index if corruption in own.index]
        held = matches(own.loc[shared], base.loc[shared]).to_numpy(bool)
        count += len(held)
        below += [f"{labels([name])} on {corruption}" for corruption, yes in zip(shared, held, strict=True) if not yes]
    first = ", ".join(below[:MOST_NAMED]) + (", ..." if len(below) > MOST_NAMED else "")
    because = f"{len(below)} of {count} cells are: {first}" if below else f"none of {count} cells is"
    return Claim(text, yes_no(not below), because)


def highest_claim(mean_of: dict[str, float]) -> Claim:
    text = f"{style_of(BEST).label} is the most accurate method on average over the corruptions"
    if BEST not in mean_of:
        return Claim(text, "open", "not run")
    first, second = sorted(mean_of, key=lambda name: -mean_of[name])[:2]
    because = f"{labels([first])} {mean_of[first]:.2f}, then {labels([second])} {mean_of[second]:.2f}"
    return Claim(text, yes_no(first == BEST), because)


def better_claim(average: dict[str, pd.DataFrame]) -> Claim:
    text = f"{style_of(BEST).label} is more accurate than {style_of(OTHER).label} on average over the corruptions"
    if BEST not in average or OTHER not in average:
        return Claim(text, "open", "not run")
    best, other = (float(average[name]["mean"].iloc[0]) for name in (BEST, OTHER))
    return Claim(text, yes_no(best > other), f"{best:.2f} against {other:.2f}")


def difference_claims(cells: pd.DataFrame, least: float = 0.0) -> list[Claim]:
    """Returns for each method whether it is above AL on average over the corruptions, and which is the highest.

    It is open if there is one seed, if the difference is not larger than its standard deviation over seeds, or if AL
    has learnt nothing.

    Args:
        cells: method, mean and std in points, and if they are known n, and al_accuracy in percent.
        least: accuracy of AL, as a fraction, below which a difference from it says nothing.
    """
    known = cells.dropna(subset=["mean"])
    if known.empty:
        return []
    weak = known["al_accuracy"].min() if "al_accuracy" in known else np.nan
    claims = [
        above_claim(str(row["method"]), float(row["mean"]), float(row["std"]), float(row.get("n", np.nan)))
        for row in known.to_dict("records")
    ]
    mean_of = {str(method): float(mean) for method, mean in zip(known["method"], known["mean"], strict=True)}
    highest = highest_claim({**mean_of, BASELINE: 0.0})
    lone = known.loc[known.get("n", pd.Series(np.nan, known.index)) == 1, "method"]
    found = [*claims, replace(highest, answer="open", because=f"one seed of {labels(lone)}") if len(lone) else highest]
    if weak < 100 * least:
        because = f"AL has {weak:.1f} %; it says something from {100 * least:.1f} % on"
        return [replace(claim, answer="open", because=because) for claim in found]
    return found


def above_claim(method: str, mean: float, std: float, n: float) -> Claim:
    text = f"{style_of(method).label} is more accurate than AL on average over the corruptions"
    said = f"{mean:+.2f}" + ("" if np.isnan(std) else f" ± {std:.2f}") + " points"
    if n == 1:
        return Claim(text, "open", f"{said}, of one seed")
    if abs(mean) <= std:
        return Claim(text, "open", f"{said}, no more than the deviation over seeds")
    return Claim(text, yes_no(mean > 0), said)
