"""What our runs of a table were, in a sentence that stands beside the paper's own setting."""

from collections.abc import Iterable, Sequence
from typing import Any

from calrun.report.measure.stopping import num_stopped
from calrun.report.page.naming import short_value
from calrun.report.read.runs import Runs
from calrun.report.table.plain import printable

SHOWN = (  # keys of a configuration, and how their values are said
    ("optimizer.lr", "lr {}"),
    ("trainer.batch_size", "batch {}"),
    ("trainer.max_epochs", "at most {} epochs"),
    ("trainer.precision", "precision {}"),
)
MOST_VALUES = 3  # of one key; more are counted


def our_setting(runs: Runs) -> str:
    """Returns what the runs share, and the few values of what they do not: networks, training, seeds, devices."""
    configurations = [*runs.configurations.values()]
    leaves = [own.leaves for own in configurations]
    seeds = sorted({own.seed for own in configurations})
    parts = [
        f"{len(configurations)} run{'s' * (len(configurations) != 1)} of seed{'s' * (len(seeds) != 1)} {listed(seeds)}",
        *(listed(own.choices[group] for own in configurations) for group in ("dataset", "model", "optimizer")),
        *(form.format(listed(values)) for key, form in SHOWN if (values := [own[key] for own in leaves if key in own])),
        *([f"on {listed(devices)}"] if (devices := devices_of(runs)) else []),
        *([f"{stopped} stopped by stop_al"] if (stopped := num_stopped(runs.table)) else []),
    ]
    return ", ".join(part for part in parts if part)


def listed(values: Iterable[Any]) -> str:
    """Returns the distinct values in order, such as '20 or 64', or how many there are."""
    shown = list(dict.fromkeys(printable(short_value(value)) for value in values if value not in (None, "")))
    return " or ".join(shown) if len(shown) <= MOST_VALUES else f"{len(shown)} values from {shown[0]} to {shown[-1]}"


def devices_of(runs: Runs) -> Sequence[str]:
    return sorted(set(runs.table["device"].dropna().astype(str))) if "device" in runs.table else []
