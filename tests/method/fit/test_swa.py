"""Stochastic weight averaging, against torch's own AveragedModel, SWALR and update_bn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn

from calrun.dataset.base import StepRows
from calrun.experiment import Experiment, build
from calrun.method.finish import Best, Finish
from calrun.method.fit.fit import Fitter
from calrun.method.fit.swa import Average, Averaging
from calrun.part.figures import EpochFigures
from calrun.part.setup import FitResult
from calrun.round import Round

Configure = Callable[..., DictConfig]
SMALL = ("model=cnn", "model.width=2", "dataset.transform.crop_padding=0", "trainer.batch_size=8", "stop=fixed_epochs")
FIRST = ("optimizer.averaging.start_accuracy=null", "optimizer.averaging.start_epoch")


def fitted(cfg: DictConfig, folder: Path) -> tuple[Experiment, Round, FitResult]:
    exp = build(cfg)
    this_round = next(exp.rounds(folder, after=0))
    exp.method.begin_round(this_round)
    return exp, this_round, Fitter({"accelerator": "cpu", "devices": 1}, 1e9, lambda *_: None)(exp.method, this_round)


def averaging(**more: Any) -> Averaging:
    usual = {"start_accuracy": 0.95, "start_epoch": None, "every_epochs": 1, "lr_factor": 1.0, "anneal_epochs": 10}
    return Averaging(**{**usual, **more})


def figures(*accuracies: float) -> list[EpochFigures]:
    return [EpochFigures(accuracy, 1.0, accuracy) for accuracy in accuracies]


@pytest.mark.parametrize("start", [1, 3])
def test_the_fit_is_the_notebooks_loop_over_the_same_batches(start: int, configure: Configure, tmp_path: Path) -> None:
    """`_train` and the tail of `train` of "AL SWA CIFAR10 v2.ipynb", with torch's own classes; no augmentation."""
    cfg = configure(*SMALL, "optimizer=sgd_swa", *FIRST[:1], f"{FIRST[1]}={start}", "trainer.max_epochs=5")
    exp, this_round, _ = fitted(cfg, tmp_path)
    data, targets, net = exp.data.train, torch.from_numpy(exp.data.train.targets), exp.method.fresh_net(this_round)
    optimizer = torch.optim.SGD(net.parameters(), cfg.optimizer.lr, momentum=0.9, weight_decay=5e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
    back = SWALR(optimizer, anneal_strategy="cos", swa_lr=cfg.optimizer.lr)
    mean = AveragedModel(net)

    def batches(epoch: int) -> list[tuple[Any, torch.Tensor]]:
        steps: list[StepRows] = exp.method.visit.epoch(this_round, epoch, 8)
        return [next(iter(data.batches(step.current, 100))) for step in steps]

    for epoch in range(5):
        net.train()
        for rows, x in batches(epoch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x).logits_BC, targets[rows]).backward()
            optimizer.step()
        if epoch + 1 >= start:
            mean.update_parameters(net)
            back.step()
        else:
            cosine.step()
    update_bn([x for _, x in batches(5)], mean)
    for name, expected in mean.module.state_dict().items():
        torch.testing.assert_close(exp.method.net.state_dict()[name], expected, atol=1e-5, rtol=1e-4)
    assert exp.method.notes() == {"averaged_epochs": 6.0 - start}


def test_without_an_averaged_epoch_the_fit_is_the_one_without_averaging(configure: Configure, tmp_path: Path) -> None:
    """The published notebook would return the initial weights."""
    plain, _, _ = fitted(configure(*SMALL), tmp_path / "plain")
    never, _, _ = fitted(configure(*SMALL, "optimizer=sgd_swa", "optimizer.averaging.start_accuracy=0.999"), tmp_path)
    assert never.method.notes() == {"averaged_epochs": 0.0}
    for name, value in plain.method.net.state_dict().items():
        assert torch.equal(value, never.method.net.state_dict()[name])


@pytest.mark.parametrize(
    ("rule", "accuracies", "starts"),
    [
        (averaging(), (0.95,), False),  # it must exceed the threshold
        (averaging(), (0.2, 0.951), True),
        (averaging(start_epoch=3), (0.2, 0.3), False),
        (averaging(start_epoch=3), (0.2, 0.3, 0.4), True),
        (averaging(start_accuracy=None, start_epoch=2), (0.99,), False),
    ],
)
def test_the_start_is_an_accuracy_that_is_exceeded_or_an_epoch(
    rule: Averaging, accuracies: tuple[float, ...], starts: bool
) -> None:
    assert rule.starts(figures(*accuracies)) is starts


def test_once_begun_averaging_goes_on_below_the_threshold_and_keeps_its_distance() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    average = Average(averaging(every_epochs=2), Finish())
    average.begin()
    history = figures(0.5, 0.96, 0.3, 0.4, 0.5)
    for number in range(1, 6):
        torch.nn.init.constant_(net.weight, float(number))
        average.see(net, history[:number])  # type: ignore[arg-type]
    average.end(net, lambda *_: {})  # type: ignore[arg-type]
    assert average.num_averaged == 2
    assert net.weight.item() == 3.0  # of epochs 2 and 4


def test_the_weights_that_a_phase_asks_for_stand_in_for_a_missing_average() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    average = Average(averaging(), Best())
    average.begin()
    for number, history in enumerate([figures(0.5), figures(0.5, 0.4)]):
        torch.nn.init.constant_(net.weight, float(number))
        average.see(net, history)  # type: ignore[arg-type]
    average.end(net, lambda *_: {})  # type: ignore[arg-type]
    assert (net.weight.item(), average.renews_batch_norm()) == (0.0, False)


def test_a_smaller_run_starts_earlier() -> None:
    assert averaging(start_epoch=40).scaled(0.1) == averaging(start_epoch=4, anneal_epochs=1)


def test_the_plan_holds_the_pass_that_measures_the_statistics(configure: Configure) -> None:
    from calrun.round import planned_rounds

    with_average, without = (build(configure(f"optimizer={each}")) for each in ("sgd_swa", "sgd_cosine"))
    first = next(planned_rounds(with_average.sizes))
    assert with_average.method.planned(first).looks == without.method.planned(first).looks + with_average.sizes[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("optimizer.averaging.start_accuracy=null",), "wants start_accuracy or start_epoch, but both are null"),
        (("optimizer.averaging.start_accuracy=1.0",), "start_accuracy wants an accuracy of at least 0 and below 1"),
        (("optimizer.averaging.every_epochs=0",), "of at least 1, but they are None, 0 and 10"),
        (("optimizer.averaging.lr_factor=0",), "lr_factor wants a finite number above 0"),
        (("+optimizer.schedule_every=step",), "wants a schedule that moves after epochs"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], said: str, refusal: Any, small: Any) -> None:
    assert said in refusal("run", *small, "optimizer=sgd_swa", *words)


def test_it_goes_with_replay_and_with_two_phases(configure: Configure, play_in: Any, tmp_path: Path) -> None:
    for method in ("cal_er", "lp_ft"):
        words = ("optimizer=sgd_swa", f"{FIRST[0]}", f"{FIRST[1]}=1", f"method={method}", "stop=fixed_epochs")
        rounds = play_in(tmp_path / method, configure(*words, "model=cnn", "model.width=2"))
        assert [line["notes"]["averaged_epochs"] for line in rounds] == [2.0] * 3


def test_the_optimizer_is_made_of_the_yaml(configure: Configure) -> None:
    made = instantiate(configure("optimizer=sgd_swa").optimizer)
    assert made.averaging == averaging()
