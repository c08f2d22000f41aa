"""How evenly the labels fall on the classes (Emam et al. 2021: Fig. 2c and 2d, Fig. 3 and 7, App. B)."""

import numpy as np
import pandas as pd

from calrun.folder.round_line import imbalance_ratio, label_entropy
from calrun.report.measure.curves import LINE


def balance_by_budget(table: pd.DataFrame) -> pd.DataFrame:
    """Returns for each line and budget the mean, std and n over seeds of imbalance ratio and label entropy.

    Worked out from the class counts. A ratio is infinite while a class has no labels, and then so is its mean.
    """
    known = table[table["class_counts"].notna()]
    counts = list(known["class_counts"])
    known = known.assign(
        imbalance_ratio=[imbalance_ratio(counts_C) for counts_C in counts],
        label_entropy=[label_entropy(counts_C) for counts_C in counts],
    )
    groups = known.groupby([*LINE, "labelled"])
    with np.errstate(invalid="ignore"):
        return groups.agg(
            imbalance_ratio=("imbalance_ratio", "mean"),
            imbalance_ratio_std=("imbalance_ratio", "std"),
            label_entropy=("label_entropy", "mean"),
            label_entropy_std=("label_entropy", "std"),
            n=("seed", "size"),
        ).reset_index()


def class_histograms(table: pd.DataFrame) -> pd.DataFrame:
    """Returns mean labels by class for each line and round (Emam et al., Fig. 3).

    Columns: class, labels (so far), bought (in this round), n. Classes are in the order of their index; the figure
    sorts them.
    """
    known = table[table["class_counts"].notna()]
    rows = []
    for keys, runs in known.groupby([*LINE, "labelled"]):
        means_C = np.mean([np.asarray(counts, float) for counts in runs["class_counts"]], axis=0)
        rows += [(*keys, number, labels, len(runs)) for number, labels in enumerate(means_C)]
    frame = pd.DataFrame(rows, columns=[*LINE, "labelled", "class", "labels", "n"])
    frame["bought"] = frame.groupby([*LINE, "class"])["labels"].diff().fillna(frame["labels"])
    return frame
