"""What every budget option must obey."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

CONF = Path(__file__).parents[2] / "conf" / "budget"
OPTIONS = sorted(path.stem for path in CONF.glob("*.yaml"))
CHOICES: dict[str, dict[str, Any]] = {  # what the user must choose
    "counts": {"start": 20, "rounds": 3},
    "explicit": {"labels": [0.1, 0.5]},
    "piecewise": {"segments": [{"until": 20, "step": 10}, {"until": 60, "step": 20}]},
}
POOL_SIZE = 2_000_000


@pytest.mark.parametrize("option", OPTIONS)
def test_rounds_grow_and_stay_within_the_pool(option: str) -> None:
    cfg = OmegaConf.merge(OmegaConf.load(CONF / f"{option}.yaml"), CHOICES.get(option, {}))
    sizes = instantiate(cfg).sizes(POOL_SIZE)
    assert all(type(size) is int for size in sizes)
    assert all(before < size for before, size in pairwise([0, *sizes]))
    assert sizes[-1] <= POOL_SIZE


@pytest.mark.parametrize(
    ("option", "rounds", "first", "last"),
    [
        ("fmnist", 6, 3_500, 21_000),
        ("cifar10", 10, 2_500, 25_000),
        ("dermamnist", 10, 350, 3_500),
        ("amazon", 20, 50_000, 1_000_000),
        ("cola", 20, 50, 1_000),
    ],
)
def test_the_grids_are_those_of_the_cal_paper(option: str, rounds: int, first: int, last: int) -> None:
    """The last budgets are 30 % of 70,000, 50 % of 50,000, half of 7,007 (a tail beyond 30 %), 50 % of 2,000,000."""
    sizes = instantiate(OmegaConf.load(CONF / f"{option}.yaml")).sizes(POOL_SIZE)
    assert (len(sizes), sizes[0], sizes[-1]) == (rounds, first, last)


def test_counts_step_by_their_start_unless_told() -> None:
    cfg = OmegaConf.load(CONF / "counts.yaml")
    cfg.start, cfg.rounds = 40, 3
    assert instantiate(cfg).sizes(1_000) == [40, 80, 120]
    cfg.step = 10
    assert instantiate(cfg).sizes(1_000) == [40, 50, 60]
