"""How close we came: ours beside the paper's, cell by cell, and the paper's claims one by one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from calrun.report.printed import PaperTable
from calrun.report.style import look_of, place_of
from calrun.report.tables import MISSING, Cell, Table, tidy

BASELINE = "al"
WITHIN_STD, WITHIN_POINT, OFF, NOT_RUN = "within std", "within 1 point", "off", "not run"
DISTILLING = ("cal_der", "cal_sd", "cal_sds2")
LABEL_TOLERANCE = 0.02


class PaperCell(NamedTuple):
    """What names a printed cell."""

    method: str
    variant: str
    labelled: float


def verdicts(table: pd.DataFrame, paper: PaperTable, scale: float = 1.0) -> pd.DataFrame:
    """Returns the paper's cells with ours beside them.

    Further columns: ours, ours_std (percent), n, ours_speed_up, difference (points, at the paper's precision),
    ours_to_al and paper_to_al (points above AL), verdict: within std (the paper's), within 1 point, off, or not run. A
    budget is the same if its labels times `scale` are ours to within 2 %.
    """
    ours = tidy(table, BASELINE)
    ours = ours[ours["acquisition"] == paper.acquisition]
    ours = ours.assign(key=[variant_key(str(variant)) for variant in ours["variant"]])
    found = [
        match(ours, cell.method, variant_key(cell.variant), cell.labelled * scale) for cell in rows_of(paper.cells)
    ]
    result = pd.concat([paper.cells.reset_index(drop=True), pd.DataFrame(found)], axis=1)
    result["difference"] = (result["ours"] - result["mean"]).round(1)
    base = result[result["method"] == BASELINE].drop_duplicates("budget").set_index("budget")
    result["ours_to_al"] = result["ours"] - result["budget"].map(base["ours"])
    result["paper_to_al"] = result["mean"] - result["budget"].map(base["mean"])
    result["verdict"] = [
        verdict(difference, std) for difference, std in zip(result["difference"], result["std"], strict=True)
    ]
    return result


def rows_of(cells: pd.DataFrame) -> Iterable[PaperCell]:
    for method, variant, labelled in cells[["method", "variant", "labelled"]].itertuples(index=False, name=None):
        yield PaperCell(str(method), str(variant), float(labelled))


def match(ours: pd.DataFrame, method: str, key: str, labelled: float) -> dict[str, float]:
    """Returns our numbers for one printed cell; NaN where there are none, or several settings leave open which."""
    same = ours[(ours["method"] == method) & (ours["key"].map(lambda own: not key or own == key))]
    near = same[(same["labelled"] - labelled).abs() <= max(1.0, LABEL_TOLERANCE * labelled)]
    if len(near) != 1:
        return {"ours": np.nan, "ours_std": np.nan, "n": 0, "ours_speed_up": np.nan}
    row = near.iloc[0]
    return {
        "ours": 100 * row["accuracy_mean"],
        "ours_std": 100 * row["accuracy_std"],
        "n": int(row["n"]),
        "ours_speed_up": row["time_ratio"],
    }


def variant_key(variant: str) -> str:
    """Returns the settings in a variant such as 'sigma=1, weight=0.1', numbers written one way."""
    pairs = [part.split("=", 1) for part in variant.split(", ") if "=" in part]
    return ", ".join(sorted(f"{name}={number_text(value)}" for name, value in pairs))


def number_text(value: str) -> str:
    try:
        return f"{float(value):g}"
    except ValueError:
        return value


def verdict(difference: float, std: float) -> str:
    """Returns the verdict on one cell: the difference and the paper's std are both rounded to its one digit."""
    if np.isnan(difference):
        return NOT_RUN
    if abs(difference) <= std + 1e-9:
        return WITHIN_STD
    return WITHIN_POINT if abs(difference) <= 1 + 1e-9 else OFF


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, and whether the numbers at hand bear it out."""

    text: str
    answer: str
    because: str


def claims(cells: pd.DataFrame) -> list[Claim]:
    """Returns the claims of Das et al. 2023 (Sec. 5) on one table.

    `cells` holds method, budget (in order), mean, std, speed_up. A method matches AL where its mean is not below AL's
    by more than AL's standard deviation (0 for one seed), and is faster where its speed-up is above 1.
    """
    by_method = {str(method): own.reset_index(drop=True) for method, own in cells.groupby("method", sort=False)}
    base = by_method.get(BASELINE)
    tested = {name: own for name, own in by_method.items() if name.startswith("cal_")}
    if base is None or base["mean"].isna().any() or not any(own["speed_up"].notna().any() for own in tested.values()):
        return []  # nothing to compare with, or no speed-ups (Tables 11-16 print none)
    held = {name: holds(own, base) for name, own in tested.items()}
    return [
        every_budget_claim(cells["budget"].unique(), held),
        one_method_claim(tested, held),
        distilling_claim(tested, base),
        warm_start_claim(tested, by_method.get("al_ws")),
    ]


def holds(own: pd.DataFrame, base: pd.DataFrame) -> np.ndarray:
    """Returns for each budget whether the method matches AL and is faster; what was not run does not hold."""
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
    shown = [f"{look_of(name).label} ({tested[name]['speed_up'].iloc[-1]:.1f}x at the last)" for name in always]
    otherwise = f"most by {look_of(best).label}: {int(held[best].sum())} of {len(held[best])} budgets"
    return Claim(
        "one CAL method matches AL and is faster at every budget", yes_no(bool(always)), ", ".join(shown) or otherwise
    )


def distilling_claim(tested: dict[str, pd.DataFrame], base: pd.DataFrame) -> Claim:
    text = "the distilling methods (CAL-DER, CAL-SD, CAL-SDS2) match AL at the last budget"
    present = [name for name in DISTILLING if name in tested and not np.isnan(tested[name]["mean"].iloc[-1])]
    lacking = [name for name in present if not bool(matches(tested[name], base).iloc[-1])]
    if lacking or not present:
        return Claim(text, "no" if lacking else "open", f"not {labels(lacking)}" if lacking else "not run")
    return Claim(
        text, "yes" if len(present) == len(DISTILLING) else "open", f"{labels(present)} do; no others were run"
    )


def warm_start_claim(tested: dict[str, pd.DataFrame], warm: pd.DataFrame | None) -> Claim:
    text = "warm starting alone speeds up less than every CAL method at the last budget"
    ratios = {name: own["speed_up"].iloc[-1] for name, own in tested.items() if not np.isnan(own["speed_up"].iloc[-1])}
    if warm is None or not ratios or np.isnan(warm["speed_up"].iloc[-1]):
        return Claim(text, "open", "not run")
    slowest = min(ratios, key=lambda name: float(ratios[name]))
    own = warm["speed_up"].iloc[-1]
    return Claim(
        text, yes_no(own < ratios[slowest]), f"{own:.1f}x against {ratios[slowest]:.1f}x of {look_of(slowest).label}"
    )


def labels(names: Iterable[str]) -> str:
    return ", ".join(look_of(name).label for name in names)


def yes_no(holds_true: bool) -> str:
    return "yes" if holds_true else "no"


def differs_from(table: pd.DataFrame, paper: PaperTable) -> list[str]:
    """Returns in what the runs are not the paper's: data set, model or acquisition."""
    wanted = {"dataset": paper.dataset, "model": paper.model, "acquisition": paper.acquisition}
    came = {name: sorted(set(table[name]) - {own}) for name, own in wanted.items()}
    return [f"{name} {', '.join(others)} in place of {wanted[name]}" for name, others in came.items() if others]


def ours_as_cells(found: pd.DataFrame) -> pd.DataFrame:
    """Returns our numbers in the paper's shape, for `claims`."""
    return found[["method", "budget"]].assign(
        mean=found["ours"], std=found["ours_std"], speed_up=found["ours_speed_up"]
    )


def verdict_table(found: pd.DataFrame, paper: PaperTable, scale: float = 1.0, unlike: Sequence[str] = ()) -> Table:
    """Returns the verdicts as a table, a row per method and budget; `unlike`: how our runs are not the paper's."""
    ordered = sorted(found.to_dict("records"), key=lambda row: (place_of(row["method"]), row["variant"]))
    rows = [verdict_row(row) for row in ordered]
    counts = found["verdict"].value_counts()
    summary = ", ".join(f"{counts[name]} {name}" for name in (WITHIN_STD, WITHIN_POINT, OFF, NOT_RUN) if name in counts)
    notes = [f"{len(found)} cells: {summary}.", "Accuracy in %, mean ± std over n seeds; without ± it is one seed."]
    if scale != 1:
        notes.insert(0, f"SCALED: pool, budgets and epochs times {scale:g}; the paper's accuracies are out of reach.")
    if unlike:
        notes.insert(0, f"NOT THE PAPER'S SETTING: {'; '.join(unlike)}.")
    notes += [
        f"Suspect in the paper: {look_of(row['method']).label} at {row['budget']}: {row['suspect']}."
        for row in ordered
        if row["suspect"]
    ]
    columns = ["method", "budget", "n", "ours", "paper", "difference", "verdict", *["ours", "paper"] * 2]
    return Table(
        title=f"{paper.source}: {paper.dataset}, {paper.model}, {paper.acquisition}"
        + (f" (scaled, x {scale:g})" if scale != 1 else ""),
        name=f"{paper.name.replace('/', '-')}-verdict",
        groups=[("", 3), ("test accuracy in %", 4), ("minus AL", 2), ("speed-up", 2)],
        columns=columns,
        rows=rows,
        notes=notes,
    )


def verdict_row(row: dict[Any, Any]) -> list[Cell]:
    label = look_of(str(row["method"])).label + (f" ({row['variant']})" if row["variant"] else "")
    mark = " ?" if row["suspect"] else ""
    return [
        Cell(label),
        Cell(f"{row['budget']}"),
        Cell(f"{row['n']}"),
        with_std(row["ours"], row["ours_std"]),
        with_std(row["mean"], row["std"], mark),
        formatted(row["difference"], "{:+.1f}"),
        Cell(str(row["verdict"]), bold=row["verdict"] == WITHIN_STD),
        formatted(row["ours_to_al"], "{:+.1f}"),
        formatted(row["paper_to_al"], "{:+.1f}"),
        formatted(row["ours_speed_up"], "{:.1f}×"),
        formatted(row["speed_up"], "{:.1f}×"),
    ]


def with_std(mean: float, std: float, mark: str = "") -> Cell:
    if np.isnan(mean):
        return Cell(MISSING)
    digits = 2 if np.isnan(std) and round(mean, 1) != round(mean, 2) else 1
    return Cell(f"{mean:.{digits}f}" + ("" if np.isnan(std) else f" ± {std:.1f}") + mark, float(mean))


def formatted(value: float, form: str) -> Cell:
    return Cell(MISSING) if np.isnan(value) else Cell(form.format(value), float(value))
