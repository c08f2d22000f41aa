"""How close we came: ours beside the paper's, cell by cell, and the paper's claims one by one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from calrun.report.draw.style import place_of, style_of
from calrun.report.table.tables import MISSING, Cell, Table, tidy
from calrun.report.verdict.printed import PaperTable

BASELINE = "al"
WITHIN_STD, WITHIN_POINT, OFF, NOT_RUN = "within std", "within 1 point", "off", "not run"
LABEL_TOLERANCE = 0.02
OURS = ("ours", "ours_std", "n", "ours_speed_up", "epochs", "train_accuracy")


class PaperCell(NamedTuple):
    """What identifies a printed cell."""

    method: str
    variant: str
    labelled: float


def verdicts(table: pd.DataFrame, paper: PaperTable, scale: float = 1.0) -> pd.DataFrame:
    """Returns the paper's cells with ours beside them.

    Further columns: ours, ours_std (percent), n, ours_speed_up, epochs (so far), train_accuracy, difference (points, at
    the paper's precision), ours_to_al and paper_to_al (points above AL), verdict: within std (the paper's), within 1
    point, off, or not run. Two budgets are the same if the paper's labels times `scale` are ours to within 2 %.
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
    """Returns our numbers for one printed cell; NaN if there are none, or several settings leave open which."""
    same = ours[(ours["method"] == method) & (ours["key"].map(lambda own: not key or own == key))]
    near = same[(same["labelled"] - labelled).abs() <= max(1.0, LABEL_TOLERANCE * labelled)]
    if len(near) != 1:
        return dict.fromkeys(OURS, np.nan) | {"n": 0}
    row = near.iloc[0]
    return {
        "ours": row["accuracy_mean"],
        "ours_std": row["accuracy_std"],
        "n": int(row["n"]),
        "ours_speed_up": row["time_ratio"],
        "epochs": row["epochs_mean"],
        "train_accuracy": row["train_accuracy_mean"],
    }


def variant_key(variant: str) -> str:
    """Returns the settings in a variant such as 'sigma=1, weight=0.1', with numbers written in one way."""
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


def ours_as_cells(found: pd.DataFrame) -> pd.DataFrame:
    """Returns our numbers in the paper's shape, for `claims`."""
    return found[["method", "budget", "n"]].assign(
        mean=found["ours"], std=found["ours_std"], speed_up=found["ours_speed_up"]
    )


def verdict_table(found: pd.DataFrame, paper: PaperTable, scale: float = 1.0, unlike: Sequence[str] = ()) -> Table:
    """Returns the verdicts as a table, a row per method and budget; `unlike` says how runs depart from the recipe."""
    ordered = sorted(found.to_dict("records"), key=lambda row: (place_of(row["method"]), row["variant"]))
    rows = [verdict_row(row, paper.remarks) for row in ordered]
    counts = found["verdict"].value_counts()
    summary = ", ".join(f"{counts[name]} {name}" for name in (WITHIN_STD, WITHIN_POINT, OFF, NOT_RUN) if name in counts)
    notes = [
        f"{len(found)} cells: {summary}.",
        "Accuracy in %, mean ± std over n seeds; without ± it is one seed. Epochs: of all rounds so far; train "
        "accuracy: at the end of the last.",
    ]
    if (found["verdict"] == WITHIN_STD).any():
        notes.append("Bold: within the paper's standard deviation.")
    if scale != 1:
        notes.insert(0, f"SCALED: pool, budgets and epochs times {scale:g}; the paper's accuracies are out of reach.")
    if unlike:
        notes.insert(0, f"NOT THE PAPER'S SETTING: {'; '.join(unlike)}.")
    notes += [
        f"Suspect in the paper: {style_of(row['method']).label} at {row['budget']}: {row['suspect']}."
        for row in ordered
        if row["suspect"]
    ]
    remarks = {method: remark for method, remark in paper.remarks.items() if method in set(found["method"])}
    notes += [f"* {style_of(method).label}: {remark}." for method, remark in remarks.items()]
    columns = ["method", "budget", "n", "ours", "paper", "difference", "verdict", *["ours", "paper"] * 2]
    columns += ["epochs", "train accuracy in %"]
    return Table(
        title=f"{paper.source}: {paper.dataset}, {paper.model}, {paper.acquisition}"
        + (f" (scaled, x {scale:g})" if scale != 1 else ""),
        name=f"{paper.name.replace('/', '-')}-verdict",
        groups=[("", 3), ("test accuracy in %", 4), ("minus AL", 2), ("speed-up", 2), ("ours trained", 2)],
        columns=columns,
        rows=rows,
        notes=notes,
    )


def verdict_row(row: dict[Any, Any], remarks: Mapping[str, str]) -> list[Cell]:
    label = style_of(str(row["method"])).label + (f" ({row['variant']})" if row["variant"] else "")
    digits = 2 if np.isnan(row["std"]) else 1  # as the paper prints them
    mark = " ?" * bool(row["suspect"]) + " *" * (row["method"] in remarks)
    return [
        Cell(label),
        Cell(f"{row['budget']}"),
        Cell(f"{row['n']}"),
        with_std(row["ours"], row["ours_std"], digits),
        with_std(row["mean"], row["std"], digits, mark),
        formatted(row["difference"], "{:+.1f}"),
        Cell(str(row["verdict"]), bold=row["verdict"] == WITHIN_STD),
        formatted(row["ours_to_al"], "{:+.1f}"),
        formatted(row["paper_to_al"], "{:+.1f}"),
        formatted(row["ours_speed_up"], "{:.1f}×"),
        formatted(row["speed_up"], "{:.1f}×"),
        formatted(row["epochs"], "{:,.0f}"),
        formatted(row["train_accuracy"], "{:.1f}"),
    ]


def with_std(mean: float, std: float, digits: int, mark: str = "") -> Cell:
    if np.isnan(mean):
        return Cell(MISSING)
    return Cell(f"{mean:.{digits}f}" + ("" if np.isnan(std) else f" ± {std:.{digits}f}") + mark, float(mean))


def formatted(value: float, form: str) -> Cell:
    return Cell(MISSING) if np.isnan(value) else Cell(form.format(value), float(value))
