import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.mase import Mase, boundary_gap, leave_distance


def random_head(seed: int, num_classes: int, num_features: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features_ND = torch.randn(15, num_features, generator=generator, dtype=torch.float64)
    weight_CD = torch.randn(num_classes, num_features, generator=generator, dtype=torch.float64)
    bias_C = torch.randn(num_classes, generator=generator, dtype=torch.float64)
    return features_ND, weight_CD, bias_C


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(1, 4))
def test_no_smaller_step_changes_the_prediction_and_one_of_that_length_does(
    seed: int, num_classes: int, num_features: int
) -> None:
    features_ND, weight_CD, bias_C = random_head(seed, num_classes, num_features)
    logits_NC = features_ND @ weight_CD.T + bias_C
    distance_N = leave_distance(logits_NC, boundary_gap(weight_CD))
    towards_MD = torch.randn(200, num_features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    normals_CD = weight_CD - weight_CD[logits_NC[0].argmax()]
    normals_CD = normals_CD[normals_CD.norm(dim=1) > 0]
    unit_MD = torch.nn.functional.normalize(torch.cat([towards_MD, normals_CD]), dim=1)
    inside_MC = (features_ND[0] + 0.999 * distance_N[0] * unit_MD) @ weight_CD.T + bias_C
    assert (inside_MC.argmax(dim=1) == logits_NC[0].argmax()).all()
    beyond_MC = (features_ND[0] + 1.001 * distance_N[0] * unit_MD) @ weight_CD.T + bias_C
    assert (beyond_MC.argmax(dim=1) != logits_NC[0].argmax()).any()


def test_distances_do_not_see_scale_rotation_or_a_common_vector() -> None:
    features_ND, weight_CD, bias_C = random_head(0, 5, 4)
    expected_N = leave_distance(features_ND @ weight_CD.T + bias_C, boundary_gap(weight_CD))
    rotation_DD = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    for features, weight, bias in (
        (features_ND, 7 * weight_CD, 7 * bias_C),
        (features_ND @ rotation_DD, weight_CD @ rotation_DD, bias_C),
        (features_ND, weight_CD + torch.tensor([1.0, 2.0, 3.0, 4.0]), bias_C + 5),
    ):
        torch.testing.assert_close(leave_distance(features @ weight.T + bias, boundary_gap(weight)), expected_N)


def test_with_two_classes_it_ranks_as_the_margin() -> None:
    features_ND, weight_CD, bias_C = random_head(0, 2, 4)
    logits_NC = features_ND @ weight_CD.T + bias_C
    candidates = Candidates(np.arange(15), {"logits": logits_NC, "head_weight": weight_CD})
    rows = Mase(memory_gib=None).select(candidates, 15, np.random.default_rng(0))
    assert rows.tolist() == (logits_NC[:, 0] - logits_NC[:, 1]).abs().argsort().tolist()


def test_classes_with_equal_weights_are_no_boundary_unless_they_tie() -> None:
    weight_CD = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    logits_NC = torch.tensor([[3.0, 2.0, 1.0], [3.0, 3.0, 1.0]])
    expected_N = torch.tensor([2 / 2**0.5, 0.0])
    torch.testing.assert_close(leave_distance(logits_NC, boundary_gap(weight_CD).float()), expected_N)


def test_large_common_weights_do_not_cancel() -> None:
    weight_CD = 1e4 + torch.eye(3)
    torch.testing.assert_close(boundary_gap(weight_CD)[0, 1].item(), 2**0.5, rtol=1e-3, atol=0)


def test_logits_in_half_precision_are_read_in_single_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NC = (torch.randn(20_000, 10, generator=generator)).half()
    weight_CD = torch.randn(10, 4, generator=generator)
    rows = [
        Mase(None).select(Candidates(np.arange(20_000), {"logits": x_NC, "head_weight": weight_CD}), 500, None)
        for x_NC in (logits_NC, logits_NC.float())
    ]
    np.testing.assert_array_equal(*rows)
