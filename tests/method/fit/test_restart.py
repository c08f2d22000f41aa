"""DISTIL's emergency restart."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from calrun.experiment import build
from calrun.method.fit.fit import Fitter
from calrun.method.fit.restart import Restarting, begins_again
from calrun.method.fit.stop import FixedEpochs
from calrun.part.figures import EpochFigures

Configure = Callable[..., DictConfig]
AGAIN = ("stop=distil", "stop.every=2", "stop.below=1", "stop.rule.threshold=1", "dataset.transform.crop_padding=0")


def figures(*accuracies: float) -> list[EpochFigures]:
    return [EpochFigures(accuracy, 1.0) for accuracy in accuracies]


@pytest.mark.parametrize(
    ("accuracies", "again"),
    [((0.1,), False), ((0.1, 0.19), True), ((0.1, 0.2), False), ((0.1, 0.1, 0.1), False), ((0.9, 0.9, 0.9, 0.1), True)],
)
def test_only_multiples_of_the_number_and_accuracies_below_the_threshold_count(
    accuracies: tuple[float, ...], again: bool
) -> None:
    assert begins_again(Restarting(FixedEpochs(9), every=2, below=0.2), figures(*accuracies)) is again


def test_a_rule_without_an_opinion_never_begins_again() -> None:
    assert not begins_again(FixedEpochs(9), figures(0.0))


def test_a_smaller_run_looks_earlier_and_the_rule_of_a_round_is_the_inner_ones() -> None:
    rule = Restarting(FixedEpochs(100), every=50, below=0.2)
    assert rule.scaled(0.1) == Restarting(FixedEpochs(10), every=5, below=0.2)
    assert rule.in_round(3) == rule


@pytest.mark.parametrize("optimizer", ["sgd_cosine", "adam"])
def test_after_a_restart_a_fit_is_a_new_one_on_the_later_epochs(
    optimizer: str, configure: Configure, tmp_path: Path
) -> None:
    """Four epochs, begun again after two: new weights, a new optimizer and a schedule from its beginning."""
    cfg = configure(*AGAIN, "trainer.max_epochs=4", "trainer.batch_size=8", f"optimizer={optimizer}")
    exp = build(cfg)
    this_round = next(exp.rounds(tmp_path, after=0))
    exp.method.begin_round(this_round)
    net, lr = exp.method.fresh_net(this_round, "restart 0 2").train(), cfg.optimizer.lr
    data, targets = exp.data.train, torch.from_numpy(exp.data.train.targets)
    made: torch.optim.Optimizer = torch.optim.Adam(net.parameters(), lr)
    if optimizer == "sgd_cosine":
        made = torch.optim.SGD(net.parameters(), lr, momentum=0.9, weight_decay=5e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(made, T_max=4)
    for epoch in (2, 3):
        for step in exp.method.visit.epoch(this_round, epoch, 8):
            ((rows, x),) = data.batches(step.current, 100)
            made.zero_grad()
            torch.nn.functional.cross_entropy(net(x).logits_BC, targets[rows]).backward()
            made.step()
        if optimizer == "sgd_cosine":
            cosine.step()
    result = Fitter({"accelerator": "cpu", "devices": 1}, 1e9, lambda *_: None)(exp.method, this_round)
    assert len(result.epochs) == 4
    assert exp.method.notes() == {"restarts": 1.0}
    for name, value in net.named_parameters():
        torch.testing.assert_close(exp.method.net.get_parameter(name), value, atol=1e-6, rtol=1e-5)


def test_a_round_that_learns_says_nothing_of_restarts(play: Any, run_folder: Any) -> None:
    assert play("stop=distil", "budget.rounds=1").code == 0
    assert '"notes": {}' in (run_folder() / "rounds.jsonl").read_text()


@pytest.mark.parametrize("word", ["stop.every=0", "stop.below=0", "stop.below=1.5"])
def test_numbers_out_of_range_are_refused(word: str, refusal: Any, small: Any) -> None:
    assert "a restart wants every of at least 1 epoch" in refusal("run", *small, "stop=distil", word)
