"""How many labels a choice saves: against random, at equal accuracy, by interpolation on random's curve."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from calrun.report.measure.cost import overall_cost
from calrun.report.measure.curves import LINE

RUN = [*LINE, "seed"]
PARTNER = ["context", "method", "seed"]


def labels_to_reach(labels_T: np.ndarray, accuracy_T: np.ndarray, target: float) -> float:
    """Returns the fewest labels at which the polygon through the curve is at or above `target`.

    A curve that falls again keeps its first crossing. NaN if the target is never reached, or if even the first point
    lies above it: then it is unknown how few labels would do.
    """
    if not len(labels_T) or accuracy_T[0] > target:
        return float("nan")
    reached = np.flatnonzero(accuracy_T >= target)
    if not len(reached):
        return float("nan")
    after = reached[0]
    if after == 0:
        return float(labels_T[0])
    before = after - 1
    share = (target - accuracy_T[before]) / (accuracy_T[after] - accuracy_T[before])
    return float(labels_T[before] + share * (labels_T[after] - labels_T[before]))


class Partners:
    """The baseline's curve for each run: of its own setting, or of the only one that there is.

    Two runs are of one setting if what tells each from others of its acquisition reads the same, such as lr=0.1.
    """

    def __init__(self, table: pd.DataFrame, baseline: str) -> None:
        base = table[table["acquisition"] == baseline].dropna(subset=["accuracy"])
        self.exact = only_runs(base, [*PARTNER, "variant"])
        self.only = only_runs(base, PARTNER)

    def of(self, named: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
        """Returns labels and accuracies of the baseline for a run; `None` if there is none, or it is open which."""
        found = self.exact.get(tuple(named[name] for name in (*PARTNER, "variant")))
        return found or self.only.get(tuple(named[name] for name in PARTNER))


def only_runs(base: pd.DataFrame, by: list[str]) -> dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]]:
    """Returns the curve of each group that holds a single run."""
    return {tuple(keys): curve_of(run) for keys, run in base.groupby(by) if run["run_id"].nunique() == 1}


def equivalent_labels(table: pd.DataFrame, baseline: str = "random") -> pd.DataFrame:
    """Returns for each run and budget how many labels the baseline acquisition needs for the same accuracy.

    Columns besides the run's: labelled (N_1), own_labels (the fewest that already gave this accuracy; less than N_1
    if the curve fell), equivalent (N_2, the equivalent number of non-AL labels), at_least (the baseline's last
    budget if it never reaches the accuracy, else NaN), saving (N_2 - N_1) / N_2 (Wen et al. 2024, Sec. 6.2) and
    efficiency N_2 / own_labels (labelling efficiency, Beck et al. 2021, Sec. 4.1).

    Differs from the paper: Beck et al. word the ratio the other way round, but their figures print it as here (above 1
    is good).
    """
    rows, partners = [], Partners(table, baseline)
    for keys, run in table[table["acquisition"] != baseline].groupby(RUN):
        named = dict(zip(RUN, keys, strict=True))
        partner = partners.of(named)
        own = curve_of(run)
        for labelled, accuracy in zip(*own, strict=True):
            own_labels = labels_to_reach(*own, accuracy)
            rows.append(
                named
                | {"labelled": int(labelled), "accuracy": accuracy}
                | {"own_labels": labelled if np.isnan(own_labels) else own_labels}
                | against(partner, accuracy)
            )
    columns = [*RUN, "labelled", "accuracy", "own_labels", "equivalent", "at_least"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["saving"] = (frame["equivalent"] - frame["labelled"]) / frame["equivalent"]
    frame["efficiency"] = frame["equivalent"] / frame["own_labels"]
    return frame


def against(partner: tuple[np.ndarray, np.ndarray] | None, accuracy: float) -> dict[str, float]:
    if partner is None:
        return {"equivalent": float("nan"), "at_least": float("nan")}
    never = accuracy > partner[1].max()
    return {
        "equivalent": labels_to_reach(*partner, accuracy),
        "at_least": float(partner[0][-1]) if never else float("nan"),
    }


def curve_of(run: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    ordered = run.dropna(subset=["accuracy"]).sort_values("labelled")
    return ordered["labelled"].to_numpy(float), ordered["accuracy"].to_numpy(float)


def best_efficiency(table: pd.DataFrame, baseline: str = "random") -> pd.DataFrame:
    """Returns each run's labelling efficiency at the best accuracy of the baseline acquisition, with the same seed.

    Columns besides the run's: target (that accuracy) and efficiency (labels that the baseline needs for it over the
    run's; NaN if the run never reaches it). It is what Beck et al. 2021 quote of their figures, such as 1.8x.
    """
    rows, partners = [], Partners(table, baseline)
    for keys, run in table[table["acquisition"] != baseline].groupby(RUN):
        named = dict(zip(RUN, keys, strict=True))
        partner = partners.of(named)
        target = float("nan") if partner is None else float(partner[1].max())
        needed = float("nan") if partner is None else float(partner[0][partner[1].argmax()])
        rows.append(named | {"target": target, "efficiency": needed / labels_to_reach(*curve_of(run), target)})
    return pd.DataFrame(rows, columns=[*RUN, "target", "efficiency"])


def mean_saving(equivalents: pd.DataFrame) -> pd.DataFrame:
    """Returns each run's average sample saving ratio over its rounds (Wen et al. 2024, Sec. 6.2), and their number.

    Columns: saving, rounds (that have a ratio) and of_rounds (all). A mean over few of many rounds is not the paper's.
    """
    groups = equivalents.groupby(RUN)["saving"]
    return groups.agg(saving="mean", rounds="count", of_rounds="size").reset_index()


def cost_at_equal_accuracy(
    table: pd.DataFrame, label_price: float, hour_price: float, baseline: str = "random"
) -> pd.DataFrame:
    """Returns each run's overall cost N_1 x P_l + C_tr to reach the baseline's last accuracy, over the baseline's cost.

    Wen et al. 2024, Table 1. Between rounds the cost is interpolated with the accuracy, labels and training alike.
    """
    priced = table.assign(cost=overall_cost(table, label_price, hour_price))
    base = priced[priced["acquisition"] == baseline].sort_values("labelled")
    last = base.drop_duplicates(RUN, keep="last").drop_duplicates(PARTNER, keep=False)[[*PARTNER, "accuracy", "cost"]]
    rows = []
    for keys, run in priced.groupby(RUN):
        ordered = run.dropna(subset=["accuracy"]).sort_values("labelled")
        named = dict(zip(RUN, keys, strict=True))
        partner = last[(last[PARTNER] == [named[name] for name in PARTNER]).all(axis=1)]
        if len(partner):
            target, price = partner[["accuracy", "cost"]].iloc[0]
            own = labels_to_reach(ordered["cost"].to_numpy(float), ordered["accuracy"].to_numpy(float), target)
            rows.append(named | {"target": target, "cost": own, "cost_ratio": own / price})
    return pd.DataFrame(rows, columns=[*RUN, "target", "cost", "cost_ratio"])
