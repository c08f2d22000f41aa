from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.experiment import Experiment
from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.teacher import Teacher, discrepancy, kept_share
from calrun.part.unlabelled import UnlabelledBatches
from calrun.pool import Pool
from calrun.round import Round
from tests.died import Killed, played

WORDS = ("acquisition=tod", "acquisition.weight=0.5", "trainer.batch_size=8", "trainer.max_epochs=3",
         "trainer.cal_epochs=3", "stop=fixed_epochs", "model.hidden=[16,8]")  # fmt: skip


def test_the_loss_by_hand() -> None:
    logits_BC, second_BC = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 2.0], [0.0, 3.0]])
    taught_BC = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    expected = (1 + 0 + 0 + 9) / 4 + (0 + 4 + 0 + 4) / 4
    assert discrepancy(logits_BC, second_BC, taught_BC).item() == pytest.approx(expected)


@pytest.mark.parametrize(("step", "expected"), [(1, 0.5), (3, 0.75), (998, 998 / 999), (5000, 0.999)])
def test_the_teacher_keeps_more_the_longer_it_has_followed(step: int, expected: float) -> None:
    assert kept_share(step) == pytest.approx(expected)


def source(num_rows: int) -> Resident:
    inputs = torch.randn(num_rows, 3, generator=torch.Generator().manual_seed(0))
    return Resident(inputs, np.zeros(num_rows, dtype=np.int64), Transform([0.0], [1.0]))


def a_round(num_rows: int, labelled: Sequence[int], seed: int = 0) -> Round:
    pool = Pool.simulated(np.zeros(num_rows, dtype=np.int64), num_classes=2)
    pool.label(np.array(labelled), 1)
    return Round(1, 3, 2, seed, pool, Path())


def built(num_rows: int = 12, batch_size: int = 4, net: Classifier | None = None) -> tuple[Classifier, Teacher]:
    torch.manual_seed(0)
    net = net or Classifier(nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU()), 5, 2)
    teacher = Teacher(weight=0.5)
    setup: Any = SimpleNamespace(train=source(num_rows), num_classes=2, batch_size=batch_size)
    teacher.build(net, setup)
    teacher.begin_round(a_round(num_rows, [0, 1, 2, 3]))
    teacher.begin_epoch(lambda *_: {}, 0, 0)
    return net, teacher.train()


def seen(net: Classifier) -> Batch:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    return Batch(torch.arange(4), x, torch.zeros(4, dtype=torch.int64)).with_output(net(x))


def test_after_the_first_step_the_teacher_is_the_mean_of_what_it_was_and_the_network() -> None:
    net, teacher = built()
    before = deepcopy(teacher.teacher.state_dict())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += torch.randn_like(parameter)
    teacher.after_step(seen(net), None)
    for name, now in teacher.teacher.named_parameters():
        torch.testing.assert_close(now, (before[name] + net.state_dict()[name]) / 2)


def test_the_whole_loss_is_that_of_both_batches_typed_again() -> None:
    net, teacher = built()
    other, same = deepcopy(net), deepcopy(teacher)
    loss = teacher.loss(seen(net), None)
    batch = seen(other)
    unlabelled = next(same.unlabelled.found) if same.unlabelled.found else same.unlabelled.next(torch.device("cpu"))
    assert unlabelled is not None
    expected = torch.zeros(())
    for x, output in ((batch.x, batch.seen), (unlabelled, other(unlabelled))):
        z, second, ema = output.logits_BC, same.second(output.features_BD), same.teacher(x).logits_BC.detach()
        expected = expected + (z - second).square().mean() + (second - ema).square().mean()
    assert loss is not None
    assert loss.item() == pytest.approx(0.5 * expected.item(), rel=1e-5)


def test_its_gradient_moves_network_and_second_head_but_never_the_teacher() -> None:
    net, teacher = built()
    loss = teacher.loss(seen(net), None)
    assert loss is not None
    loss.backward()
    assert net.backbone[0].weight.grad.abs().sum() > 0
    assert teacher.second.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in teacher.teacher.parameters())


