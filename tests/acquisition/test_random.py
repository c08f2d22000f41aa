import numpy as np
from scipy.stats import chisquare

from calrun.acquisition.base import Candidates
from calrun.acquisition.random import RandomRows


def drawn(rows: np.ndarray, budget: int, seed: int) -> list[int]:
    return RandomRows().select(Candidates(rows), budget, np.random.default_rng(seed)).tolist()


def test_every_row_is_drawn_equally_often() -> None:
    rows = np.arange(10, 18)
    counts = np.bincount([row for seed in range(2000) for row in drawn(rows, 3, seed)], minlength=18)[10:]
    assert chisquare(counts).pvalue > 1e-4


def test_a_larger_budget_extends_a_smaller_one() -> None:
    rows = np.arange(50)
    assert all(drawn(rows, budget + 1, seed=3)[:budget] == drawn(rows, budget, seed=3) for budget in range(50))


def test_different_seeds_draw_different_rows() -> None:
    assert drawn(np.arange(1000), 10, seed=0) != drawn(np.arange(1000), 10, seed=1)
