"""The two numbers that the DISAL supplement (2024) prints, both of ImageNet100, and what it prints none of."""

import pandas as pd

from calrun.report.verdict.printed import CELLS, PaperTable, printed
from calrun.report.verdict.selections import SHOWN, by_acquisition, cell

DISAL, OWN = "disal2024", "disal_reconstructed"
FOLDER, NUMBERS = "disal/", "disal/imagenet100"
SECOND = "next best"
REMARKS = {
    OWN: "a reconstruction from what is public: the printed 68.16 are the authors' method",
    SECOND: "the best of the other acquisitions that were played; printed as 1.08 points below DISAL, without its name",
}


def disal_table(name: str, number: str) -> PaperTable | None:
    """Returns the two numbers of ImageNet100; `None` for the other data sets, of which there are only figures."""
    document = printed(DISAL)
    if number not in document["tables"]:
        return None
    table = document["tables"][number]
    means = {OWN: table["accuracy"], SECOND: table["accuracy"] - table["above_second_best"]}
    cells = [cell(own, table["budget"], "", table["labels"], mean, own == OWN) for own, mean in means.items()]
    return PaperTable(
        *(name, f"{document['short']}, Sec. 2.1", table["dataset"], table["model"], SHOWN),
        pd.DataFrame(cells, columns=CELLS),
        REMARKS,
        measured=with_second_best,
        setting=table["setting"],
        differs=tuple(table["differs"]),
    )


def with_second_best(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns the runs of each acquisition, and those of the best but the reconstruction once more under a new name."""
    ours = by_acquisition(runs)
    others = ours[ours["method"] != OWN]
    if others.empty:
        return {"": ours}
    last = others[others["labelled"] == others["labelled"].max()]
    best = last.groupby("method")["accuracy"].mean().idxmax()
    second = others[others["method"] == best]
    second = second.assign(method=SECOND, run_id=[f"{own}-again" for own in second["run_id"]])
    return {"": pd.concat([ours, second], ignore_index=True)}


def remark(name: str) -> str:
    """Returns which numbers there are for a recipe of the supplement; '' for other recipes."""
    if not name.startswith(FOLDER):
        return ""
    both = (
        f"two numbers are printed, both at 20,000 labels of {NUMBERS}: DISAL 68.16 %, 1.08 points above the next best"
    )
    return f"{name}: {both}" + ("" if name == NUMBERS else "; none of this data set, which has only a figure")
