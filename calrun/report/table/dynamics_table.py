"""How hard the rows were that each line trained on in its last round (record.dynamics)."""

from collections.abc import Iterator, Mapping

import pandas as pd

from calrun.report.draw.maps import dynamics_of_lines
from calrun.report.draw.panels import Panel
from calrun.report.measure.hardness import BY_MEAN, IMAGENET_MEANS, binned
from calrun.report.table.tables import Cell, Table

HARDNESS = (IMAGENET_MEANS, BY_MEAN)


def dynamics_table(panel: Panel, dynamics: Mapping[str, pd.DataFrame]) -> Iterator[Table]:
    """Yields means over rows by line, or nothing if no run recorded its dynamics."""
    rows = []
    for name, frame, n in dynamics_of_lines(panel, dynamics):
        values = [
            frame["confidence"].mean(),
            frame["variability"].mean(),
            frame["correctness"].mean(),
            frame["forgotten"].mean(),
            100 * (frame["correctness"] == 0).mean(),
            *(100 * len(rows) / len(frame) for rows in binned(frame["confidence"].to_numpy(), *HARDNESS).values()),
        ]
        texts = [*(f"{value:.3f}" for value in values[:4]), *(f"{value:.1f}" for value in values[4:])]
        cells = [Cell(text, float(value)) for text, value in zip(texts, values, strict=True)]
        rows.append([Cell(name), Cell(str(n)), *cells])
    if rows:
        yield Table(
            title=f"{panel.title}: rows of the last round's training",
            name=f"{panel.name}-dynamics",
            groups=[("", 1), ("", 1), ("mean over rows", 4), ("", 1), ("rows in %, by confidence", 4)],
            columns=[
                panel.rows, "n", "confidence", "variability", "correctness", "forgetting events", "never right in %",
                *BY_MEAN,
            ],
            rows=rows,
            notes=[
                "Of the probability of the true label in training mode over all visits of a row: confidence is its "
                "mean, variability its standard deviation, correctness the share of right predictions. A forgetting "
                "event is a right prediction followed by a wrong one (Toneva et al. 2019). Runs of n seeds together.",
                "Where a proxy selects (SVP, SVPp, ASVP), these are the proxy's fits.",
                f"Easy: a confidence from {IMAGENET_MEANS[-1]} on; medium, hard: from {IMAGENET_MEANS[1]} and "
                f"{IMAGENET_MEANS[0]} on (Wen et al. 2024, for ImageNet)."
            ],
        )  # fmt: skip
