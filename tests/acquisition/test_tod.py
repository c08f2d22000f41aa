from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.acquisition.base import Candidates
from calrun.acquisition.tod import Tod, discrepancy

NOW, BEFORE = 3 * torch.randn(2, 25, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def chosen(number: int, first_round: str = "random", seed: int = 0) -> list[int]:
    columns = {"logits": NOW, "previous_logits": BEFORE, "round_number": torch.tensor(number)}
    candidates = Candidates(np.arange(100, 125), columns)
    return Tod(first_round, weight=0.0, planned_epochs=2).select(candidates, 25, np.random.default_rng(seed)).tolist()


def test_half_the_squared_distance_of_the_predictions() -> None:
    expected = [0.5 * sum((p - q) ** 2 for p, q in zip(now, before, strict=True)) for now, before in
                zip(NOW.softmax(1).tolist(), BEFORE.softmax(1).tolist(), strict=True)]  # fmt: skip
    torch.testing.assert_close(discrepancy(NOW, BEFORE), torch.tensor(expected, dtype=torch.float64))


def test_it_is_symmetric_between_0_and_1_and_0_for_one_network() -> None:
    torch.testing.assert_close(discrepancy(NOW, BEFORE), discrepancy(BEFORE, NOW))
    assert discrepancy(NOW, NOW).abs().max() == 0
    opposite = torch.tensor([[100.0, 0.0]])
    assert discrepancy(opposite, opposite.flip(1)).item() == pytest.approx(1)


def test_what_has_moved_most_comes_first() -> None:
    assert chosen(2) == (100 + discrepancy(NOW, BEFORE).argsort(descending=True)).tolist()


def test_round_1_takes_random_rows_or_those_that_moved_least() -> None:
    assert chosen(1, "released") == (100 + discrepancy(NOW, BEFORE).argsort()).tolist()
    assert sorted(chosen(1)) == list(range(100, 125))
    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(1, seed=1)


@pytest.mark.parametrize("method", ["al", "al_ws", "cal_er"])
def test_a_run_compares_with_the_last_rounds_network(
    method: str, configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    words = ("acquisition=tod", f"method={method}", "stop=fixed_epochs", "budget.rounds=4")
    seen: list[Any] = []

    def watch(exp: Any) -> None:
        select = exp.acquisition.select

        def told(candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
            seen.append((candidates.rows, candidates.logits_NC.clone(), candidates.previous_logits_NC.clone()))
            rows: np.ndarray = select(candidates, budget, rng)
            return rows

        exp.acquisition.select = told

    play_in(tmp_path / "run", configure(*words), prepare=watch)
    for (rows, logits, _), (later, _, previous) in pairwise(seen):
        torch.testing.assert_close(previous, logits[np.isin(rows, later)])


def test_a_run_that_was_stopped_between_rounds_buys_the_same(
    configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    words = ("acquisition=tod", "method=al_ws")
    play_in(tmp_path / "whole", configure(*words))
    play_in(tmp_path / "later", configure(*words, "budget.rounds=2"))
    play_in(tmp_path / "later", configure(*words))
    assert (tmp_path / "whole" / "picks.csv").read_text() == (tmp_path / "later" / "picks.csv").read_text()


def test_another_first_round_is_refused(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    said = refusal("run", *small, "acquisition=tod", "acquisition.first_round=lowest")
    assert "acquisition.first_round wants random or released, got 'lowest'" in said
