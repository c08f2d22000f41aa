"""How close we came: ours beside the paper's, cell by cell, and the paper's claims one by one."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from calrun.report.draw.style import place_of, style_of
from calrun.report.table.tables import MISSING, Cell, Table, ratio_cell, tidy
from calrun.report.verdict.pace import ALIKE, FASTER, SLOWER, pace
from calrun.report.verdict.printed import CLEAN, PaperTable

BASELINE = "al"
WITHIN_STD, WITHIN_POINT, OFF, NOT_RUN = "within std", "within 1 point", "off", "not run"
SAME_SIGN, OTHER_SIGN = "same sign", "other sign"
VERDICTS = (WITHIN_STD, SAME_SIGN, WITHIN_POINT, FASTER, ALIKE, SLOWER, OFF, OTHER_SIGN, NOT_RUN)
LABEL_TOLERANCE = 0.02
OURS = ("ours", "ours_std", "n", "ours_speed_up", "epochs", "train_accuracy")


class PaperCell(NamedTuple):
    """What identifies a printed cell."""

    method: str
    variant: str
    test_set: str
    labelled: float


def verdicts(table: pd.DataFrame, paper: PaperTable, scale: float = 1.0) -> pd.DataFrame:
    """Returns the paper's cells with ours beside them.

    Further columns: ours, ours_std (percent), n, ours_speed_up, epochs (so far), train_accuracy, difference (points, at
    the paper's precision), ours_to_al and paper_to_al (points above AL), al_accuracy (our AL's), verdict: within std
    (the paper's), within 1 point, off, or not run; of differences, same sign or other sign; of seconds, faster, within
    2 times, or slower. Two budgets are the same if the paper's labels times `scale` are ours to within 2 %.
    """
    ours = ours_in(table, paper)
    found = [match(ours, cell, scale) for cell in rows_of(paper.cells)]
    result = pd.concat([paper.cells.reset_index(drop=True), pd.DataFrame(found)], axis=1)
    result["difference"] = (result["ours"] - result["mean"]).round(2 if paper.differences else 1)
    at = pd.MultiIndex.from_frame(result[["budget", "test_set"]])
    base = result[result["method"] == BASELINE].drop_duplicates(["budget", "test_set"])
    base = base.set_index(["budget", "test_set"])[["ours", "mean"]].reindex(at)
    result["ours_to_al"] = result["ours"] - base["ours"].to_numpy()
    result["paper_to_al"] = result["mean"] - base["mean"].to_numpy()
    result["al_accuracy"] = al_accuracy(table, paper, scale) if paper.differences else base["ours"].to_numpy()
    return result.assign(verdict=[*answers(result, paper)])


def answers(cells: pd.DataFrame, paper: PaperTable) -> Iterable[str]:
    """Returns the verdict on each cell, by what the paper's numbers are."""
    if paper.times:
        return (pace(*both) or NOT_RUN for both in zip(cells["ours"], cells["mean"], strict=True))
    return signs(cells["ours"], cells["mean"]) if paper.differences else map(verdict, cells["difference"], cells["std"])


def ours_in(table: pd.DataFrame, paper: PaperTable) -> pd.DataFrame:
    """Returns, for each test set of a printed table, all that the comparison of our runs on it holds."""
    shown = {name: own for name, own in paper.measured(table).items() if len(own)} or {NOT_RUN: table}
    ours = pd.concat([tidy(own, BASELINE).assign(test_set=name) for name, own in shown.items()], ignore_index=True)
    ours = ours[ours["acquisition"] == paper.acquisition]
    return ours.assign(key=[variant_key(str(variant)) for variant in ours["variant"]])


def al_accuracy(table: pd.DataFrame, paper: PaperTable, scale: float) -> list[float]:
    """Returns for each of some differences from AL how accurate AL itself is, on the clean test set, in percent."""
    own = replace(paper, measured=lambda runs: {CLEAN: runs})
    ours = ours_in(table, own)
    return [match(ours, PaperCell(BASELINE, "", CLEAN, c.labelled), scale)["ours"] for c in rows_of(paper.cells)]


def rows_of(cells: pd.DataFrame) -> Iterable[PaperCell]:
    columns = ["method", "variant", "test_set", "labelled"]
    for method, variant, test_set, labelled in cells[columns].itertuples(index=False, name=None):
        yield PaperCell(str(method), str(variant), str(test_set), float(labelled))


def match(ours: pd.DataFrame, cell: PaperCell, scale: float) -> dict[str, float]:
    """Returns our numbers for one printed cell; NaN if there are none, or several settings leave open which."""
    key, labelled = variant_key(cell.variant), cell.labelled * scale
    is_same = (ours["method"] == cell.method) & (ours["test_set"] == cell.test_set)
    same = ours[is_same & ours["key"].map(lambda own: not key or own == key)]
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


def signs(ours: "pd.Series[float]", printed: "pd.Series[float]") -> Iterable[str]:
    """Yields the verdict on each of some differences: whether both point the same way."""
    for own, theirs in zip(ours, printed, strict=True):
        yield NOT_RUN if np.isnan(own) else SAME_SIGN if own * theirs > 0 else OTHER_SIGN


def ours_as_cells(found: pd.DataFrame) -> pd.DataFrame:
    """Returns our numbers in the paper's shape, for `claims`."""
    return found[["method", "budget", "test_set", "n", "al_accuracy"]].assign(
        mean=found["ours"], std=found["ours_std"], speed_up=found["ours_speed_up"]
    )


def verdict_table(
    found: pd.DataFrame, paper: PaperTable, scale: float = 1.0, unlike: Sequence[str] = (), ours: str = ""
) -> Table:
    """Returns the verdicts as a table, a row per method and budget.

    Args:
        found: the cells with ours beside them.
        paper: the printed table.
        scale: of our runs.
        unlike: how they depart from the recipe.
        ours: what they were.
    """
    ordered = sorted(found.to_dict("records"), key=lambda row: (place_of(row["method"]), row["variant"]))
    sets = [paper.sets] if paper.has_sets else []
    columns = ["method", "budget", *sets, "n", "ours", "paper", "difference", "verdict", *["ours", "paper"] * 2]
    return Table(
        title=f"{paper.source}: {paper.dataset}, {paper.model}, {paper.acquisition}"
        + (f" (scaled, x {scale:g})" if scale != 1 else ""),
        name=f"{paper.name.replace('/', '-')}-verdict",
        groups=[("", 3 + len(sets)), (paper.quantity, 4), ("minus AL", 2), ("speed-up", 2), ("ours trained", 2)],
        columns=[*columns, "epochs", "train accuracy in %"],
        rows=[verdict_row(row, paper) for row in ordered],
        notes=[
            *departure_notes(scale, unlike),
            *cell_notes(found, paper),
            *setting_notes(paper, ours),
            *paper_notes(ordered, paper),
        ],
    )


def setting_notes(paper: PaperTable, ours: str) -> Iterable[str]:
    """Yields what the paper ran, what we ran, and what the recipe does otherwise."""
    if paper.setting:
        yield f"The paper's setting: {paper.setting}."
    if ours:
        yield f"Ours: {ours}."
    if paper.differs:
        yield f"The recipe differs from the paper: {'; '.join(paper.differs)}."


def departure_notes(scale: float, unlike: Sequence[str]) -> Iterable[str]:
    """Yields what keeps our runs from being the paper's."""
    if unlike:
        yield f"NOT THE PAPER'S SETTING: {'; '.join(unlike)}."
    if scale != 1:
        yield f"SCALED: pool, budgets and epochs times {scale:g}; the paper's accuracies are out of reach."


def cell_notes(found: pd.DataFrame, paper: PaperTable) -> Iterable[str]:
    """Yields how many cells have each verdict, and what stands in them."""
    counts = found["verdict"].value_counts()
    summary = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if name in counts)
    yield f"{len(found)} cells: {summary}."
    yield (
        f"{paper.quantity[:1].upper()}{paper.quantity[1:]}: mean ± std over n seeds; without ± it is one seed. Epochs: "
        "of all rounds so far; train accuracy: at the end of the last."
    )
    if (found["verdict"] == WITHIN_STD).any():
        yield "Bold: within the paper's standard deviation."


