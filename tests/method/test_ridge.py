"""The head in closed form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from sklearn.linear_model import Ridge as Reference

from calrun.acquisition.kernel.ridge import inputs, ridge_weights
from calrun.experiment import build

WORDS = ("model=linear", "method=ridge")


def test_the_weights_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    x_LD, targets_L = torch.randn(30, 6, generator=generator), torch.arange(30) % 4
    weight_DC, inverse_DD = ridge_weights(inputs(x_LD), targets_L, 4, 0.3)
    theirs = Reference(alpha=0.3, fit_intercept=False).fit(inputs(x_LD).numpy(), np.eye(4)[targets_L])
    np.testing.assert_allclose(weight_DC.T.numpy(), theirs.coef_, atol=1e-10)
    gram_DD = inputs(x_LD).T @ inputs(x_LD) + 0.3 * torch.eye(7, dtype=torch.float64)
    torch.testing.assert_close(inverse_DD @ gram_DD, torch.eye(7, dtype=torch.float64))


def test_a_round_ends_with_the_head_of_all_its_labels(
    configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    cfg, kept = configure(*WORDS, "method.ridge=2.5"), []
    lines = play_in(tmp_path / "run", cfg, prepare=kept.append)
    (exp,) = kept
    rows = exp.pool.labelled
    ((_, x_LD),) = exp.data.train.batches(rows, len(rows))
    weight_DC, _ = ridge_weights(inputs(x_LD.flatten(1)), torch.from_numpy(exp.pool.targets_of(rows)), 10, 2.5)
    torch.testing.assert_close(exp.method.net.head.weight.detach(), weight_DC[:-1].T.float())
    torch.testing.assert_close(exp.method.net.head.bias.detach(), weight_DC[-1].float())
    assert [line["stop_reason"] for line in lines] == ["closed form"] * 3
    assert [line["samples_forward"] for line in lines] == [20, 40, 60]
    assert lines[-1]["steps"] == lines[-1]["epochs"] == 0


def test_a_resumed_run_is_the_unbroken_one(
    play: Callable[..., Any], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    for words in (("budget.rounds=1", "experiment_name=two"), ("experiment_name=two",), ("experiment_name=one",)):
        answer = play(*WORDS, "acquisition=margin", *words)
        assert answer.code == 0, answer.err
    one, two = ((tmp_path / "outputs" / name).glob("digits-*") for name in ("one", "two"))
    (whole,), (resumed,) = one, two
    assert result_of(whole)[1] == result_of(resumed)[1]


def test_it_plans_a_pass_and_no_steps(configure: Callable[..., DictConfig]) -> None:
    from calrun.round import planned_rounds

    exp = build(configure(*WORDS))
    assert [exp.method.planned(each).looks for each in planned_rounds(exp.sizes)] == [20, 40, 60]


def test_what_needs_steps_is_refused(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    assert "ridge takes no steps, in which" in refusal("run", *small, *WORDS, "record.dynamics=true")
    said = refusal("run", *small, "model=mlp", "model.hidden=[16,8]", "method=ridge", "acquisition=learning_loss")
    assert "choose an acquisition that trains nothing" in said
    assert "method.ridge wants a finite number above 0, got 0" in refusal("run", *small, *WORDS, "method.ridge=0")
