"""Cluster-Margin: small margins, spread over clusters."""

from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.acquisition.base import Candidates
from calrun.acquisition.cluster_margin import ClusterMargin, round_robin
from calrun.acquisition.kernel.hierarchy import Hierarchy
from calrun.acquisition.margin import Margin

MARGIN = Margin(space="prob", mc_dropout=False, num_mc_samples=10, memory_gib=None)
BY_DISTANCE = Hierarchy("average", 1.0, 10, None, None)


def world() -> Candidates:
    """Blobs of 12, 6 and 2 rows; the margin grows with the row."""
    features_ND = torch.tensor([[0.0]] * 12 + [[10.0]] * 6 + [[20.0]] * 2) + torch.arange(20.0)[:, None] / 1000
    logits_NC = torch.stack([torch.arange(20.0) / 10, torch.zeros(20)], dim=1)
    return Candidates(np.arange(20), {"features": features_ND, "logits": logits_NC})


def acquisition(k_m_factor: float, pick: str = "min_margin", recluster: str = "every_round") -> ClusterMargin:
    return ClusterMargin(MARGIN, BY_DISTANCE, k_m_factor, pick, recluster)  # type: ignore[arg-type]


def test_round_robin_serves_short_queues_first() -> None:
    assert round_robin([[5, 6, 7], [1], [9, 8]], 5) == [1, 9, 5, 8, 6]


def test_small_clusters_are_served_first_and_all_in_turn() -> None:
    rows = acquisition(4).select(world(), 5, np.random.default_rng(0))
    assert rows.tolist() == [18, 12, 0, 19, 13]


def test_a_factor_of_one_is_margin_sampling() -> None:
    rows = acquisition(1).select(world(), 7, np.random.default_rng(0))
    assert set(rows.tolist()) == set(MARGIN.select(world(), 7, np.random.default_rng(0)).tolist())


def test_all_picks_are_uncertain_and_random_ones_follow_the_seed() -> None:
    kept = set(MARGIN.select(world(), 14, np.random.default_rng(0)).tolist())
    drawn = [acquisition(2, "random").select(world(), 7, np.random.default_rng(seed)).tolist() for seed in range(6)]
    assert all(set(rows) <= kept for rows in drawn)
    assert len({tuple(rows) for rows in drawn}) > 1


def test_counts_of_clusters_differ_by_one_at_most_unless_used_up() -> None:
    rows = acquisition(2).select(world(), 10, np.random.default_rng(0))
    assert np.bincount(np.digitize(rows, [12, 18])).tolist() == [4, 4, 2]


def test_clusters_are_kept_from_the_first_round_by_whichever_process(tmp_path: Path) -> None:
    first, moved = world(), world()
    moved.columns["features"] = torch.zeros(20, 1)
    for candidates in (first, moved):
        candidates.columns["run_folder"] = tmp_path
    acquisition(4, recluster="never").select(first, 5, np.random.default_rng(0))
    later = acquisition(4, recluster="never")
    assert later.select(moved, 5, np.random.default_rng(0)).tolist() == [18, 12, 0, 19, 13]
    assert acquisition(4).select(moved, 5, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4]


def test_a_selection_repeated_after_a_kill_draws_the_same(tmp_path: Path) -> None:
    micro = Hierarchy("average", 1.0, 10, 5, None)  # draws numbers of its own
    candidates = world()
    candidates.columns["run_folder"] = tmp_path
    picks = [
        ClusterMargin(MARGIN, micro, 4, "random", "never").select(candidates, 8, np.random.default_rng(0)).tolist()
        for _ in range(2)
    ]
    assert picks[0] == picks[1]


def test_clusters_of_other_rows_are_refused(tmp_path: Path) -> None:
    candidates = world()
    candidates.columns["run_folder"] = tmp_path
    acquisition(4, recluster="never").select(candidates, 5, np.random.default_rng(0))
    others = Candidates(candidates.rows + 1, candidates.columns)
    with pytest.raises(ValueError, match=r"not of row 20 and 0 more; use acquisition.recluster=every_round"):
        acquisition(4, recluster="never").select(others, 5, np.random.default_rng(0))