def paper_notes(ordered: Sequence[dict[Any, Any]], paper: PaperTable) -> Iterable[str]:
    """Yields what is likely wrong in the paper, and what its text does not say."""
    for row in ordered:
        if row["suspect"]:
            yield f"Suspect in the paper: {style_of(row['method']).label} at {row['budget']}: {row['suspect']}."
    played = {row["method"] for row in ordered}
    for method, remark in paper.remarks.items():
        if method in played:
            yield f"* {style_of(method).label}: {remark}."


def verdict_row(row: dict[Any, Any], paper: PaperTable) -> list[Cell]:
    label = style_of(str(row["method"])).label + (f" ({row['variant']})" if row["variant"] else "")
    digits = 2 if np.isnan(row["std"]) else 1  # as the paper prints them
    form = f"{{:{'+' * paper.differences}.{digits}f}}"
    mark = " ?" * bool(row["suspect"]) + " *" * (row["method"] in paper.remarks)
    return [
        Cell(label),
        Cell(f"{row['budget']}"),
        *([Cell(row["test_set"].replace("_", " "))] if paper.has_sets else []),
        Cell(f"{row['n']}"),
        with_std(row["ours"], row["ours_std"], form),
        with_std(row["mean"], row["std"], form, mark),
        formatted(row["difference"], "{:+.2f}" if paper.differences else "{:+.1f}"),
        Cell(str(row["verdict"]), bold=row["verdict"] == WITHIN_STD),
        formatted(row["ours_to_al"], "{:+.1f}"),
        formatted(row["paper_to_al"], "{:+.1f}"),
        ratio_cell(row["ours_speed_up"], n=0, most=0),
        ratio_cell(row["speed_up"], n=0, most=0),
        formatted(row["epochs"], "{:,.0f}"),
        formatted(row["train_accuracy"], "{:.1f}"),
    ]


def with_std(mean: float, std: float, form: str, mark: str = "") -> Cell:
    if np.isnan(mean):
        return Cell(MISSING)
    deviation = "" if np.isnan(std) else f" ± {form.replace('+', '').format(std)}"
    return Cell(form.format(mean) + deviation + mark, float(mean))


def formatted(value: float, form: str) -> Cell:
    return Cell(MISSING) if np.isnan(value) else Cell(form.format(value), float(value))