def test_batchnorm_of_the_teacher_is_frozen_where_the_networks_is() -> None:
    net, teacher = built()
    net.backbone[1].eval()
    before = teacher.teacher.backbone[1].running_mean.clone()
    teacher.loss(seen(net), None)
    torch.testing.assert_close(teacher.teacher.backbone[1].running_mean, before)


def batches(num_rows: int, labelled: Sequence[int], size: int, epoch: int = 0, seed: int = 0, take: int = 6) -> Any:
    """The rows of some unlabelled batches, told by their x."""
    rows = source(num_rows)
    found = UnlabelledBatches(rows, size, a_round(num_rows, labelled, seed), 0, epoch)
    xs = [found.next(torch.device("cpu")) for _ in range(take)]
    return [None if x is None else [int((rows.inputs == row).all(1).nonzero()) for row in x] for x in xs]


def test_unlabelled_batches_visit_all_rows_before_one_comes_again() -> None:
    found = batches(12, [0, 1, 2, 3], size=4)
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert sorted(first + second) == list(range(4, 12))
    assert found[:2] != found[2:4]


def test_they_depend_on_seed_and_epoch_alone() -> None:
    assert batches(12, [0, 1], 4) == batches(12, [0, 1], 4)
    assert batches(12, [0, 1], 4) != batches(12, [0, 1], 4, epoch=1)
    assert batches(12, [0, 1], 4) != batches(12, [0, 1], 4, seed=1)


def test_few_rows_come_all_at_once_and_a_single_one_never() -> None:
    assert [sorted(rows) for rows in batches(6, [0, 1, 2], size=4, take=2)] == [[3, 4, 5]] * 2
    assert batches(4, [0, 1, 2], size=4, take=1) == [None]
    assert batches(3, [0, 1, 2], size=4, take=1) == [None]


@pytest.mark.parametrize("method", ["al", "cal_er", "cal_sds2", "lp_ft"])
def test_a_run_that_died_inside_a_fit_ends_as_one_that_did_not(
    method: str, configure: Callable[..., DictConfig], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    short = ("method.phases.0.stop.epochs=2",) if method == "lp_ft" else ()
    cfg = configure(*WORDS, *short, f"method={method}", "budget.rounds=2")
    exp, _ = played(tmp_path / "unbroken", cfg, every=1e9)
    with pytest.raises(Killed):
        played(tmp_path / "broken", cfg, epochs=9 if method == "lp_ft" else 5)  # before the last of round 2
    again, _ = played(tmp_path / "broken", cfg)
    assert result_of(tmp_path / "broken") == result_of(tmp_path / "unbroken")
    for one, other in zip(teacher_of(exp), teacher_of(again), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def teacher_of(exp: Experiment) -> list[torch.Tensor]:
    part = exp.acquisition.teacher  # type: ignore[attr-defined]
    return [torch.tensor(part.num_steps), *part.state_dict().values()]


@pytest.mark.parametrize("method", ["al_ws", "al"])
def test_the_teacher_goes_on_from_round_to_round_where_the_network_does(
    method: str, configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    exp, rounds = played(tmp_path, configure(*WORDS, f"method={method}", "budget.rounds=2"))
    steps = [line["steps"] for line in rounds]
    assert teacher_of(exp)[0] == (sum(steps) if method == "al_ws" else steps[-1])
    assert [line["notes"]["unlabelled_samples"] for line in rounds] == [8.0 * each for each in steps]


def test_a_round_without_unlabelled_rows_trains_on_the_labelled_ones(
    configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    whole = ("budget.start=200", "budget.rounds=1")
    _, (line,) = played(tmp_path, configure(*WORDS, *whole))
    assert line["notes"]["unlabelled_samples"] == 0


def test_a_plan_counts_its_unlabelled_rows(calrun: Callable[..., Any], small: tuple[str, ...]) -> None:
    answer = calrun("plan", *small, *WORDS)
    assert answer.code == 0, answer.err


def test_what_does_not_fit_is_refused_in_one_sentence(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    said = refusal("run", *small, *WORDS, "trainer.batch_size=1")
    assert "but trainer.batch_size is 1; raise it, or set acquisition.weight=0" in said
    assert "acquisition.weight wants at least 0, got -1" in refusal("run", *small, *WORDS, "acquisition.weight=-1")
