"""MC-Dropout is entropy of the mean over dropout passes, by the option that entropy has for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from calrun.acquisition.base import Candidates
from tests.acquisition.test_contract import config


def test_the_entropy_of_the_mean_by_its_formula() -> None:
    passes_NTC = (3 * torch.randn(40, 10, 5, generator=torch.Generator().manual_seed(0))).log_softmax(dim=2)
    scores = []
    for row in passes_NTC.double():
        mean = sum(one.exp() for one in row) / 10
        scores.append(-sum(float(p) * float(p.log()) for p in mean))
    acquisition = instantiate(config("mc_dropout").acquisition)
    assert acquisition.num_mc_samples == 10
    rows = acquisition.select(Candidates(np.arange(40), {"mc_log_probs": passes_NTC}), 40, np.random.default_rng(0))
    assert rows.tolist() == np.argsort(-np.array(scores), kind="stable").tolist()


def test_where_nearly_nothing_is_dropped_it_is_plain_entropy(
    configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    words = ("model.dropout=1e-9", "budget.rounds=2", "acquisition=entropy")
    play_in(tmp_path / "entropy", configure(*words))
    seen: list[torch.Tensor] = []

    def watch(exp: Any) -> None:
        select = exp.acquisition.select

        def told(candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
            samples_NTC = candidates.mc_log_probs_NKC
            seen.append(samples_NTC)
            samples_NTC[:, 0] += 1e-6  # or identical samples would be refused
            rows: np.ndarray = select(candidates, budget, rng)
            return rows

        exp.acquisition.select = told

    play_in(tmp_path / "dropout", configure(*words, "acquisition=mc_dropout"), prepare=watch)
    assert seen[0].shape[1] == 10
    assert torch.equal(seen[0][:, 1], seen[0][:, 9])
    picks = [(tmp_path / name / "picks.csv").read_text() for name in ("entropy", "dropout")]
    assert picks[0] == picks[1]


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_a_run_takes_p_from_the_model(play: Callable[..., Any], p: float) -> None:
    answer = play("acquisition=mc_dropout", "acquisition.num_mc_samples=4", f"model.dropout={p}", "method=cal_er")
    assert answer.code == 0, answer.err


def test_a_model_without_dropout_is_refused(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    said = refusal("run", *small, "acquisition=mc_dropout", "model.dropout=0")
    assert "wants a network with dropout, but this model has none" in said
