"""Facility location as an acquisition and as an initial set."""

import numpy as np
import torch

from calrun.acquisition.base import Candidates
from calrun.acquisition.facility_location import FacilityLocation
from calrun.acquisition.kernel.similarity import Kernel

COSINE = Kernel("cosine_clip0", "l2", "median")


def groups() -> Candidates:
    """Two tight bundles of directions, 30 rows and 10 rows, and the classes across them."""
    generator = torch.Generator().manual_seed(0)
    centre_N2 = torch.tensor([[1.0, 0.0]] * 30 + [[0.0, 1.0]] * 10)
    features_ND = centre_N2 + 0.05 * torch.rand(40, 2, generator=generator)
    return Candidates(np.arange(40), {"features": features_ND, "oracle": torch.arange(40) % 4})


def chosen(budget: int, class_conditional: bool = False, represented: int | None = None) -> list[int]:
    acquisition = FacilityLocation(COSINE, class_conditional, represented, None)
    return acquisition.select(groups(), budget, np.random.default_rng(0)).tolist()


def test_the_larger_bundle_is_stood_for_first_and_each_bundle_before_any_twice() -> None:
    first, second = chosen(2)
    assert first < 30 <= second


def test_the_first_row_is_most_like_all_others() -> None:
    unit_ND = torch.nn.functional.normalize(groups().features_ND)
    assert chosen(1) == [int((unit_ND @ unit_ND.T).clamp(min=0).sum(dim=1).argmax())]


def test_class_conditional_takes_equally_from_the_true_classes() -> None:
    picks = chosen(12, class_conditional=True)
    assert np.bincount(np.array(picks) % 4).tolist() == [3, 3, 3, 3]
    assert FacilityLocation(COSINE, True, None, None).needs == {"features", "oracle"}


def test_a_random_subset_to_stand_for_still_gives_distinct_rows_of_both_bundles() -> None:
    picks = chosen(4, represented=20)
    assert len(set(picks)) == 4
    assert min(picks) < 30 <= max(picks)
