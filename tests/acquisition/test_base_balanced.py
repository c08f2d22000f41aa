import itertools
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.base_balanced import BalancedSelection, Boundaries, Regions, nearest_first


def random_candidates(
    seed: int, num_rows: int, num_classes: int, num_features: int
) -> tuple[Candidates, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features_ND = torch.randn(num_rows, num_features, generator=generator, dtype=torch.float64)
    weight_CD = torch.randn(num_classes, num_features, generator=generator, dtype=torch.float64)
    bias_C = torch.randn(num_classes, generator=generator, dtype=torch.float64) / 2
    columns = {"logits": features_ND @ weight_CD.T + bias_C, "head_weight": weight_CD}
    return Candidates(np.arange(num_rows), columns), features_ND, bias_C


def pairwise_distances(candidates: Candidates) -> Tensor:
    boundaries = Boundaries(candidates, memory_gib=None)
    return torch.stack([boundaries.distance_to(c) for c in range(len(candidates.head_weight_CD))], dim=1)


def exact_distances(candidates: Candidates) -> np.ndarray:
    bound_NC, regions = pairwise_distances(candidates), Regions(candidates)
    exact_NC = np.full(bound_NC.shape, np.nan)
    for c in range(bound_NC.shape[1]):
        for distance, position in regions.nearest_first(c, nearest_first(lambda c=c: bound_NC[:, c], 3)):
            exact_NC[position, c] = distance
    return exact_NC


def region_by_enumeration(feature_D: np.ndarray, weight_CD: np.ndarray, bias_C: np.ndarray, c: int) -> float:
    """The distance to the region where class c wins, by trying every set of active constraints."""
    others = [j for j in range(len(weight_CD)) if j != c]
    normal_JD = weight_CD[c] - weight_CD[others]
    offset_J = bias_C[others] - bias_C[c] - normal_JD @ feature_D
    best = np.inf
    for size in range(min(len(others), len(feature_D)) + 1):
        for active in map(list, itertools.combinations(range(len(others)), size)):
            step_D = np.linalg.pinv(normal_JD[active]) @ offset_J[active] if active else 0 * feature_D
            if (normal_JD @ step_D >= offset_J - 1e-9).all():
                best = min(best, float(np.linalg.norm(step_D)))
    return best


def taken_by_sorting(distance_NC: np.ndarray, budget: int, order: str) -> list[int]:
    num_classes = distance_NC.shape[1]
    turns = [i % num_classes for i in range(budget)]
    taken: list[int] = []
    for c in sorted(turns) if order == "class_major" else turns:
        left = [i for i in range(len(distance_NC)) if i not in taken]
        taken.append(min(left, key=lambda i, c=c: (distance_NC[i, c], i)))
    return taken


@pytest.mark.parametrize("dcsdb", ["pairwise", "exact"])
@pytest.mark.parametrize("order", ["class_major", "round_robin"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), num_classes=st.integers(2, 6), budget=st.integers(1, 40))
def test_each_class_takes_the_nearest_of_what_is_left(
    dcsdb: str, order: str, seed: int, num_classes: int, budget: int
) -> None:
    candidates, _, _ = random_candidates(seed, 40, num_classes, 4)
    distance_NC = exact_distances(candidates) if dcsdb == "exact" else pairwise_distances(candidates).numpy()
    rows = BalancedSelection(dcsdb, order, memory_gib=None).select(candidates, budget, np.random.default_rng(0))
    assert rows.tolist() == taken_by_sorting(distance_NC, budget, order)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), num_classes=st.integers(2, 5), num_features=st.integers(2, 4))
