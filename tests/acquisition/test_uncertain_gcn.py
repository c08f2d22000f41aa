"""UncertainGCN against its formula, and as a user types it.

Dimension key: M rows of the graph (N candidates, then L labelled rows), D features.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.graph_net import GraphOptions, fitted
from calrun.acquisition.uncertain_gcn import UncertainGcn

OPTIONS = GraphOptions(hidden_units=8, dropout=0.3, steps=20, lr=1e-2, weight_decay=5e-4, unlabelled_weight=1.2)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.45])
def test_the_rows_nearest_to_the_margin_are_taken(margin: float, tmp_path: Path) -> None:
    features_MD = torch.rand(60, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    seed = int(np.random.default_rng(5).integers(2**62))
    net = fitted(features_MD[:40], features_MD[40:], OPTIONS, seed, tmp_path / "graph")
    score_N = net.labelled_logits(net.hidden()).sigmoid()[:40]
    columns = {"features": features_MD[:40], "labelled_features": features_MD[40:], "scratch": tmp_path}
    candidates = Candidates(np.arange(100, 140), columns)
    rows = UncertainGcn(OPTIONS, margin).select(candidates, 9, np.random.default_rng(5))
    assert rows.tolist() == (100 + (score_N - margin).abs().argsort()[:9]).tolist()


@pytest.mark.parametrize("margin", [-0.1, 1.5])
def test_a_margin_that_is_no_probability_is_refused(
    margin: float, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    said = refusal("run", *small, "acquisition=uncertain_gcn", f"acquisition.s_margin={margin}")
    assert f"acquisition.s_margin wants a share from 0 to 1, got {margin}" in said
