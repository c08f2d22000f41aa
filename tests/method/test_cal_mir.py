import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from calrun.method.cal_mir import MostInterfered, interference
from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.task.classification import Classification

TASK = Classification()


def network() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU()), 4, 2)


def rows(number: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, 3, generator=generator)
    return Batch(torch.arange(number), x, torch.randint(2, (number,), generator=generator))


def literal_interference(net: Classifier, current: Batch, candidates: Batch, lr: float) -> torch.Tensor:
    """Aljundi et al. 2019, with a copy of the network and a real step of plain SGD."""
    stepped = copy.deepcopy(net)
    loss = F.cross_entropy(stepped(current.x).logits_BC, current.y)
    stepped.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in stepped.parameters():
            parameter -= lr * parameter.grad
    for name, buffer in stepped.named_buffers():
        buffer.copy_(dict(net.named_buffers())[name])  # statistics of before the step
    with torch.no_grad():
        after = F.cross_entropy(stepped.eval()(candidates.x).logits_BC, candidates.y, reduction="none")
        before = F.cross_entropy(copy.deepcopy(net).eval()(candidates.x).logits_BC, candidates.y, reduction="none")
    return after - before


def test_scores_equal_a_real_step_on_a_copy() -> None:
    net, current, candidates = network(), rows(5, seed=1), rows(9, seed=2)
    scores = interference(net, current, candidates, 0.3, "eval", TASK)
    torch.testing.assert_close(scores, literal_interference(net, current, candidates, 0.3))


def test_takes_the_candidates_that_the_step_harms_most() -> None:
    net, current, candidates = network(), rows(5, seed=1), rows(9, seed=2)
    chosen = MostInterfered()(net, current, candidates, 4, 0.3)
    expected = literal_interference(net, current, candidates, 0.3).sort(descending=True).indices[:4]
    assert chosen.tolist() == expected.tolist()


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_leaves_weights_buffers_gradients_and_mode_alone(mode: str) -> None:
    net = network()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    MostInterfered(score_mode=mode)(net, rows(5, seed=1), rows(9, seed=2), 4, 0.3)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(module.training for module in net.modules())


def test_few_candidates_are_all_taken() -> None:
    assert MostInterfered()(network(), rows(5, seed=1), rows(3, seed=2), 4, 0.3).tolist() == [0, 1, 2]


def test_the_authors_sampling_draws_distinct_candidates() -> None:
    chosen = MostInterfered(selection="softmax_sample")(network(), rows(5, seed=1), rows(9, seed=2), 8, 0.3)
    assert len(set(chosen.tolist())) == 8


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_mixed_precision_ranks_as_single_precision_does_at_a_small_rate(mode: str) -> None:
    """In bfloat16 a step of 0.001 moves hardly any weight to another number, and scores would be noise."""
    net, current, candidates = network(), rows(20, seed=1), rows(100, seed=2)
    choose = MostInterfered(score_mode=mode)
    single = choose(net, current, candidates, 40, 0.001)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = choose(net, current, candidates, 40, 0.001)
    assert mixed.tolist() == single.tolist()


def test_weights_in_half_the_precision_are_scored_in_single() -> None:
    net, current, candidates = network().bfloat16(), rows(20, seed=1), rows(100, seed=2)
    same = copy.deepcopy(net).float()
    half = [each._replace(x=each.x.bfloat16()) for each in (current, candidates)]
    whole = [each._replace(x=each.x.float()) for each in half]
    torch.testing.assert_close(
        interference(net, *half, 0.001, "eval", TASK), interference(same, *whole, 0.001, "eval", TASK)
    )
