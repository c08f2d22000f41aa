from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.tracin import SUMMANDS, Tracin, abs_kl, kl
from calrun.experiment import Experiment
from calrun.part.trajectory import Trajectory
from tests.acquisition.test_parts import Killed, played

LOGITS = torch.randn(7, 10, 3, generator=torch.Generator().manual_seed(0))  # of 7 epochs


def watched(latter_half: bool, epochs: int, every: int = 1) -> Trajectory:
    """A trajectory that has looked at the first epochs of 10 rows."""
    trajectory = Trajectory(kl, latter_half, every)
    trajectory._clear(np.arange(20, 30))
    for epoch in range(epochs):
        trajectory.after_epoch(lambda rows, columns=None, epoch=epoch: {"logits": LOGITS[epoch]}, 0, epoch)
    return trajectory


def summand(number: int) -> Tensor:
    """KL of epoch `number`, counted from 1, by its definition."""
    now, before = LOGITS[number - 1].double().softmax(1), LOGITS[number - 2].double().softmax(1)
    return (now * (now / before).log()).sum(dim=1)


@pytest.mark.parametrize("epochs", [1, 2, 3, 6, 7])
def test_the_sums_of_the_sheet(epochs: int) -> None:
    full = sum((summand(number) for number in range(2, epochs + 1)), torch.zeros(10))
    last = sum((summand(number) for number in range(-(-epochs // 2) + 1, epochs + 1)), torch.zeros(10))
    torch.testing.assert_close(watched(False, epochs).influence_N, full.double(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(watched(True, epochs).influence_N, last.double(), rtol=1e-5, atol=1e-7)
    first_half = watched(False, -(-epochs // 2)).influence_N
    torch.testing.assert_close(watched(False, epochs).influence_N, first_half + watched(True, epochs).influence_N)


def test_of_the_latter_half_no_more_is_kept_than_may_count() -> None:
    assert [len(watched(True, epochs).latter) for epochs in range(1, 8)] == [0, 1, 1, 2, 2, 3, 3]


def test_every_third_epoch_is_compared_with_the_one_three_before() -> None:
    trajectory = watched(False, 7, every=3)
    now, before = (LOGITS[number - 1].double().log_softmax(1) for number in (6, 3))
    torch.testing.assert_close(trajectory.influence_N, kl(now, before), rtol=1e-5, atol=1e-7)
    assert trajectory.seen == 2


def test_one_prediction_twice_has_no_influence() -> None:
    log_probs = LOGITS[0].log_softmax(1)
    assert all(of(log_probs, log_probs).abs().max() == 0 for of in SUMMANDS.values())


def test_absolute_terms_by_hand() -> None:
    now, before = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    assert abs_kl(now, before).item() == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(1.5))
    assert kl(now, before).item() == pytest.approx(0.5 * np.log(2) - 0.5 * np.log(1.5))


def test_it_is_the_expected_fall_of_the_loss() -> None:
    now, before = LOGITS[1].double().log_softmax(1), LOGITS[0].double().log_softmax(1)
    fall_NC = -before + now  # of the loss under each label
    torch.testing.assert_close(kl(now, before), (now.exp() * fall_NC).sum(dim=1))


def test_a_small_step_along_the_gradient_changes_the_loss_as_the_first_order_says() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True), torch.randn(8, 5, dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy(x @ weight, torch.tensor([2] * 8))
    (gradient,) = torch.autograd.grad(loss, weight)
    for step in (1e-2, 1e-4):
        moved = torch.nn.functional.cross_entropy(x @ (weight - step * gradient), torch.tensor([2] * 8))
        projection = (gradient * step * gradient).sum()
        assert (loss - moved - projection).abs() < 10 * step * projection


def test_rows_that_were_not_looked_at_are_refused() -> None:
    with pytest.raises(ValueError, match=r"knows the training dynamics of 10 rows.*but 3 others are to be ranked"):
        watched(False, 3).of(np.arange(3))


def test_where_nothing_has_moved_rows_are_random() -> None:
    acquisition = Tracin("all", "kl", "online", 1, 10)
    candidates = Candidates(np.arange(50), {"influence": torch.zeros(50)})
    rows = [acquisition.select(candidates, 5, np.random.default_rng(seed)).tolist() for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]
    assert len(set(rows[0])) == 5


@pytest.mark.parametrize("method", ["al", "cal_er", "lp_ft"])
@pytest.mark.parametrize("option", ["tracin_full", "tracin_last"])
def test_saved_weights_give_what_was_seen_online(
    option: str,
    method: str,
    configure: Callable[..., DictConfig],
    play_in: Callable[..., list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    short = () if method != "lp_ft" else ("method.phases.0.stop.epochs=2",)
    words = (f"acquisition={option}", f"method={method}", "stop=fixed_epochs", "trainer.max_epochs=4", *short)
    found, lines = {}, {}
    for how in ("online", "saved"):
        kept: list[Experiment] = []
        lines[how] = play_in(
            tmp_path / how, configure(*words, f"acquisition.checkpoints={how}", "budget.rounds=2"), prepare=kept.append
        )
        found[how] = kept[0].acquisition.trajectory.influence_N
    assert torch.equal(found["online"], found["saved"])
    assert found["online"].min() > 0
    picks = [(tmp_path / how / "picks.csv").read_text() for how in ("online", "saved")]
    assert picks[0] == picks[1]
    metrics = [[(line["test"], line["notes"], line["samples_forward"]) for line in lines[how]] for how in lines]
    assert metrics[0] == metrics[1]
    assert not list(tmp_path.rglob("phase-weights-*"))


def test_a_death_between_saved_weights_changes_nothing(
    configure: Callable[..., DictConfig], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    words = ("acquisition=tracin_last", "acquisition.checkpoints=saved", "stop=fixed_epochs", "trainer.max_epochs=3")
    cfg = configure(*words, "budget.rounds=2", "method=al")
    played(tmp_path / "whole", cfg)
    with pytest.raises(Killed):
        played(tmp_path / "broken", cfg, epochs=2)  # before the choice, which looks at the weights of all epochs
    played(tmp_path / "broken", cfg)
    assert result_of(tmp_path / "broken") == result_of(tmp_path / "whole")


def test_the_looks_are_work_and_leave_the_network_as_it_was(
    configure: Callable[..., DictConfig], play_in: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    words = ("stop=fixed_epochs", "trainer.max_epochs=3", "budget.rounds=2", "method=al")
    plain, _ = play_in(tmp_path / "plain", configure(*words))
    looked, _ = play_in(tmp_path / "looked", configure(*words, "acquisition=tracin_full"))
    assert looked["test"] == plain["test"]
    assert looked["samples_forward"] == plain["samples_forward"] + 3 * 180
    assert looked["notes"]["epochs_looked_at"] == 3


def test_a_pool_that_is_used_up_ends_well(play: Callable[..., Any]) -> None:
    answer = play("acquisition=tracin_last", "dataset.num_train=40", "budget.rounds=2")
    assert answer.code == 0, answer.err


def test_what_does_not_fit_is_refused(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    words = ("run", *small, "acquisition=tracin_last")
    assert "acquisition.epochs wants all or latter_half, got 'first'" in refusal(*words, "acquisition.epochs=first")
    assert "acquisition.summand wants kl or abs_kl, got 'js'" in refusal(*words, "acquisition.summand=js")
    assert "acquisition.every wants at least 1, got 0" in refusal(*words, "acquisition.every=0")
    assert "two looks or more are to be compared and a round has 2 epochs" in refusal(*words, "acquisition.every=2")
    assert "wants online or saved, got 'disk'" in refusal(*words, "acquisition.checkpoints=disk")


def test_a_replay_of_one_epoch_says_that_rows_are_random(play: Callable[..., Any]) -> None:
    answer = play("acquisition=tracin_full", "method=cal_er", "trainer.cal_epochs=1")
    assert answer.code == 0, answer.err
    assert answer.err.count("has moved over the epochs that were looked at (1), so that rows are chosen") == 1
