"""Regions of two choices, by hand.

Dimension key: N rows.
"""

import numpy as np

from calrun.acquisition.kernel.regions import regions, replaced_tail


def test_regions_divide_both_choices() -> None:
    rng = np.random.default_rng(0)
    full, proxy = rng.choice(200, 60, replace=False), rng.choice(200, 60, replace=False)
    found = regions(full, proxy, rng.random(200) < 0.6, rng.random(200) < 0.5)
    everything = np.concatenate([*found.values()])
    assert sorted(everything.tolist()) == sorted({*full.tolist(), *proxy.tolist()})
    assert sum(len(found[name]) for name in ("A1", "A2", "B1", "B2")) == len(found["C"]) + len(found["D"])


def test_each_region_by_hand() -> None:
    full_right = np.array([1, 1, 0, 0, 1, 0, 1], dtype=bool)
    proxy_right = np.array([0, 1, 0, 1, 0, 0, 1], dtype=bool)
    found = regions(np.array([0, 1, 2, 3, 6]), np.array([4, 5, 6]), full_right, proxy_right)
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "O": [6], "A1": [0], "A2": [1], "B1": [2], "B2": [3], "C": [4], "D": [5],
    }  # fmt: skip


def test_the_tail_of_a_choice_gives_way() -> None:
    chosen, region = np.array([5, 3, 8, 1]), np.array([3, 9, 7])
    assert replaced_tail(chosen, region, 0.0).tolist() == [5, 3, 8, 1]
    assert replaced_tail(chosen, region, 0.5).tolist() == [5, 3, 9, 7]
    assert replaced_tail(chosen, region, 1.0).tolist() == [5, 3, 9, 7]  # no more are to be had
