import math

import pytest
import torch
import torch.nn.functional as F

from calrun.method.cal_sd import SelfDistillation, divergence
from calrun.method.objective import CrossEntropy


def test_loss_is_equation_2(make_batch, later_round) -> None:
    objective = SelfDistillation(alpha=0.25)
    objective.begin_round(later_round)  # 2 new rows, 6 old ones
    current, replay = make_batch([[0.0, 0.0]], [0]), make_batch([[0.0, 0.0]], [1], stored=[[0.0, math.log(3)]])
    q = (0.25, 0.75)  # the stored distribution; the present one is (0.5, 0.5)
    kl = sum(p * math.log(p / 0.5) for p in q)
    expected = 0.25 * math.log(2) + 0.75 * (0.25 * kl + 0.75 * math.log(2))
    assert objective(current, replay).item() == pytest.approx(expected, rel=1e-6)


def test_gradient_of_the_divergence_is_difference_of_probabilities() -> None:
    logits, stored = torch.randn(6, 4, requires_grad=True), torch.randn(6, 4)
    divergence(logits, stored).backward()
    torch.testing.assert_close(logits.grad, (logits.softmax(1) - stored.softmax(1)).detach() / 6)


def test_without_distillation_and_with_share_m_of_m_plus_r_it_is_replay_in_one_mean(make_batch) -> None:
    current, replay = (
        make_batch(torch.randn(2, 3).tolist(), [0, 1]),
        make_batch(torch.randn(4, 3).tolist(), [0, 1, 2, 0], torch.randn(4, 3).tolist()),
    )
    objective = SelfDistillation(alpha=0.0)
    objective.share_of_new = 2 / 6
    together = F.cross_entropy(torch.cat([current.logits, replay.logits]), torch.cat([current.y, replay.y]))
    torch.testing.assert_close(objective(current, replay), together)
    torch.testing.assert_close(CrossEntropy()(current, replay), together)


def test_first_round_weighs_new_rows_fully(make_batch, first_round) -> None:
    objective = SelfDistillation(alpha=0.25)
    objective.begin_round(first_round)
    assert objective.share_of_new == 1
    assert objective(make_batch([[0.0, 0.0]], [0]), None).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(("alpha", "beta"), [(-0.5, None), (0.5, -0.5)])
def test_weights_below_0_are_refused(alpha: float, beta: float | None) -> None:
    name = "alpha" if beta is None else "beta"
    with pytest.raises(ValueError, match=rf"method\.objective\.{name} wants at least 0, got -0.5"):
        SelfDistillation(alpha, beta)


def test_an_alpha_above_1_wants_a_beta() -> None:
    with pytest.raises(ValueError, match=r"alpha is 1.5, which leaves the weight -0.5 .* or give beta"):
        SelfDistillation(1.5)
    assert SelfDistillation(1.5, 0.2).beta == 0.2
