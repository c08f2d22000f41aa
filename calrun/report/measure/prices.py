"""What a choice costs in money, if prices are given: labels bought and training paid (Wen et al. 2024, Sec. 6.2)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.draw.style import style_of
from calrun.report.measure.efficiency import cost_at_equal_accuracy
from calrun.report.table.tables import MISSING, RANDOM, Cell, Table, percent


@dataclass(frozen=True)
class Prices:
    """The price of one label and of one hour of fitting, in one currency.

    Raises:
        ValueError: a price is not a finite number from 0 on, or both are 0.
    """

    label: float
    hour: float

    def __post_init__(self) -> None:
        for name, price in (("label", self.label), ("hour", self.hour)):
            if not (math.isfinite(price) and price >= 0):
                raise ValueError(f"report wants as --{name}-price a number from 0 on, got {price}")
        if self.label == self.hour == 0:
            raise ValueError("report wants one of --label-price and --hour-price above 0, both are 0")


def cost_table(panel: Panel, prices: Prices) -> Iterator[Table]:
    """Yields what each acquisition pays to be as good as random is at its end, or nothing if random was not run."""
    names = set(panel.runs["acquisition"])
    if panel.rows != "acquisition" or RANDOM not in names or len(names) < 2:
        return
    costs = cost_at_equal_accuracy(panel.runs, prices.label, prices.hour, RANDOM)
    rows = []
    for line, own in lines_of(costs, panel.rows):
        reached = own.dropna(subset=["cost"])
        ratio = percent(reached["cost_ratio"].mean(), reached["cost_ratio"].std(), len(reached))
        cost = Cell(f"{reached['cost'].mean():,.2f}", reached["cost"].mean()) if len(reached) else Cell(MISSING)
        seeds = f"{len(reached)} of {len(own)}"
        rows.append([Cell(label_of(line, panel.rows)), cost, ratio, Cell(seeds, len(reached))])
    label = style_of(RANDOM).label
    yield Table(
        title=f"{panel.title}: overall cost to reach {label}'s last accuracy",
        name=f"{panel.name}-cost",
        groups=[("", 1), ("", 3)],
        columns=[panel.rows, "cost", f"in % of {label}'s", "seeds that reach it"],
        rows=rows,
        notes=[
            f"Cost: labels x {prices.label:g} + hours of fitting x {prices.hour:g}; mean over these seeds, each "
            f"against the same seed of {label}; between rounds by interpolation.",
        ],
    )
