"""Which measures of calibration the runs of a panel have recorded (record.metrics=[ece,brier,nll]); lower is better."""

from typing import NamedTuple

import pandas as pd

from calrun.report.draw.panels import Panel


class Measure(NamedTuple):
    """How a measure is shown: its name, the factor on its values, its unit, and the digits after the point."""

    name: str
    factor: int
    unit: str
    digits: int

    @property
    def heading(self) -> str:
        return f"{self.name} in {self.unit}" if self.unit else self.name


MEASURES = {  # by the column of the tidy table
    "ece": Measure("ECE", 100, "%", 1),
    "brier": Measure("Brier score", 1, "", 3),
    "nll": Measure("NLL", 1, "nats", 3),
}


def recorded_measures(runs: pd.DataFrame) -> dict[str, Measure]:
    """Returns those measures of which some run has a number."""
    return {column: measure for column, measure in MEASURES.items() if column in runs and runs[column].notna().any()}


def by_calibration(panel: Panel) -> dict[str, tuple[Measure, Panel]]:
    """Returns, by column, each recorded measure and the panel measured by it."""
    found = recorded_measures(panel.runs)
    return {column: (measure, panel.measured_by(column, measure.name)) for column, measure in found.items()}
