"""On a complete table the effects are the mean differences, with intervals that hold seeds and sets apart."""

import numpy as np
import pandas as pd
import pytest

from calrun.arena.effects import effects


def cells(sets: int = 4, seeds: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(sets):
        for seed in range(seeds):
            base = 70 + 5 * number + rng.normal()
            for name, shift in (("random", 0.0), ("a", 2.0), ("b", -1.0)):
                rows.append(
                    {"set": str(number), "acquisition": name, "seed": seed, "value": base + shift + 0.3 * rng.normal()}
                )
    return pd.DataFrame(rows)


def test_effects_are_mean_differences_inside_their_intervals() -> None:
    table = cells()
    found, why = effects(table)
    assert why == ""
    wide = table.pivot(index=["set", "seed"], columns="acquisition", values="value")
    for row in found.itertuples():
        assert row.effect == pytest.approx((wide[row.acquisition] - wide["random"]).mean(), abs=1e-4)
        assert row.low < row.effect < row.high
    assert found.set_index("acquisition").loc["a", "low"] > 1.0


@pytest.mark.parametrize("table", [cells(sets=1), cells()[lambda own: own["acquisition"] != "a"]])
def test_too_little_is_said(table: pd.DataFrame) -> None:
    found, why = effects(table)
    assert found.empty
    assert "two data sets" in why


def test_rows_without_noise_do_not_break_the_table() -> None:
    table = cells()
    table["value"] = table["acquisition"].map({"random": 0.0, "a": 1.0, "b": 1.0})
    found, why = effects(table)
    assert why or np.allclose(found["effect"], 1.0)
