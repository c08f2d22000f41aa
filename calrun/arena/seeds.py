"""`calrun plan --detect D`: the seeds that tell D points apart, from the spread of paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from calrun.report.measure.power import MOST_SEEDS, POWER, detectable, seeds_needed
from calrun.report.page.render import to_text
from calrun.report.table.plain import encoding_of, say
from calrun.report.table.tables import Cell, Table

BANK = Path("outputs/arena")
VERSUS = "versus-random-*.csv"
COMPARISONS = (1, 4, 7, 25)
SHOWN_SEEDS = (3, 5, 10, 20)  # whose smallest difference is shown beside
QUANTILES = {"half of the pairs": 0.5, "nine in ten": 0.9}


@dataclass(frozen=True)
class Spread:
    """Standard deviations of paired differences over seeds, in points, and what they are of."""

    what: str
    points: dict[str, float]


def show_seeds(words: Sequence[str], detect: float | None, sd: float | None, bank: Path | None) -> None:
    """Prints the seeds for each spread and number of comparisons.

    Raises:
        ValueError: if the words of a configuration are there too, `detect` is missing, or as `seeds_table`.
    """
    if words or detect is None:
        raise ValueError(
            "calrun plan --detect POINTS takes --sd or --bank, and no configuration"
            + (f", got {words[0]!r}" if words else ", but --detect is missing")
        )
    console = Console(highlight=False)
    say(console, to_text(seeds_table(detect, sd, bank), console.width, encoding_of(console)))


def seeds_table(detect: float, sd: float | None, bank: Path | None) -> Table:
    """Returns the seeds for each spread and number of comparisons.

    Args:
        detect: the difference in points.
        sd: the spread, if it is known.
        bank: the folder of an arena, whose pairs give it otherwise.

    Raises:
        ValueError: if a number is out of range, or no spread is known.
    """
    if not 0 < detect < 100:
        raise ValueError(f"--detect wants points of accuracy above 0 and below 100, got {detect:g}")
    spread = given_spread(sd) if sd is not None else bank_spread(BANK if bank is None else bank)
    rows = [
        seeds_row(detect, name, points, comparisons)
        for name, points in spread.points.items()
        for comparisons in COMPARISONS
    ]
    heads = ["spread of", "points", "comparisons", f"seeds for {detect:g}", *(f"{seeds}" for seeds in SHOWN_SEEDS)]
    groups = [("", 4), ("difference that this many seeds find", len(SHOWN_SEEDS))]
    notes = [
        f"A true difference is found with {POWER:.0%} power by a paired t-test over seeds, two-sided at 5 %, Holm's "
        "first step among the comparisons of a table.",
        f"Spread: standard deviation of differences paired by seed, {spread.what}.",
    ]
    return Table(f"Seeds that tell {detect:g} points apart", "seeds", groups, heads, rows, notes)


def seeds_row(detect: float, name: str, points: float, comparisons: int) -> list[Cell]:
    """Returns the row of a spread and a number of comparisons."""
    needed = seeds_needed(detect / points, comparisons)
    said = f"over {MOST_SEEDS:,}" if needed is None else f"{needed:,}"
    found = [points * detectable(seeds, comparisons) for seeds in SHOWN_SEEDS]
    cells = [Cell(name), Cell(f"{points:.2f}", points), Cell(str(comparisons), float(comparisons)), Cell(said)]
    return [*cells, *(Cell(f"{value:.2f}", value) for value in found)]


def given_spread(sd: float) -> Spread:
    """Returns a spread that is given.

    Raises:
        ValueError: if it is not above 0.
    """
    if not 0 < sd < 100:
        raise ValueError(f"--sd wants points above 0 and below 100, got {sd:g}")
    return Spread("as given", {"as given": sd})


def bank_spread(bank: Path) -> Spread:
    """Returns the spread of all pairs with random that an arena holds.

    Raises:
        ValueError: if there is no arena there, or its pairs have no spread.
    """
    files = sorted(bank.glob(VERSUS))
    if not files:
        raise ValueError(
            f"--detect wants the spread of differences over seeds, but no arena has written {bank / VERSUS}; give it "
            "as --sd POINTS, or name the arena's folder by --bank"
        )
    known = pd.concat([pd.read_csv(path) for path in files])
    known = known[known["sd"] > 0]
    if known.empty:
        raise ValueError(f"the arena in {bank} has no pair of two seeds; play more (--seeds), or give --sd POINTS")
    points = {
        f"{budget} budget, {name}": float(own.quantile(share))
        for budget, own in known.groupby("budget")["sd"]
        for name, share in QUANTILES.items()
    }
    return Spread(f"{len(known):,} pairs with random in {bank}", points)
