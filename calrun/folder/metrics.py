"""metrics.csv: the numbers of every round as a table; its columns are named here and nowhere else."""

from collections.abc import Iterable
from typing import Any

from calrun.folder.picks import csv_text

COLUMNS: dict[str, str] = {  # in their order; <...> stands for names that the run decides
    "round": "t, from 1",
    "rounds": "how many are planned",
    "labelled": "rows with a label",
    "labelled_fraction": "of the pool",
    "test/<set>/<metric>": "of each test set",
    "train_accuracy": "at the end of the fit",
    "steps": "of the optimizer",
    "epochs": "of all phases",
    "samples_forward": "rows that the fit sent forward",
    "samples_backward": "and backward",
    "stop_reason": "why the fit ended",
    "warning": "what makes the fit doubtful",
    "notes/<name>": "what method and acquisition say of themselves",
    "imbalance_ratio": "largest class over the smallest that occurs",
    "label_entropy": "in nats",
    "peak_memory_bytes": "so far",
    "device": "where it was played",
    "seconds/<phase>": "of fit, evaluate, score, select and commit",
    "cumulative_fit_seconds": "of all rounds so far",
    "energy_kwh": "of the fit, with record.energy=true",
}


def metrics_csv(lines: Iterable[dict[str, Any]]) -> str:
    """Returns the table of committed rounds, given their lines of rounds.jsonl."""
    rows = [flatten(line) for line in lines]
    names = dict.fromkeys(name for row in rows for name in row)
    order = [*COLUMNS, ""]
    header = sorted(names, key=lambda name: order.index(column_of(name)))  # stable
    return csv_text(header, [tuple(row.get(name, "") for name in header) for row in rows])


def column_of(name: str) -> str:
    """Returns the entry of the table that a column stands under; nothing for one of another version of calrun."""
    above = name.split("/")[0]
    return name if name in COLUMNS else next((column for column in COLUMNS if column.startswith(f"{above}/")), "")


def flatten(line: dict[str, Any], prefix: str = "") -> dict[str, float | int | str]:
    """Returns a round's numbers under names such as test/test/accuracy; lists are left out."""
    flat: dict[str, float | int | str] = {}
    for key, value in line.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}/")
        elif not isinstance(value, list):
            flat[prefix + key] = value
    return flat
