"""How many rows BatchNorm sees at the end of an epoch, in each process and of each network."""

from collections.abc import Callable
from typing import Any

import pytest

from calrun.check.few_rows import fewest, own_rows
from calrun.experiment import build
from calrun.part.setup import FitWork


@pytest.mark.parametrize(("num_rows", "processes", "wanted"), [(12, 1, 12), (12, 2, 6), (13, 4, 3), (7, 4, 7)])
def test_processes_share_a_step_unless_it_is_too_small(num_rows: int, processes: int, wanted: int) -> None:
    assert own_rows(num_rows, processes) == wanted


def test_the_smallest_of_two_networks_counts() -> None:
    assert fewest(FitWork()) is None
    assert fewest(FitWork(least_normalised=9, proxy=FitWork(least_normalised=4))) == 4
    assert fewest(FitWork(proxy=FitWork(least_normalised=4))) == 4


def test_a_step_that_is_large_enough_for_one_process_is_not_for_four(configure: Callable[..., Any]) -> None:
    words = ("model=cnn", "trainer.batch_size=50", "budget.start=70", "budget.rounds=1")
    assert not build(configure(*words)).cautions
    (caution,) = build(configure(*words, "trainer.processes=4")).cautions
    assert "fewer than 16 rows for each process (the smallest has 5)" in caution


def test_a_proxy_ends_its_epochs_with_few_rows_too(configure: Callable[..., Any]) -> None:
    words = ("model=cnn", "method=svpp", "method.sight.batch_size=20", "budget.start=24", "budget.rounds=1")
    assert any("(the smallest has 4)" in each for each in build(configure(*words)).cautions)
