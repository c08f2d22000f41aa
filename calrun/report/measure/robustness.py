"""Accuracy on corrupted test sets (Das et al. 2023, Sec. 5.3.1, Tables 7 and 8)."""

import pandas as pd

from calrun.report.measure.curves import LINE

PREFIX = "accuracy@"
PUBLISHED, MADE = "cifar10_c", "cifar10_c_made"  # groups that corrupted test sets are recorded under


def further_sets(table: pd.DataFrame) -> list[str]:
    """Returns the columns with accuracies on further test sets, without those that are means over a group of them."""
    columns = [str(column) for column in table.columns if str(column).startswith(PREFIX)]
    groups = {column.partition("/")[0] for column in columns if "/" in column}
    return [column for column in columns if column not in groups]


def corruption_group(table: pd.DataFrame) -> str:
    """Returns the group of corrupted test sets that runs looked at: the published ones if any run did."""
    published = any(column.startswith(f"{PREFIX}{PUBLISHED}/") for column in further_sets(table))
    return PUBLISHED if published else MADE


def by_corruption(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns for each corruption the rows that have it, with the accuracy on it in place of the clean accuracy."""
    beginning = f"{PREFIX}{corruption_group(table)}/"
    columns = [column for column in further_sets(table) if column.startswith(beginning)]
    return {
        column.removeprefix(beginning): table.assign(accuracy=table[column]).dropna(subset=["accuracy"])
        for column in columns
    }


def above_baseline(table: pd.DataFrame, baseline: str = "al") -> pd.DataFrame:
    """Returns the rows of the last budget with corrupted test sets; for accuracy they have `paired_difference`."""
    beginning = f"{PREFIX}{corruption_group(table)}/"
    others = [column for column in further_sets(table) if not column.startswith(beginning)]
    columns = [column for column in further_sets(table) if column.startswith(beginning)]
    own = table.drop(columns=others).dropna(subset=columns, how="all")
    last: pd.DataFrame = own[own["labelled"] == own["labelled"].max()]
    if not columns or last.empty:
        return last[:0]
    apart = paired_difference(last, int(last["labelled"].iloc[0]), baseline)
    result: pd.DataFrame = last.assign(accuracy=apart["difference"].to_numpy()).dropna(subset=["accuracy"])
    return result


def corruption_table(table: pd.DataFrame, labelled: int) -> pd.DataFrame:
    """Returns mean, std and n over seeds of the accuracy on every further test set at one budget (Table 7)."""
    sets = [str(column) for column in table.columns if str(column).startswith(PREFIX)]
    at_budget = table[table["labelled"] == labelled]
    long = at_budget[[*LINE, "seed", *sets]].melt([*LINE, "seed"], var_name="corruption", value_name="accuracy")
    long["corruption"] = long["corruption"].str.removeprefix(PREFIX)
    groups = long.dropna(subset=["accuracy"]).groupby([*LINE, "corruption"])["accuracy"]
    return groups.agg(mean="mean", std="std", n="size").reset_index()


def paired_difference(table: pd.DataFrame, labelled: int, baseline: str = "al") -> pd.DataFrame:
    """Returns for each run at one budget its mean over the further test sets of (own minus the baseline's accuracy).

    The baseline is that of the same seed; NaN if there is none, or if several settings of it leave open which is meant.
    A test set that either of the two lacks is left out of that run's mean.
    """
    sets = further_sets(table)
    at_budget = table.loc[table["labelled"] == labelled, [*LINE, "seed", *sets]]
    pair = ["context", "acquisition", "seed"]
    base = at_budget[at_budget["method"] == baseline].drop_duplicates(pair, keep=False)
    both = at_budget.merge(base[[*pair, *sets]], on=pair, how="left", suffixes=("", "_base"))
    apart = pd.DataFrame({name: both[name] - both[f"{name}_base"] for name in sets})
    return both[[*LINE, "seed"]].assign(difference=apart.mean(axis=1))
