"""The tables of Emam et al. 2021, whose rows are acquisitions: in the shape of a table of methods."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from calrun.report.verdict.printed import CELLS, PaperTable, printed

EMAM = "emam2021"
OURS = {"base": "base_balanced", "vaal": "vaal_emam"}  # options whose names are not the paper's
SHOWN = "acquisitions compared"  # in place of the one acquisition of a table of methods
TOP = {"top_1_acc": "top-1", "top_5_acc": "top-5"}
WITHOUT, WITH = "random weights", "pre-trained"
TABLE_1_LABELS = 288_262  # 25 % of the training pictures that are left beside 10 % for validation
TABLE_1_REMARK = (
    "printed as 50%, +1.5% and +16.65% over random; the running text counts 18.15 points, which is over VAAL's 1.5"
)


def emam_table(name: str, number: str) -> PaperTable | None:
    """Returns one of the paper's tables; `None` if it prints no such one."""
    tables = {"1": pretraining_table, "2": share_table}
    if number not in tables:
        return None
    document = printed(EMAM)
    return tables[number](name, f"{document['short']}, Table {number}", document["tables"][number])


def share_table(name: str, source: str, table: Mapping[str, Any]) -> PaperTable:
    """Returns Table 2: top-1 and top-5 accuracy of BASE and random by the number of labels."""
    budgets = list(dict.fromkeys(budget for _, budget, *_ in table["rows"]))
    labels = dict(zip(budgets, table["labels"], strict=True))
    cells = [
        cell(OURS.get(acquisition, acquisition), budget, TOP[metric], labels[budget], mean, bold)
        for acquisition, budget, metric, mean, bold in table["rows"]
    ]
    model = "EsViT, linear evaluation"
    return PaperTable(
        *(name, source, table["dataset"], model, SHOWN, pd.DataFrame(cells, columns=CELLS)),
        measured=by_top,
        **setting_of(table),
    )


def setting_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the paper ran, and what the recipe does otherwise."""
    return {"setting": table["setting"], "differs": tuple(table["differs"])}


def by_top(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns runs with top-1 and with top-5 accuracy (record.metrics=[top5]) as the accuracy."""
    ours = by_acquisition(runs)
    top5 = ours.assign(accuracy=ours["top5"]).dropna(subset=["accuracy"]) if "top5" in ours else ours[:0]
    return {"top-1": ours, "top-5": top5}


def pretraining_table(name: str, source: str, table: Mapping[str, Any]) -> PaperTable:
    """Returns Table 1, with gains added to random's accuracy."""
    rows = {
        (OURS.get(acquisition, acquisition), WITH if ssp else WITHOUT): str(printed_as)
        for acquisition, ssp, printed_as in table["rows"]
    }
    base = float(rows["random", WITHOUT].rstrip("%"))
    cells = []
    for (acquisition, start), printed_as in rows.items():
        number = float(printed_as.rstrip("%"))
        mean = base + number if printed_as.startswith("+") else number
        cells.append(cell(acquisition, table["budget"], start, TABLE_1_LABELS, mean, bold=False))
    frame = pd.DataFrame(cells, columns=CELLS)
    remarks = {"vaal_emam": TABLE_1_REMARK}
    return PaperTable(
        *(name, source, table["dataset"], "resnet50", SHOWN, frame, remarks), measured=by_start, **setting_of(table)
    )


def by_start(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns runs from random weights, and runs from a file; nothing while there are not both to tell them apart."""
    ours = by_acquisition(runs)
    settings = [dict(pair.split("=", 1) for pair in text.split(", ") if "=" in pair) for text in ours["variant"]]
    path = pd.Series([own.get("path") for own in settings], index=ours.index, dtype=object)
    if not path.notna().any():
        return {}
    from_file = path.notna() & (path != str(None))
    return {WITHOUT: ours[~from_file].assign(variant=""), WITH: ours[from_file].assign(variant="")}


def by_acquisition(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns runs whose acquisitions stand where methods do."""
    return runs.assign(method=runs["acquisition"], acquisition=SHOWN)


def cell(acquisition: str, budget: str, test_set: str, labelled: float, mean: float, bold: bool) -> tuple[Any, ...]:
    """Returns a row of CELLS; the paper prints no deviations."""
    nan = float("nan")
    return acquisition, "", budget, test_set, labelled, mean, nan, nan, bold, ""