def test_the_exact_distance_is_that_to_the_region_of_the_class(seed: int, num_classes: int, num_features: int) -> None:
    candidates, features_ND, bias_C = random_candidates(seed, 4, num_classes, num_features)
    exact_NC, bound_NC = exact_distances(candidates), pairwise_distances(candidates).numpy()
    weight_CD, top_N = candidates.head_weight_CD.numpy(), candidates.logits_NC.argmax(dim=1).tolist()
    for n, c in np.ndindex(exact_NC.shape):
        if c != top_N[n]:
            expected = region_by_enumeration(features_ND[n].numpy(), weight_CD, bias_C.numpy(), c)
            if np.isinf(expected):
                assert exact_NC[n, c] > 1e12
            else:
                np.testing.assert_allclose(exact_NC[n, c], expected, rtol=1e-5)
    assert (bound_NC * (1 - 1e-12) <= exact_NC).all()


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1e6])
def test_the_exact_distance_does_not_see_the_scale_of_the_head(scale: float) -> None:
    candidates, _, _ = random_candidates(0, 30, 6, 4)
    scaled = Candidates(candidates.rows, {name: scale * column for name, column in candidates.columns.items()})
    np.testing.assert_allclose(exact_distances(scaled), exact_distances(candidates), rtol=1e-6)


def test_distance_is_the_projection_onto_the_boundary() -> None:
    candidates = Candidates(np.arange(1), {"logits": torch.tensor([[3.0, 1.0]]), "head_weight": torch.eye(2)})
    torch.testing.assert_close(pairwise_distances(candidates), torch.full((1, 2), 2 / 2**0.5))  # to (2, 2)


def test_the_orders_agree_where_no_row_is_wanted_twice() -> None:
    logits_NC = torch.cat([torch.eye(4) * (1 + i) for i in range(5)])  # each row is near its own class only
    candidates = Candidates(np.arange(20), {"logits": logits_NC, "head_weight": torch.eye(4)})
    taken = [
        set(BalancedSelection("pairwise", order, None).select(candidates, 4, np.random.default_rng(0)).tolist())
        for order in ("class_major", "round_robin")
    ]
    assert taken[0] == taken[1]


def test_a_budget_below_the_number_of_classes_serves_the_first_classes() -> None:
    candidates, _, _ = random_candidates(0, 40, 6, 4)
    nearest = pairwise_distances(candidates).argmin(dim=0).tolist()
    rows = BalancedSelection("pairwise", "class_major", None).select(candidates, 1, np.random.default_rng(0))
    assert rows.tolist() == nearest[:1]


def test_queues_go_on_beyond_their_first_look() -> None:
    distance_N = torch.randn(300, generator=torch.Generator().manual_seed(0))
    positions = [position for _, position in nearest_first(lambda: distance_N, depth=2)]
    assert positions == distance_N.argsort().tolist()


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ValueError, match=r"acquisition\.dcsdb wants pairwise or exact, got 'true'"):
        BalancedSelection("true", "class_major", memory_gib=None)


@pytest.mark.parametrize("dcsdb", ["pairwise", "exact"])
def test_a_class_that_can_never_win_is_served_last_rows_by_number(dcsdb: str) -> None:
    candidates, features_ND, _ = random_candidates(1, 12, 3, 4)
    weight_CD = candidates.head_weight_CD.clone()
    weight_CD[2] = weight_CD[1]  # class 2 is class 1 with a lower bias
    logits_NC = features_ND @ weight_CD.T + torch.tensor([0.0, 1.0, 0.5])
    columns = {"logits": logits_NC, "head_weight": weight_CD}
    rows = BalancedSelection(dcsdb, "round_robin", None).select(
        Candidates(np.arange(12), columns), 12, np.random.default_rng(0)
    )
    assert sorted(rows.tolist()) == list(range(12))


@pytest.mark.parametrize("order", ["class_major", "round_robin"])
def test_logits_in_half_precision_are_read_in_single_precision(order: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NC, weight_CD = torch.randn(20_000, 10, generator=generator).half(), torch.randn(10, 4, generator=generator)
    rows = [
        BalancedSelection("pairwise", order, None).select(
            Candidates(np.arange(20_000), {"logits": x_NC, "head_weight": weight_CD}), 500, np.random.default_rng(0)
        )
        for x_NC in (logits_NC, logits_NC.float())
    ]
    np.testing.assert_array_equal(*rows)


def test_a_waiting_queue_keeps_no_distances() -> None:
    """One queue for each class: the distances of all would be N x C numbers."""
    made: list[weakref.ref[Tensor]] = []

    def distance() -> Tensor:
        distance_N = torch.arange(50.0)
        made.append(weakref.ref(distance_N))
        return distance_N

    queue = nearest_first(distance, depth=5)
    assert next(queue) == (0.0, 0)
    assert [tensor() for tensor in made] == [None]
