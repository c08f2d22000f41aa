"""Answers follow from interval and correction, and simulated sweeps keep their promise."""

import numpy as np
import pandas as pd

from calrun.arena.compare import BETTER, OPEN, SAME, WORSE, decided, summary, versus
from calrun.report.measure.power import seeds_needed


def share(rng: np.random.Generator, sweeps: int, seeds: int, shift: float) -> float:
    """Returns the share of sweeps over 25 acquisitions with any claim, or that find the one that is shifted.

    The differences of pairs have a standard deviation of 1.
    """
    counted = 0
    for _ in range(sweeps):
        values = rng.normal(scale=0.5**0.5, size=(26, seeds))
        values[1] += shift
        rows = decided([summary(own - values[0]) for own in values[1:]], asked=1.0, alpha=0.05)
        answers = [row["answer"] for row in rows]
        counted += answers[0] == BETTER if shift else any(answer in (BETTER, WORSE) for answer in answers)
    return counted / sweeps


def test_a_few_sweeps_hold_the_level_and_the_power() -> None:
    rng = np.random.default_rng(0)
    seeds = seeds_needed(1.5, comparisons=25)
    assert seeds is not None
    assert share(rng, 60, seeds, shift=0.0) <= 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5
    assert share(rng, 60, seeds, shift=1.5) >= 0.8 - 3 * (0.8 * 0.2 / 60) ** 0.5


def test_answers_follow_from_interval_and_correction() -> None:
    rng = np.random.default_rng(3)
    shifts = {"far": 5.0, "near": 0.0, "wide": 0.0, "below": -5.0}
    spread = {"far": 0.1, "near": 0.1, "wide": 3.0, "below": 0.1}
    base = rng.normal(size=10)
    rows = [
        {
            "budget": "low",
            "set": "a",
            "acquisition": name,
            "seed": seed,
            "value": base[seed] + shift + spread[name] * noise,
        }
        for name, shift in shifts.items()
        for seed, noise in enumerate(rng.normal(size=10))
    ]
    rows += [
        {"budget": "low", "set": "a", "acquisition": "random", "seed": seed, "value": base[seed]} for seed in range(10)
    ]
    found = versus(pd.DataFrame(rows), "random", asked=1.0).set_index("acquisition")["answer"]
    assert found.to_dict() == {"far": BETTER, "near": SAME, "wide": OPEN, "below": WORSE}


def test_a_missing_seed_drops_its_pair() -> None:
    rng = np.random.default_rng(0)
    rows = [("low", "a", name, seed, rng.normal()) for name in ("random", "b", "c") for seed in range(10)]
    cells = pd.DataFrame(rows, columns=["budget", "set", "acquisition", "seed", "value"])
    cells.loc[(cells["acquisition"] == "b") & (cells["seed"] == 4), "value"] = np.nan
    found = versus(cells.sample(frac=1, random_state=0), "random", 1.0)
    assert found.set_index("acquisition")["n"].to_dict() == {"b": 9, "c": 10}
