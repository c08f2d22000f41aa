"""The ablations of Wen et al. 2024 (Tables 8 to 10): sample saving ratios of ASVP with and without alignment."""

import numpy as np
import pandas as pd

from calrun.report.measure.efficiency import against, curve_of
from calrun.report.verdict.printed import CELLS, PaperTable, printed

WEN = "wen2024"
METHOD, BASELINE = "asvp", ("finetune", "random")  # the paper's baseline is fine-tuned on random rows
OURS = {"confidence": "least_confidence", "activeft_al": "activeft"}  # options whose names are not the paper's
LABELS = {"cifar10": 2_000, "cifar100": 6_000, "pets": 2_000}  # of the last round


def wen_table(name: str, number: str) -> PaperTable | None:
    """Returns one of the tables whose numbers survive; `None` of the others."""
    document, nan = printed(WEN), float("nan")
    if number not in document["tables"]:
        return None
    table = document["tables"][number]
    rows = [
        (METHOD, variant_of(feature, training), "all rounds", dataset, LABELS[dataset], mean, std, nan, False, "")
        for dataset, feature, training, mean, std, _ in table["rows"]
    ]
    acquisition = OURS.get(table["acquisition"], table["acquisition"])
    return PaperTable(
        *(name, f"{document['short']}, Table {number}", ", ".join(LABELS), "resnet50", acquisition),
        pd.DataFrame(rows, columns=CELLS),
        quantity="average sample saving ratio in %",
        measured=savings_by_dataset,
        setting=document["setting"],
        differs=tuple(document["differs"]),
    )


def variant_of(feature: bool, training: bool) -> str:
    """Returns a cell's setting in the words of our configuration."""
    return f"feature_alignment={feature}, training_alignment={training}"


def savings_by_dataset(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns the last round of each run by data set, with the run's average sample saving ratio as the accuracy.

    Sec. 6.2: (N_2 - N_1) / N_2, of which N_2 is how many random labels the baseline of this data set and seed needs;
    rounds outside its curve are left out.
    """
    is_base = (runs["method"] == BASELINE[0]) & (runs["acquisition"] == BASELINE[1])
    baselines = {keys: curve_of(own) for keys, own in runs[is_base].groupby(["dataset", "seed"])}
    last = []
    for _, own in runs[~is_base].groupby("run_id"):
        row = own.sort_values("labelled").tail(1)
        partner = baselines.get((row["dataset"].iloc[0], row["seed"].iloc[0]))
        last.append(row.assign(accuracy=average_saving(own, partner)))
    found = pd.concat(last).dropna(subset=["accuracy"]) if last else runs[:0]
    return {str(dataset): own for dataset, own in found.groupby("dataset")}


def average_saving(run: pd.DataFrame, partner: tuple[np.ndarray, np.ndarray] | None) -> float:
    """Returns the mean of (N_2 - N_1) / N_2 over the rounds of a run that have it; NaN if none has."""
    labelled_T, accuracy_T = curve_of(run)
    needed_T = np.array([against(partner, accuracy)["equivalent"] for accuracy in accuracy_T])
    saving_T = (needed_T - labelled_T) / needed_T
    return float(np.nanmean(saving_T)) if np.isfinite(saving_T).any() else float("nan")
