"""Labels saved, accuracy gained and overall cost where a proxy may select. Wen et al. 2024, Sec. 6.2 to 6.4.

The baseline of all lines is fine-tuning on random rows, whatever trains the others.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from calrun.report.measure.efficiency import against, curve_of, labels_to_reach
from calrun.report.measure.proxy_times import selection_seconds

BASELINE = {"method": "finetune", "acquisition": "random"}
Curve = tuple[np.ndarray, np.ndarray]


def baselines_of(runs: pd.DataFrame) -> dict[tuple[str, int], pd.DataFrame]:
    """Returns the runs of the baseline by context and seed."""
    own = runs[(runs["method"] == BASELINE["method"]) & (runs["acquisition"] == BASELINE["acquisition"])]
    return {
        (str(found["context"].iloc[0]), int(found["seed"].iloc[0])): found
        for _, found in own.groupby(["context", "seed"])
        if found["run_id"].nunique() == 1
    }


def saving_and_gain(run: pd.DataFrame, base: pd.DataFrame) -> tuple[float, float, int]:
    """Returns a run's average sample saving ratio (N_2 - N_1) / N_2, its average gain in accuracy, and over how many.

    Rounds outside the baseline's curve have no ratio; the gain is that at the budgets that both have.
    """
    labelled_T, accuracy_T = curve_of(run)
    partner = curve_of(base)
    needed_T = np.array([against(partner, accuracy)["equivalent"] for accuracy in accuracy_T])
    saving_T = (needed_T - labelled_T) / needed_T
    known = int(np.isfinite(saving_T).sum())
    _, ours, theirs = np.intersect1d(labelled_T, partner[0], return_indices=True)
    gain = float(np.mean(accuracy_T[ours] - partner[1][theirs])) if len(ours) else float("nan")
    return (float(np.nanmean(saving_T)) if known else float("nan")), gain, known


def costs(run: pd.DataFrame, label_price: float, hour_price: float) -> pd.Series:
    """Returns N_1 x P_l + C_tr for each round of a run: C_tr is all selecting so far, and one training at the end.

    What was trained only to be evaluated in earlier rounds costs nothing; random rows cost no selecting.
    """
    apart = "train_full_seconds" in run and run["train_full_seconds"].notna().any()
    last = run["train_full_seconds"] if apart else run["fit_seconds"]
    free = (run["acquisition"] == BASELINE["acquisition"]).all()
    selecting = [0.0 if free else selection_seconds(run[run["round"] < number]) for number in run["round"]]
    training: pd.Series = (last + np.array(selecting)) / 3600 * hour_price
    return run["labelled"] * label_price + training


def cost_to_reach(run: pd.DataFrame, base: pd.DataFrame, prices: Mapping[str, float]) -> tuple[float, float]:
    """Returns the cost of reaching the baseline's last accuracy, interpolated between rounds, and the baseline's."""
    target = curve_of(base)[1][-1]
    own = run.assign(cost=costs(run, **prices)).dropna(subset=["accuracy", "cost"]).sort_values("labelled")
    reached = labels_to_reach(own["cost"].to_numpy(float), own["accuracy"].to_numpy(float), target)
    last = base.dropna(subset=["accuracy"]).sort_values("labelled")
    return reached, float(costs(last, **prices).iloc[-1])
