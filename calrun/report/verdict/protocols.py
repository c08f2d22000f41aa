"""The tables of Beck et al. 2021: accuracy by AL batch size, by initial rows and by subset, and seconds by round."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from calrun.report.verdict.claims import Claim
from calrun.report.verdict.pace import RESET, SELECTION, UPDATE, round_claims, selection_claims
from calrun.report.verdict.printed import CELLS, PaperTable, printed
from calrun.report.verdict.selections import SHOWN, by_acquisition

BECK = "beck2021"
OURS = {"least_conf": "least_confidence", "batchbald": "batch_bald", "a_deepfool": "deepfool"}  # other names than ours
SEED_SETS = {"random": "random", "facility_location": "facility location", "dispersion_min": "dispersion-min"}
TIMED = {"al_reset": RESET, "al_update": UPDATE, "selection": SELECTION}
FULL, SUBSETS = "full training", "GRAD-MATCH, 30 %"
TRAINED = {"al_full_training": FULL, "al_gradmatch30_at_full_rounds": SUBSETS}
METHODS = {RESET: "al", UPDATE: "al_ws", FULL: "al", SUBSETS: "al_gradmatch"}
FIRST, STEP = 1_000, 3_000  # labels of round 1 of the CIFAR-10 baseline, and of each later one
ALL_ROUNDS = 0.0  # in place of a number of labels, where a cell is a mean over the rounds
Measured = Callable[[pd.DataFrame], dict[str, pd.DataFrame]]


def beck_table(name: str, number: str) -> PaperTable | None:
    """Returns one of the paper's tables of results; `None` for its tables of hyper-parameters and its figures."""
    tables = {"2": batch_table, "3": seed_table, "12": selection_table, "13": round_table, "14": subset_table}
    return tables[number](name, printed(BECK)["tables"][number]) if number in tables else None


def batch_table(name: str, table: Mapping[str, Any]) -> PaperTable:
    """Returns Table 2: accuracy by the number of rows bought in each round."""
    cells = (
        cell(acquisition, budget, labels_in(budget), mean, std, batch_name(step / FIRST))
        for acquisition, budget, mean, std, step in table["rows"]
    )
    return of_beck(name, table, cells, by_batch, sets="bought a round")


def seed_table(name: str, table: Mapping[str, Any]) -> PaperTable:
    """Returns Table 3: accuracy by how the rows of round 1 were chosen."""
    cells = (
        cell(acquisition, budget, labels_in(budget), mean, std, SEED_SETS[initial])
        for acquisition, budget, mean, std, initial in table["rows"]
    )
    return of_beck(name, table, cells, by_initial, sets="initial rows")


def subset_table(name: str, table: Mapping[str, Any]) -> PaperTable:
    """Returns Table 14: accuracy of full rounds, where the rounds between them trained on subsets and where not."""
    cells = (
        cell(acquisition, budget, labels_in(budget), mean, std, TRAINED[method])
        for acquisition, method, budget, mean, std in table["rows"]
    )
    return of_beck(name, table, cells, lambda runs: by_method(runs, (FULL, SUBSETS)), sets="rounds between")


def selection_table(name: str, table: Mapping[str, Any]) -> PaperTable:
    """Returns Table 12: seconds of a selection on MNIST at low budgets, mean over the rounds."""
    nan = float("nan")
    cells = (
        cell(acquisition, "mean of rounds", ALL_ROUNDS, seconds, nan, SELECTION)
        for acquisition, seconds in table["rows"]
    )
    return of_beck(name, table, cells, by_mean_selection, sets="part", claimed=selection_claims)


def round_table(name: str, table: Mapping[str, Any]) -> PaperTable:
    """Returns Table 13: seconds of training and of selecting in each round.

    R1 is the first round after a selection: its 4,000 labels are the first at which resetting and updating differ.
    """
    rows = []
    for acquisition, method, number, _, seconds in table["rows"]:
        bought = int(number.removeprefix("R"))
        labelled = FIRST + STEP * (bought - (method == "selection"))  # a selection sees the labels before it
        rows.append(cell(acquisition, number, labelled, seconds, float("nan"), TIMED[method]))
    return of_beck(name, table, rows, by_round, sets="part", claimed=round_claims)


