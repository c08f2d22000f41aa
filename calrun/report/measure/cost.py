"""What training costs against a baseline method: time, optimizer steps and samples, cumulative over rounds.

Das et al. 2023 (Sec. 5): speed-up = wall-clock time of the baseline / wall-clock time of the method, training only,
summed over the rounds up to a budget. On a GPU with small batches, time follows steps; steps and samples are given too.
"""

import pandas as pd

from calrun.report.measure.curves import LINE

COSTS = {
    "time": "cumulative_fit_seconds",
    "steps": "cumulative_steps",
    "samples": "cumulative_samples_backward",
    "energy": "cumulative_energy_kwh",  # NaN unless the runs recorded it (codecarbon)
}
PAIR = ["context", "acquisition", "seed", "labelled"]
PAIRED = ["round", "accuracy", "device", *COSTS.values()]  # what is compared, and what shows that two fits are equal


def speed_up(table: pd.DataFrame, baseline: str = "al") -> pd.DataFrame:
    """Returns for each run and budget the baseline's cumulative cost over its own, at the same seed, labels and device.

    Columns: time, steps, samples, energy and relative_accuracy (App. A.1 of Das et al. 2023). What cannot be paired is
    NaN: a seed or a budget that the baseline lacks; time and energy also if the two ran on different devices; the costs
    of a round 1 that both trained alike, for which a ratio is only noise of the clock, and of a round that one of them
    did not evaluate.
    """
    base = table.loc[table["method"] == baseline]
    one = base.drop_duplicates(PAIR, keep=False)  # two variants of the baseline leave open which of them is meant
    paired = table.merge(one[[*PAIR, *PAIRED]], on=PAIR, how="left", suffixes=("", "_base"), validate="many_to_one")
    result = paired[[*LINE, "seed", "labelled", "labelled_fraction"]].copy()
    for name, column in COSTS.items():
        result[name] = paired[f"{column}_base"] / paired[column].where(paired[column] > 0)
    for name in ("time", "energy"):
        result[name] = result[name].where(same_device(paired))
    unknown = paired["accuracy"].isna() | paired["accuracy_base"].isna()  # of a round that was not evaluated
    result.loc[one_first_fit(paired) | unknown, [*COSTS]] = float("nan")
    result["relative_accuracy"] = paired["accuracy"] / paired["accuracy_base"]
    return result


def same_device(paired: pd.DataFrame) -> "pd.Series[bool]":
    return paired["device"].eq(paired["device_base"]) | (paired["device"].isna() & paired["device_base"].isna())


def one_first_fit(paired: pd.DataFrame) -> "pd.Series[bool]":
    """Tells for each pair whether both are round 1 and trained alike: equal in accuracy, steps and samples."""
    alike = (paired["round"] == 1) & (paired["round_base"] == 1) & (paired["accuracy"] == paired["accuracy_base"])
    for name in (COSTS["steps"], COSTS["samples"]):
        alike &= paired[name].eq(paired[f"{name}_base"]) | paired[name].isna() | paired[f"{name}_base"].isna()
    return alike


def mean_speed_up(table: pd.DataFrame, baseline: str = "al") -> pd.DataFrame:
    """Returns for each line and budget the mean over seeds of the paired ratios, their deviation and their number.

    Columns: time, time_std, time_n, and so on for steps, samples, energy and relative_accuracy.
    """
    ratios = speed_up(table, baseline)
    names = [*COSTS, "relative_accuracy"]
    groups = ratios.groupby([*LINE, "labelled"])[names]
    parts = [groups.mean(), groups.std().add_suffix("_std"), groups.count().add_suffix("_n")]
    return pd.concat(parts, axis=1).reset_index()


def has_ratios(table: pd.DataFrame, baseline: str = "al") -> bool:
    """Tells whether any other method's cost can be compared with the baseline's at equal seed, labels and device."""
    others = speed_up(table, baseline).loc[lambda ratios: ratios["method"] != baseline, [*COSTS]]
    return bool(others.notna().any(axis=None))


def average_points(points: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Returns mean relative accuracy and mean speed-up of each method over everything but `by`.

    App. A.1 of Das et al. 2023: by data set and method it is Figure 3; by budget and method, over data sets, Figure 4;
    `average_points` by method of Figure 3's points is Figure 1. `points` holds relative_accuracy and time.
    """
    return points.groupby(by, sort=False)[["relative_accuracy", "time"]].mean().reset_index()


def average_over_budgets(points: pd.DataFrame) -> pd.DataFrame:
    """Returns each line's `average_points`; `note` says over how many budgets, if others in its field have more.

    A field is a context and an acquisition. Speed-ups grow with the budget, so a run that ended early looks slower.
    """
    known = points.dropna(subset=["relative_accuracy", "time"])
    average = average_points(known, LINE)
    counts = known.groupby(LINE, sort=False)["labelled"].nunique().to_numpy()
    most = known.groupby(["context", "acquisition"])["labelled"].nunique()
    fields = average[["context", "acquisition"]].itertuples(index=False, name=None)
    average["note"] = [
        f" ({count} of {most[field]} budgets)" if count < most[field] else ""
        for count, field in zip(counts, fields, strict=True)
    ]
    return average


def speed_up_at_accuracy(table: pd.DataFrame, target: float, baseline: str = "al") -> pd.DataFrame:
    """Returns for each run the baseline's cumulative fit time to first reach `target` accuracy over its own.

    Both times are those of the first round at or above the target: a model exists only after a round. NaN if either of
    the pair never reaches it, if they ran on different devices, or if both reach it in a round 1 that they trained
    alike.
    """
    reached = table.loc[table["accuracy"] >= target].sort_values("round")
    first = reached.drop_duplicates([*LINE, "seed"])[[*LINE, "seed", "labelled", *PAIRED]]
    runs = table.drop_duplicates([*LINE, "seed"])[[*LINE, "seed"]]
    own = runs.merge(first, on=[*LINE, "seed"], how="left")
    pair = ["context", "acquisition", "seed"]
    base = first.loc[first["method"] == baseline].drop_duplicates(pair, keep=False)
    paired = own.merge(base[[*pair, *PAIRED]], on=pair, how="left", suffixes=("", "_base"))
    ratio = paired["cumulative_fit_seconds_base"] / paired["cumulative_fit_seconds"]
    paired["time"] = ratio.where(same_device(paired) & ~one_first_fit(paired))
    return paired[[*LINE, "seed", "labelled", "time"]]


def overall_cost(table: pd.DataFrame, label_price: float, hour_price: float) -> pd.Series:
    """Returns N_1 x P_l + C_tr for each row: labels bought and training paid so far (Wen et al. 2024, Sec. 6.2).

    C_tr is the cumulative fit time at `hour_price`; both prices are in one currency.
    """
    training: pd.Series = table["cumulative_fit_seconds"] / 3600 * hour_price
    return table["labelled"] * label_price + training
