"""The numbers that the papers print, as tables to compare ours with; read from calrun/report/verdict/paper/*.yaml."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import pandas as pd
import yaml

from calrun.report.measure.robustness import above_baseline, by_corruption
from calrun.report.verdict.claims import Claim, claims
from calrun.report.verdict.corrupted import corruption_claims, difference_claims

CAL = "das2023"
CELLS = ["method", "variant", "budget", "test_set", "labelled", "mean", "std", "speed_up", "bold", "suspect"]
MAIN_TABLES, MAIN_ACQUISITION = ("1", "2", "3", "4", "5", "6"), "entropy"  # one data set each
OTHERS = {  # papers whose tables have another shape, by the folder of their recipes
    "emam": ("calrun.report.verdict.selections", "emam_table"),
    "wen": ("calrun.report.verdict.alignments", "wen_table"),
    "disal": ("calrun.report.verdict.supplement", "disal_table"),
    "beck": ("calrun.report.verdict.protocols", "beck_table"),
}
CLEAN, ALL_CORRUPTED = "", "mean of all"  # test sets of cells that are not one of the corrupted ones


@dataclass(frozen=True)
class PaperTable:
    """A printed table: what it was run on, and a row of `cells` per method and budget (accuracies in percent).

    Columns of `cells`: CELLS. std and speed_up are NaN if none is printed, labelled if the paper's code is not public;
    suspect says why a printed number is likely wrong, else ''. `remarks` say, by method, what the text does not.

    Args:
        quantity: what the numbers are.
        differences: whether they are differences, of which the sign is compared.
        times: whether they are seconds of another machine, of which only a factor is compared.
        measured: returns, of the table of runs and for each test set of the cells, rows whose `accuracy` is compared.
        claimed: answers the paper's claims from cells, and from the least accuracy at which AL has learnt anything.
        sets: what the test sets of the cells are called.
        setting: what the paper ran, in a sentence.
        differs: what the recipe does otherwise than the paper, or leaves open because the paper does.
    """

    name: str
    source: str
    dataset: str
    model: str
    acquisition: str
    cells: pd.DataFrame
    remarks: dict[str, str] = field(default_factory=dict)
    quantity: str = "test accuracy in %"
    differences: bool = False
    times: bool = False
    measured: Callable[[pd.DataFrame], dict[str, pd.DataFrame]] = lambda table: {CLEAN: table}
    claimed: Callable[[pd.DataFrame, float], list[Claim]] = claims
    sets: str = "test set"
    setting: str = ""
    differs: tuple[str, ...] = ()

    @property
    def is_corrupted(self) -> bool:
        """Whether its numbers are of corrupted test sets."""
        return self.measured is by_corruption or self.differences

    @property
    def has_sets(self) -> bool:
        """Whether its numbers are of several test sets, or of other parts that stand in their place."""
        return bool((self.cells["test_set"] != CLEAN).any())


@cache
def printed(paper: str) -> dict[str, Any]:
    """Returns everything one paper prints."""
    text = files("calrun.report.verdict.paper").joinpath(f"{paper}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def paper_table(name: str) -> PaperTable | None:
    """Returns the printed numbers of an experiment such as cal/table1; `None` if the paper prints none (a figure)."""
    paper, _, number = name.partition("/")
    number = number.removeprefix("table")
    if paper in OTHERS:
        module, function = OTHERS[paper]
        found: PaperTable | None = getattr(import_module(module), function)(name, number)
        return found
    if paper != "cal" or not number:
        return None
    document = printed(CAL)
    source = f"{document['short']}, Table {number}"
    if number in document["sensitivity"]:
        cells = sensitivity_cells(document["sensitivity"][number])
        return PaperTable(name, source, "cifar10", "resnet18", MAIN_ACQUISITION, cells, **cal_setting("cifar10"))
    if number in CORRUPTED:
        return CORRUPTED[number](name, source)
    if number not in document["tables"]:
        return None
    table = document["tables"][number]
    cells = table_cells(table)
    return PaperTable(
        *(name, source, table["dataset"], table["model"], table["acquisition"], cells, document["remarks"]),
        **cal_setting(table["dataset"]),
    )


def cal_setting(dataset: str) -> dict[str, Any]:
    """Returns what Das et al. 2023 ran on a data set, and what every recipe of theirs does otherwise."""
    document = printed(CAL)
    return {"setting": document["settings"][dataset], "differs": tuple(document["differs"])}


def table_cells(table: dict[str, Any]) -> pd.DataFrame:
    suspects = {(item["method"], item["budget"], item["number"]): item["why"] for item in table.get("suspect", [])}
    rows = []
    for method, numbers in table["methods"].items():
        for place, budget in enumerate(table["budgets"]):
            why = [suspects[key] for kind in ("accuracy", "speed_up") if (key := (method, budget, kind)) in suspects]
            rows.append(
                {
                    "method": method,
                    "variant": "",
                    "budget": budget,
                    "test_set": CLEAN,
                    "labelled": table["labels"][place] if table["labels"] else float("nan"),
                    "mean": numbers["accuracy"][place],
                    "std": numbers["std"][place],
                    "speed_up": numbers["speed_up"][place] if "speed_up" in numbers else float("nan"),
                    "bold": budget in numbers.get("bold", []),
                    "suspect": "; ".join(why),
                }
            )
    return pd.DataFrame(rows, columns=CELLS)


def sensitivity_cells(grid: dict[str, Any]) -> pd.DataFrame:
    """Returns the cells of Tables 9 and 10; the variant is in the words of our configuration."""
    if "alpha" in grid:
        values = [(f"alpha={alpha}", mean) for alpha, mean in zip(grid["alpha"], grid["accuracy"], strict=True)]
    else:
        values = [
            (f"sigma={sigma}, uncertainty_weight={weight}", mean)
            for sigma, means in zip(grid["sigma"], grid["accuracy"], strict=True)
            for weight, mean in zip(grid["lambda"], means, strict=True)
        ]
    best = max(mean for _, mean in values)
    nan = float("nan")
    rows = [(grid["method"], name, "50%", CLEAN, 25000, mean, nan, nan, mean == best, "") for name, mean in values]
    return pd.DataFrame(rows, columns=CELLS)


def figure_points() -> pd.DataFrame:
    """Returns relative accuracy and speed-up by data set, method and budget of Tables 1-6 (Das et al., App. A.1)."""
    parts = []
    for number in MAIN_TABLES:
        table = paper_table(f"cal/table{number}")
        assert table is not None
        cells = table.cells
        base = cells[cells["method"] == "al"].set_index("budget")["mean"]
        relative = cells["mean"] / cells["budget"].map(base)
        parts.append(cells.assign(dataset=table.dataset, relative_accuracy=relative, time=cells["speed_up"]))
    columns = ["dataset", "method", "budget", "relative_accuracy", "time"]
    return pd.concat(parts, ignore_index=True)[columns]


def corrupted_table(name: str, source: str) -> PaperTable:
    """Returns Table 7: the accuracy on each corruption."""
    table, cells = printed(CAL)["corruptions"], corruption_cells()
    at = {"variant": "", "budget": table["budget"], "labelled": table["labels"], "test_set": cells["corruption"]}
    own = cells.assign(**at, speed_up=float("nan"), bold=False, suspect="")[CELLS]
    return PaperTable(
        *(name, source, table["dataset"], "resnet18", MAIN_ACQUISITION, own, printed(CAL)["remarks"]),
        **cal_setting(table["dataset"]),
        measured=by_corruption,
        claimed=corruption_claims,
    )


def difference_table(name: str, source: str) -> PaperTable:
    """Returns Table 8: the mean over the corruptions of each method's accuracy minus AL's."""
    table, nan = printed(CAL)["corruptions"], float("nan")
    rows = [
        (method, "", table["budget"], ALL_CORRUPTED, table["labels"], mean, nan, nan, False, "")
        for method, mean in printed(CAL)["mean_difference"].items()
    ]
    return PaperTable(
        *(name, source, table["dataset"], "resnet18", MAIN_ACQUISITION, pd.DataFrame(rows, columns=CELLS)),
        remarks=printed(CAL)["remarks"],
        **cal_setting(table["dataset"]),
        quantity="mean over corruptions of accuracy minus AL's, in points",
        differences=True,
        measured=lambda runs: {ALL_CORRUPTED: above_baseline(runs)},
        claimed=difference_claims,
    )


CORRUPTED = {"7": corrupted_table, "8": difference_table}


def corruption_cells() -> pd.DataFrame:
    """Returns Table 7 in the columns of `calrun.report.measure.robustness.corruption_table`."""
    table = printed(CAL)["corruptions"]
    rows = [
        (method, corruption.lower().replace(" ", "_"), mean, std)
        for corruption, means in table["accuracy"].items()
        for method, mean, std in zip(table["methods"], means, table["std"][corruption], strict=True)
    ]
    return pd.DataFrame(rows, columns=["method", "corruption", "mean", "std"])
