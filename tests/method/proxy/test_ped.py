"""PED by hand, against the authors' step as it is printed, and at its edges.

Dimension key: L rows, D features, C classes.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.method.proxy.ped import PED, balls, scale_of


def toy(num_classes: int, width: int = 4, distance: float = 1.0, per_class: int = 12) -> tuple[Tensor, np.ndarray]:
    rng = np.random.default_rng(0)
    targets_L = np.arange(num_classes).repeat(per_class)
    means = distance * rng.normal(size=(num_classes, width))
    return torch.from_numpy(means[targets_L] + rng.normal(size=(len(targets_L), width))), targets_L


def released(x: np.ndarray, y: np.ndarray, general: np.ndarray, steps: int) -> np.ndarray:
    """lixiaotong97/PED, `One_Step_PED` with time_step 0.1 and nsigma 0.6, as it is printed, several times."""
    for _ in range(steps):
        mean, std = general.mean(axis=0), np.maximum(general.std(axis=0), 1e-3)
        scaled = (x - mean) / std
        number = y.max() + 1
        means = np.stack([scaled[y == c].mean(axis=0) for c in range(number)])
        radius = np.sqrt(np.stack([scaled[y == c].var(axis=0) for c in range(number)]).sum(axis=1))
        moved = np.zeros_like(means)
        for i in range(number):
            for j in range(number):
                if i != j:
                    d = np.linalg.norm(means[i] - means[j])
                    force = max(0.6 * radius[i] + 0.6 * radius[j] - d, 0)
                    moved[i] += (means[i] - means[j]) / d * min(0.5 * 0.1**2 * force, force)
        x = (scaled + moved[y]) * std + mean
    return x


def test_it_moves_features_as_the_released_code_does() -> None:
    features_LD, targets_L = toy(5)
    found = PED()(features_LD, targets_L, scale_of([features_LD]))
    wanted = released(features_LD.numpy(), targets_L, features_LD.numpy(), found.steps)
    assert found.steps >= 1
    np.testing.assert_allclose(found.features_LD.numpy(), wanted, atol=1e-12)


def test_a_step_by_hand() -> None:
    """Means 1 apart, radii 1: they overlap by 0.2, and each moves by 0.5 * 0.1^2 * 0.2 away from the other."""
    shift_CD = PED().shift(torch.tensor([[0.0, 0.0], [1.0, 0.0]]).double(), torch.ones(2).double())
    torch.testing.assert_close(shift_CD, torch.tensor([[-0.001, 0.0], [0.001, 0.0]]).double())


def test_classes_far_apart_stay_where_they_are() -> None:
    features_LD, targets_L = toy(2, distance=200.0)
    found = PED()(features_LD, targets_L, scale_of([features_LD]))
    assert (found.steps, found.ratios) == (0, [0.0])
    assert torch.equal(found.features_LD, features_LD)


def test_two_classes_move_apart_on_the_line_of_their_means_by_equal_and_opposite_amounts() -> None:
    features_LD, targets_L = toy(2, distance=0.1)
    found = PED()(features_LD, targets_L, scale_of([features_LD[:10]]))
    scale = scale_of([features_LD[:10]])
    known_L = torch.from_numpy(targets_L)
    before_CD, _ = balls(features_LD / scale.spread_D, known_L)
    after_CD, _ = balls(found.features_LD / scale.spread_D, known_L)
    moved_CD, line_D = after_CD - before_CD, before_CD[0] - before_CD[1]
    assert found.steps >= 1
    assert torch.dot(moved_CD[0], line_D) > 0
    torch.testing.assert_close(moved_CD.sum(dim=0), torch.zeros(4).double(), atol=1e-12, rtol=0)
    assert torch.cosine_similarity(moved_CD[0], line_D, dim=0) == pytest.approx(1.0)


def test_rows_of_a_class_keep_their_places_to_each_other() -> None:
    features_LD, targets_L = toy(4)
    moved_LD = PED()(features_LD, targets_L, scale_of([features_LD])).features_LD
    for c in range(4):
        own = torch.from_numpy(targets_L == c)
        torch.testing.assert_close(moved_LD[own].diff(dim=0), features_LD[own].diff(dim=0))


def test_names_of_classes_and_absent_ones_do_not_matter() -> None:
    features_LD, targets_L = toy(3)
    first = PED()(features_LD, targets_L, scale_of([features_LD]))
    other = PED()(features_LD, np.array([9, 2, 5])[targets_L], scale_of([features_LD]))
    assert other.steps == first.steps
    torch.testing.assert_close(other.features_LD, first.features_LD)


@pytest.mark.parametrize("num_classes", [2, 10, 40])
def test_it_takes_at_most_six_steps_and_compares_with_the_first(num_classes: int) -> None:
    features_LD, targets_L = toy(num_classes, width=16, distance=0.3)
    found = PED()(features_LD, targets_L, scale_of([features_LD]))
    assert found.steps <= 6
    assert found.ratios[0] == 1.0
    assert len(found.ratios) in (found.steps, found.steps + 1)


def test_classes_with_one_mean_and_classes_of_one_row_are_no_accident() -> None:
    features_LD = torch.tensor([[0.0], [2.0], [1.0], [1.0], [1.5]]).double()
    targets_L = np.array([0, 0, 1, 1, 2])
    found = PED()(features_LD, targets_L, scale_of([features_LD]))
    assert found.features_LD.isfinite().all()


def test_the_scale_is_that_of_all_reference_rows() -> None:
    features_ND = 100 + torch.randn(20_000, 3, generator=torch.manual_seed(0))
    scale = scale_of(torch.cat([features_ND, torch.zeros(20_000, 1)], dim=1).split([1, 7_000, 12_999]))
    torch.testing.assert_close(scale.mean_D[:3], features_ND.double().mean(dim=0))
    torch.testing.assert_close(scale.spread_D[:3], features_ND.double().std(dim=0, correction=0))
    assert scale.spread_D[3] == 1e-3


def test_bad_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"ped\.max_steps wants at least 1"):
        PED(max_steps=0)
