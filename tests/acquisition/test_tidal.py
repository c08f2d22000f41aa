from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.acquisition.base import Candidates
from calrun.acquisition.tidal import COLUMN, Tidal, negative_margin
from calrun.experiment import Experiment
from calrun.method.fit.beside import HeadOptimizer
from calrun.part.dynamic_head import divergence
from calrun.part.taps import TapHeadOptions


def chosen(score: str, logits_NC: torch.Tensor, dynamics_NC: torch.Tensor) -> list[int]:
    columns = {"logits": logits_NC, COLUMN: dynamics_NC}
    acquisition = Tidal(1.0, score, TapHeadOptions(), HeadOptimizer())
    columns = {name: columns[name] for name in acquisition.needs}
    rows = acquisition.select(Candidates(np.arange(len(logits_NC)), columns), 99, np.random.default_rng(0))
    return rows.tolist()


def both() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(20, 4, generator=generator), 2 * torch.randn(20, 4, generator=generator)


def test_entropy_of_the_predicted_dynamics() -> None:
    logits_NC, dynamics_NC = both()
    q_NC = dynamics_NC.double().softmax(dim=1)
    expected = (-q_NC * q_NC.log()).sum(dim=1).argsort(descending=True)
    assert chosen("entropy", logits_NC, dynamics_NC) == expected.tolist()


def test_aum_by_the_authors_loop() -> None:
    logits_NC, dynamics_NC = both()
    scores = []
    for logits, q in zip(logits_NC, dynamics_NC.double().softmax(dim=1), strict=True):
        own = int(logits.argmax())
        others = [q[c] for c in range(4) if c != own]
        scores.append(-(q[own] - max(others)))
    assert chosen("aum", logits_NC, dynamics_NC) == torch.stack(scores).argsort(descending=True).tolist()


def test_a_margin_by_hand() -> None:
    dynamics = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]).log()
    logits = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(negative_margin(dynamics, logits), torch.tensor([-0.5, 0.6]))


def test_its_head_comes_nearer_to_the_mean_predictions(
    configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    found = {}
    for epochs in (1, 30):
        kept: list[Experiment] = []
        words = ("acquisition=tidal", "stop=fixed_epochs", "optimizer.lr=0.05", "budget.start=60", "budget.rounds=1")
        play_in(tmp_path / str(epochs), configure(*words, f"trainer.max_epochs={epochs}"), prepare=kept.append)
        exp = kept[0]
        _, x = next(exp.data.train.batches(exp.pool.labelled, 60))
        with torch.no_grad():
            predicted_LC = exp.acquisition.head.logits(exp.method.evaluated().eval()(x))
        found[epochs] = divergence(exp.acquisition.recorder.mean_LC, predicted_LC).item()
    assert found[30] < found[1] or found[30] < 0.1


@pytest.mark.parametrize("words", [("acquisition.score=aum",), ("method=cal_der",), ("method=finetune_new",)])
def test_it_plays_with_other_options_and_methods(play: Callable[..., Any], words: tuple[str, ...]) -> None:
    answer = play("acquisition=tidal", *words)
    assert answer.code == 0, answer.err


def test_what_does_not_fit_is_refused(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    words = ("run", *small, "acquisition=tidal")
    assert "acquisition.score wants entropy or aum, got 'margin'" in refusal(*words, "acquisition.score=margin")
    assert "acquisition.weight wants at least 0, got -2" in refusal(*words, "acquisition.weight=-2")
