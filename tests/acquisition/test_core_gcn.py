"""CoreGCN against k-center greedy written out, and as a user types it.

Dimension key: N candidates, L labelled rows, D features, H hidden units.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.core_gcn import CoreGcn
from calrun.acquisition.coreset import KCenterGreedy
from calrun.acquisition.kernel import graph_choice
from calrun.acquisition.kernel.graph_net import Graph, GraphNet, GraphOptions, fitted
from tests.conftest import only_folder

OPTIONS = GraphOptions(hidden_units=8, dropout=0.3, steps=20, lr=1e-2, weight_decay=5e-4, unlabelled_weight=1.2)
SHORT = ("acquisition=core_gcn", "acquisition.graph.steps=20", "acquisition.graph.hidden_units=16")


def features(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(60, 8, generator=torch.Generator().manual_seed(0), dtype=dtype)


def candidates(features_MD: Tensor, scratch: Path) -> Candidates:
    columns = {"features": features_MD[:40], "labelled_features": features_MD[40:], "scratch": scratch}
    return Candidates(np.arange(100, 140), columns)


def k_center(features_MD: Tensor, number: int, budget: int) -> list[int]:
    """The candidate farthest from all labelled and taken rows, again and again."""
    centres, picks = list(range(number, len(features_MD))), list[int]()
    for _ in range(budget):
        distance_MC = (features_MD[:, None] - features_MD[centres]).square().sum(dim=2)
        picks.append(int(distance_MC.amin(dim=1)[:number].argmax()))
        centres.append(picks[-1])
    return picks


def test_picks_are_the_farthest_rows_in_the_graph_networks_features(tmp_path: Path) -> None:
    features_MD = features()
    seed = int(np.random.default_rng(5).integers(2**62))
    hidden_MH = fitted(features_MD[:40], features_MD[40:], OPTIONS, seed, tmp_path / "graph").hidden()
    rows = CoreGcn(OPTIONS).select(candidates(features_MD, tmp_path), 9, np.random.default_rng(5))
    assert rows.tolist() == [100 + pick for pick in k_center(hidden_MH, 40, 9)]


def test_a_graph_network_that_changes_nothing_leaves_coreset_on_unit_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def identity(features_ND: Tensor, labelled_LD: Tensor, options: GraphOptions, seed: int, folder: Path) -> GraphNet:
        net = GraphNet(Graph(torch.cat([features_ND, labelled_LD])), len(features_ND), options, seed)
        net.around_MD = net.graph.unit_MD
        net.inner_DH.data.copy_(torch.eye(8))
        net.inner_bias_H.data.zero_()
        return net.requires_grad_(False)

    monkeypatch.setattr(graph_choice, "fitted", identity)
    world = candidates(features(), tmp_path)
    unit = {name: torch.nn.functional.normalize(world.columns[name]) for name in ("features", "labelled_features")}
    rows = CoreGcn(OPTIONS).select(world, 9, np.random.default_rng(0))
    expected = KCenterGreedy("random", None).select(Candidates(world.rows, unit), 9, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, expected)


def test_what_an_interrupted_fit_of_another_round_left_is_not_here(tmp_path: Path) -> None:
    CoreGcn(OPTIONS).select(candidates(features(), tmp_path), 3, np.random.default_rng(0))
    assert not list(tmp_path.iterdir())


def test_it_plays_and_plans_as_typed(calrun: Callable[..., Any], small: tuple[str, ...], tmp_path: Path) -> None:
    assert "fits: at most" in calrun("plan", *small, *SHORT).out
    answer = calrun("run", *small, *SHORT, "method=cal_er")
    assert answer.code == 0, answer.err
    assert len((only_folder(tmp_path / "outputs") / "rounds.jsonl").read_text().splitlines()) == 3


def test_a_wrong_option_is_refused_as_typed(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    said = refusal("run", *small, "acquisition=core_gcn", "acquisition.graph.dropout=1")
    assert "acquisition.graph.dropout wants a share from 0 to below 1, got 1" in said
