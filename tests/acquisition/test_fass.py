"""FASS: filter by uncertainty, then stand for the filtered rows."""

import numpy as np
import pytest
import torch

from calrun.acquisition.base import Candidates
from calrun.acquisition.fass import Fass
from calrun.acquisition.kernel.similarity import Kernel
from calrun.acquisition.margin import Margin

COSINE = Kernel("cosine_clip0", "l2", "median")
MARGIN = Margin(space="prob", mc_dropout=False, num_mc_samples=10, memory_gib=None)


def world(number: int = 60) -> Candidates:
    generator = torch.Generator().manual_seed(0)
    columns = {"features": torch.randn(number, 4, generator=generator, dtype=torch.float64)}
    columns["logits"] = torch.randn(number, 3, generator=generator, dtype=torch.float64)
    return Candidates(np.arange(number), columns)


def chosen(
    factor: float, budget: int, per_pseudo_class: bool = False, candidates: Candidates | None = None
) -> list[int]:
    acquisition = Fass(MARGIN, factor, COSINE, per_pseudo_class, None)
    return acquisition.select(candidates or world(), budget, np.random.default_rng(0)).tolist()


def test_all_picks_are_among_the_most_uncertain() -> None:
    kept = MARGIN.select(world(), 20, np.random.default_rng(0))
    assert set(chosen(4, 5)) <= set(kept.tolist())
    assert set(chosen(4, 5)) != set(kept[:5].tolist())


def test_a_filter_as_large_as_the_budget_is_the_filter() -> None:
    assert set(chosen(1, 8)) == set(MARGIN.select(world(), 8, np.random.default_rng(0)).tolist())


@pytest.mark.parametrize("per_pseudo_class", [False, True])
def test_picks_are_the_naive_greedy_ones_on_the_filtered_rows(per_pseudo_class: bool) -> None:
    candidates = world()
    kept = np.sort(MARGIN.select(candidates, 20, np.random.default_rng(0)))
    unit_FD = torch.nn.functional.normalize(candidates.features_ND[kept])
    like_FF = (unit_FD @ unit_FD.T).clamp(min=0)
    if per_pseudo_class:
        predicted_F = candidates.logits_NC[kept].argmax(dim=1)
        like_FF = torch.where(predicted_F[:, None] == predicted_F, like_FF, 0)
    best_F, picks = torch.zeros(20, dtype=torch.float64), []
    for _ in range(5):
        gains_F = (like_FF - best_F).clamp(min=0).sum(dim=1)
        picks.append(int(gains_F.argmax()))
        best_F = torch.maximum(best_F, like_FF[picks[-1]])
    assert chosen(4, 5, per_pseudo_class) == kept[picks].tolist()


def test_with_pseudo_classes_every_class_is_stood_for() -> None:
    candidates = world()
    candidates.columns["features"] = torch.ones(60, 4, dtype=torch.float64)  # only the classes differ
    predicted_N = candidates.logits_NC.argmax(dim=1).numpy()
    assert len(set(predicted_N[chosen(20, 3, True, candidates)].tolist())) == 3