def of_beck(
    name: str,
    table: Mapping[str, Any],
    cells: Iterable[tuple[Any, ...]],
    measured: Measured,
    *,
    sets: str,
    claimed: Callable[[pd.DataFrame, float], list[Claim]] | None = None,
) -> PaperTable:
    document, number = printed(BECK), name.rpartition("table")[2]
    timed: dict[str, Any] = {"quantity": "seconds", "times": True} if claimed else {}
    return PaperTable(
        *(name, f"{document['short']}, Table {number}", table["dataset"], table["model"], SHOWN),
        pd.DataFrame(cells, columns=CELLS),
        measured=measured,
        sets=sets,
        claimed=claimed or nothing_claimed,
        setting=table["setting"],
        differs=tuple(table["differs"]),
        **timed,
    )


def nothing_claimed(cells: pd.DataFrame, least: float) -> list[Claim]:
    """Returns no claims: those of Beck et al. rest on tests over seeds, which a table of means cannot repeat."""
    return []


def cell(acquisition: str, budget: str, labelled: float, mean: float, std: float, part: str) -> tuple[Any, ...]:
    """Returns a row of CELLS."""
    return OURS.get(acquisition, acquisition), "", budget, part, labelled, mean, std, float("nan"), False, ""


def labels_in(budget: str) -> int:
    """Returns the number in a heading such as '7000 points'."""
    return int(budget.split()[0])


def batch_name(ratio: float) -> str:
    """Returns the name of an AL batch size by its ratio to the labels of round 1, which a scaled run keeps."""
    return f"{ratio * FIRST:,.0f}"


def by_batch(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns runs by the rows that round 2 buys; runs that have not come so far are left out."""
    ours = by_acquisition(runs)
    labels = ours.sort_values("round").groupby("run_id")["labelled"]
    ratios = {
        run_id: round(float(labelled.iloc[1] - labelled.iloc[0]) / float(labelled.iloc[0]), 1)
        for run_id, labelled in labels
        if len(labelled) > 1
    }
    ours = ours.assign(part=ours["run_id"].map(ratios), variant="", context="").dropna(subset=["part"])
    return {batch_name(float(str(ratio))): own for ratio, own in ours.groupby("part")}


def by_initial(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns runs by how their initial rows were chosen."""
    ours = by_acquisition(runs).assign(variant="", context="")
    return {SEED_SETS[str(option)]: own for option, own in ours.groupby("initial") if option in SEED_SETS}


def by_method(runs: pd.DataFrame, parts: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Returns for each part of a table the runs of its method."""
    ours = by_acquisition(runs).assign(variant="", context="")
    return {part: ours[(runs["method"] == METHODS[part]).to_numpy()] for part in parts}


def by_round(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns seconds of fits and of selections (scores included, as theirs are) where accuracies stand."""
    trained = {part: timed(own, own["fit_seconds"]) for part, own in by_method(runs, (RESET, UPDATE)).items()}
    cold = by_method(runs, (RESET,))[RESET]
    return {**trained, SELECTION: timed(cold, selection_seconds(cold)).dropna(subset=["accuracy"])}


def by_mean_selection(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns one row for each run: its mean seconds of a selection."""
    ours = by_acquisition(runs)
    ours = timed(ours, selection_seconds(ours)).dropna(subset=["accuracy"])
    means = ours["accuracy"].groupby(ours["run_id"]).transform("mean")
    ours = ours.assign(accuracy=means, labelled=ALL_ROUNDS, variant="", context="")
    return {SELECTION: ours.drop_duplicates("run_id")}


def selection_seconds(runs: pd.DataFrame) -> "pd.Series[float]":
    """Returns the seconds of scoring and choosing in each round; NaN in the last, which selects nothing."""
    score, select = (numbers(runs, f"{part}_seconds") for part in ("score", "select"))
    return (score.fillna(0.0) + select).where(select > 0)


def numbers(runs: pd.DataFrame, column: str) -> "pd.Series[float]":
    """Returns a column as numbers; NaN everywhere if no run has it."""
    return runs[column].astype(float) if column in runs else pd.Series(np.nan, index=runs.index)


def timed(runs: pd.DataFrame, seconds: "pd.Series[float]") -> pd.DataFrame:
    """Returns runs with seconds as the accuracy; over 100, because tables show accuracies in percent."""
    return runs.assign(accuracy=seconds.astype(float) / 100)
