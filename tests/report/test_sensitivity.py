from collections.abc import Callable
from pathlib import Path

import pytest

from calrun.report.runs import read
from calrun.report.sensitivity import sensitivity_grid

MakeRun = Callable[..., Path]


def test_grid_over_two_keys(make_run: MakeRun, tmp_path: Path) -> None:
    for sigma in (0.1, 1):
        for weight in (1, 5):
            for seed in (0, 1):
                leaves = {"method": {"sigma": sigma, "lambda": weight}}
                make_run([sigma / 10 + seed / 10], seed=seed, tag=f"{sigma}-{weight}", leaves=leaves)
    runs = read([tmp_path])
    grid = sensitivity_grid(runs.table, runs.configurations, ("method.sigma", "method.lambda"), labelled=100)
    assert len(grid) == 4
    assert grid["n"].tolist() == [2] * 4
    assert grid["mean"].tolist() == pytest.approx([0.06, 0.06, 0.15, 0.15])


def test_what_else_differs_is_not_averaged_away(make_run: MakeRun, tmp_path: Path) -> None:
    for weight in (1, 5):
        make_run([0.5], tag=weight, leaves={"method": {"sigma": 1, "lambda": weight}})
    runs = read([tmp_path])
    with pytest.raises(ValueError, match="add the other key"):
        sensitivity_grid(runs.table, runs.configurations, ("method.sigma",), labelled=100)
