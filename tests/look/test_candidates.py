"""The unlabelled rows through a network's eyes: what an acquisition needs, and nothing else.

Dimension key: N candidates, L labelled rows.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.acquisition.base import Acquisition, Candidates
from calrun.experiment import Experiment, build
from calrun.look.candidates import gather
from calrun.look.columns import COLUMNS
from calrun.look.view import View
from calrun.round import Round


class Needy(Acquisition):
    """Needs what it is told to."""

    def __init__(self, *needs: str) -> None:
        self.needs, self.num_mc_samples = frozenset(needs), 2

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        return candidates.rows[:budget]


@pytest.fixture
def exp(configure: Callable[..., DictConfig]) -> Experiment:
    """A pool of 200 rows: 20 in a validation split, rows of round 1 labelled."""
    exp = build(configure("model=lenet", "model.hidden=8", "val_fraction=0.1"))
    exp.pool.label(exp.pool.unlabelled[5:25], 1)
    return exp


def gathered(exp: Experiment, *needs: str) -> Candidates:
    this_round = Round(1, 2, 20, 0, exp.pool, Path("here"))
    net, setup, acquisition = exp.method.net, exp.method.setup_, Needy(*needs)
    view = View(net, setup.train, setup.val, setup.predictor, this_round, net)
    return gather(view, acquisition.wanted(), acquisition.num_mc_samples)


def test_candidates_are_the_unlabelled_rows_of_the_pool(exp: Experiment) -> None:
    found = gathered(exp)
    np.testing.assert_array_equal(found.rows, exp.pool.unlabelled)
    assert len(found.rows) == 160
    assert found.columns == {}


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_each_column_comes_alone_and_has_its_length(exp: Experiment, column: str) -> None:
    found = gathered(exp, column)
    assert set(found.columns) == {column}
    num_rows = {"labelled": 20, "val": 20, "head": 10}.get(column.split("_")[0], 160)
    if column not in ("images", "model", "scratch", "run_folder"):
        assert len(found.columns[column]) == num_rows


def test_columns_belong_to_their_rows(exp: Experiment) -> None:
    found = gathered(
        exp,
        "oracle",
        "labelled_targets",
        "labelled_rows",
        "val_targets",
        "logits",
        "features",
        "head_weight",
        "head_bias",
    )
    truth = exp.data.train.targets
    np.testing.assert_array_equal(found.columns["oracle"], truth[found.rows])
    np.testing.assert_array_equal(found.columns["labelled_targets"], truth[found.columns["labelled_rows"]])
    np.testing.assert_array_equal(found.columns["labelled_rows"], exp.pool.labelled)
    head = found.columns["features"] @ found.columns["head_weight"].T + found.columns["head_bias"]
    torch.testing.assert_close(found.columns["logits"], head)


def test_images_come_in_the_order_that_is_asked_for(exp: Experiment) -> None:
    images = gathered(exp, "images").columns["images"]
    rows = exp.pool.unlabelled[[9, 3, 5]]
    batches = list(images.batches(rows, 2))
    np.testing.assert_array_equal(np.concatenate([chunk for chunk, _ in batches]), rows)
    x = torch.cat([x for _, x in batches])
    expected = torch.cat([x for _, x in exp.data.train.batches(rows, 10)])
    assert torch.equal(x, expected)


def test_nothing_labelled_gives_empty_columns(configure: Callable[..., DictConfig]) -> None:
    exp = build(configure())
    found = gathered(exp, "labelled_features", "labelled_logits", "labelled_targets")
    assert found.columns["labelled_features"].shape == (0, 64)
    assert found.columns["labelled_logits"].shape == (0, 10)
    assert len(found.columns["labelled_targets"]) == 0


def test_a_data_set_without_validation_has_no_such_column(configure: Callable[..., DictConfig]) -> None:
    exp = build(configure())
    assert exp.data.val is None
    assert gathered(replace(exp), "val_logits").columns == {}
