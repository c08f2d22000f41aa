import itertools
import math

import pytest
import torch
from torch import nn

from calrun.method.cal_sds2 import Summary, _lazy_greedy, greedy_summary, similarity, uncertainty
from calrun.model.base import Classifier
from calrun.part.batch import Batch


def objective(kernel: torch.Tensor, h: torch.Tensor, chosen: list[int], weight: float) -> float:
    """Eq. 3, literally."""
    coverage = sum(max((float(kernel[i, j]) for j in chosen), default=0.0) for i in range(len(kernel)))
    return coverage + weight * math.log1p(sum(float(h[j]) for j in chosen))


def toy(num: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(num, 4, generator=generator)
    return similarity(features, sigma=0.7, scale="l2"), torch.rand(num, generator=generator)


def test_each_pick_raises_the_objective_most() -> None:
    kernel, h = toy(12)
    picks = greedy_summary(kernel, h, 6, weight=0.5).tolist()
    for step, pick in enumerate(picks):
        gains = [objective(kernel, h, [*picks[:step], j], 0.5) if j not in picks[:step] else -1 for j in range(12)]
        assert gains[pick] == pytest.approx(max(gains), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_stale_gains_change_no_pick(seed: int) -> None:
    """Every gain anew at every step."""
    kernel, h = toy(60, seed)
    picks = greedy_summary(kernel, h, 25, 1.0).tolist()
    covered, mass = torch.zeros(60), 0.0
    for step, pick in enumerate(picks):
        gain = (kernel - covered[:, None]).clamp(min=0).sum(dim=0) + torch.log1p(h / (1 + mass))
        gain[picks[:step]] = -math.inf
        assert gain.argmax() == pick
        covered, mass = covered.maximum(kernel[:, pick]), mass + float(h[pick])


def test_reaches_the_guarantee_of_submodular_greedy() -> None:
    kernel, h = toy(8)
    best = max(objective(kernel, h, list(subset), 0.5) for subset in itertools.combinations(range(8), 3))
    reached = objective(kernel, h, greedy_summary(kernel, h, 3, 0.5).tolist(), 0.5)
    assert reached >= (1 - 1 / math.e) * best


def test_identity_kernel_leaves_the_most_uncertain() -> None:
    h = torch.rand(20, generator=torch.Generator().manual_seed(1))
    picks = greedy_summary(torch.eye(20), h, 5, weight=1.0)
    assert set(picks.tolist()) == set(h.topk(5).indices.tolist())


def test_equal_gains_go_to_the_lower_position() -> None:
    assert greedy_summary(torch.eye(6), torch.ones(6), 3, 1.0).tolist() == [0, 1, 2]


def test_kernel_is_the_papers_on_unit_features() -> None:
    features = torch.tensor([[2.0, 0.0], [0.0, 5.0]])  # unit vectors at right angles: squared distance 2
    assert similarity(features, sigma=0.5, scale="l2")[0, 1].item() == pytest.approx(math.exp(-2 / (2 * 0.25)))
    assert similarity(features, sigma=3.0, scale="none")[0, 1].item() == pytest.approx(math.exp(-29 / 18))


def test_uncertainty_of_uniform_logits() -> None:
    assert uncertainty(torch.zeros(1, 4), "entropy").item() == pytest.approx(math.log(4))
    assert uncertainty(torch.zeros(1, 4), "least_confidence").item() == pytest.approx(0.75)


def test_choice_leaves_the_network_in_training_with_its_statistics() -> None:
    net = Classifier(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), 4, 2)
    mean = net.backbone[1].running_mean.clone()
    rows = Batch(torch.arange(9), torch.randn(9, 3), torch.zeros(9, dtype=torch.int64))
    assert len(Summary(sigma=0.1, uncertainty_weight=1.0)(net, rows, rows, 4, 0.1)) == 4
    assert net.training
    assert net.backbone[1].training
    assert torch.equal(mean, net.backbone[1].running_mean)


def test_a_kernel_that_sees_no_neighbours_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    net = Classifier(nn.Flatten(), 3, 2)
    rows = Batch(torch.arange(9), 100 * torch.randn(9, 3), torch.zeros(9, dtype=torch.int64))
    blind, seeing = Summary(0.1, 1.0, scale="none"), Summary(1.0, 1.0)
    for choose in (blind, seeing):
        choose(net, rows, rows, 4, 0.1)
    assert 0.01 < seeing.notes()["mean_similarity"] < 1
    assert not capsys.readouterr().err
    assert blind.notes()["mean_similarity"] < 1e-6
    assert "raise method.visit.choose.sigma" in capsys.readouterr().err


def test_nothing_is_left_to_compile_inside_a_timed_fit() -> None:
    summary = Summary(sigma=1, uncertainty_weight=1)  # whole numbers, as a YAML may give them
    compiled = len(_lazy_greedy.signatures)
    greedy_summary(torch.rand(5, 5), torch.rand(5), 3, summary.uncertainty_weight)
    assert len(_lazy_greedy.signatures) == compiled


def test_mixed_precision_leaves_the_kernel_in_single_precision() -> None:
    """A product rounded to bfloat16 is wrong by 0.004, as much as d^2 of the nearest neighbours at sigma 0.1."""
    generator = torch.Generator().manual_seed(0)
    x = 1 + 0.1 * torch.randn(60, 4, generator=generator)
    net = Classifier(nn.Identity(), 4, 2)
    batch = Batch(torch.arange(60), x, torch.zeros(60, dtype=torch.int64))
    notes = []
    for mixed in (False, True):
        choose = Summary(0.1, 0.1)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            choose(net, batch, batch, 20, 0.1)
        notes.append(choose.notes()["mean_similarity"])
    assert notes[1] == pytest.approx(notes[0], rel=1e-5)
