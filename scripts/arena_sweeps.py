"""Simulated sweeps: does the arena's table keep its level, and does it find what `calrun plan --detect` promises?

    python scripts/arena_sweeps.py --sweeps 10000

A sweep is one data set: a baseline and some acquisitions, normal differences over seeds with a standard deviation of 1
point. Without any difference, the share of sweeps with at least one claim must be 5 % at most; with one acquisition
better by the planned difference, the share of sweeps that find it must be 80 % at least.
"""

import argparse
import sys

import numpy as np

from calrun.arena.compare import BETTER, WORSE, decided, summary
from calrun.report.measure.power import ALPHA, POWER, seeds_needed
from calrun.rng import numpy_rng

PLANNED = ((0.5, 4), (1.0, 4), (1.0, 25), (2.0, 25), (1.0, 40))  # differences in points, comparisons


def main() -> int:
    """Prints a row for each plan; returns 1 if one does not keep its promise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=10_000)
    sweeps = parser.parse_args().sweeps
    print("difference  comparisons  seeds  a claim without a cause, %  found, %")
    kept = True
    for difference, comparisons in PLANNED:
        seeds = seeds_needed(difference, comparisons)
        assert seeds is not None
        false, found = (share(sweeps, shift, comparisons, seeds) for shift in (0.0, difference))
        print(f"{difference:10.1f}  {comparisons:11}  {seeds:5}  {100 * false:26.2f}  {100 * found:8.2f}")
        kept &= false <= ALPHA + margin(ALPHA, sweeps) and found >= POWER - margin(POWER, sweeps)
    return 0 if kept else 1


def share(sweeps: int, shift: float, comparisons: int, seeds: int) -> float:
    """Returns the share of sweeps with any claim, or, if the first acquisition is shifted, with that found better."""
    rng, counted = numpy_rng(0, 0, "arena sweeps", comparisons, seeds, int(1000 * shift)), 0
    for _ in range(sweeps):
        baseline_S = rng.normal(scale=0.5**0.5, size=seeds)
        values_MS = rng.normal(scale=0.5**0.5, size=(comparisons, seeds))
        values_MS[0] += shift
        rows = decided([summary(values_S - baseline_S) for values_S in values_MS], 1.0, ALPHA)
        answers = [row["answer"] for row in rows]
        counted += answers[0] == BETTER if shift else any(answer in (BETTER, WORSE) for answer in answers)
    return counted / sweeps


def margin(rate: float, sweeps: int) -> float:
    """Returns two standard errors of a share."""
    return float(2 * np.sqrt(rate * (1 - rate) / sweeps))


if __name__ == "__main__":
    sys.exit(main())
