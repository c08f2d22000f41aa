"""A cell is a run on stored features, but for its fit: its choices are those of the acquisition on the same columns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.margin import Margin
from calrun.acquisition.random import RandomRows
from calrun.arena.entrants import entrants
from calrun.arena.head import fit_head
from calrun.arena.player import Ground, play
from calrun.arena.sets import load_set
from calrun.arena.settings import Settings
from calrun.rng import numpy_rng

SIZES, SETTINGS = [10, 20, 30], Settings()


@pytest.fixture
def ground(write_set: Callable[..., Path], tmp_path: Path) -> Ground:
    return Ground.of(load_set("clouds", write_set(tmp_path) / "clouds.npz"), 3, SETTINGS)


def margin() -> Margin:
    return Margin("prob", mc_dropout=False, num_mc_samples=0, memory_gib=None)


def test_a_cell_is_the_loop_typed_again(ground: Ground) -> None:
    labelled = RandomRows().select(Candidates(np.arange(900)), 10, numpy_rng(3, 0, "initial rows"))
    expected = []
    for number in (1, 2, 3):
        rows = np.sort(labelled)
        weight_CD, bias_C = fit_head(ground.features_ND[rows], ground.targets_N[rows], 3, 1.0, 1e-4)
        expected.append(((ground.test_MD @ weight_CD.T + bias_C).argmax(axis=1) == ground.test_targets_M).mean())
        unlabelled = np.setdiff1d(np.arange(900), labelled)
        logits_NC = torch.from_numpy(ground.features_ND[unlabelled] @ weight_CD.T + bias_C).float()
        chosen = margin().select(Candidates(unlabelled, {"logits": logits_NC}), 10, numpy_rng(3, number, "acquisition"))
        labelled = np.concatenate([labelled, chosen])
    played = play(ground, margin(), SIZES, 3, SETTINGS)
    assert played.labelled == SIZES
    np.testing.assert_allclose(played.accuracy, expected, atol=1 / 400)


def test_the_same_cell_gives_the_same_numbers(ground: Ground) -> None:
    for entrant in entrants(["badge", "bald", "tod"]):
        first, second = (play(ground, entrant.made(), SIZES, 3, SETTINGS) for _ in range(2))
        assert first.accuracy == second.accuracy


def test_balanced_accuracy_is_the_mean_over_classes(ground: Ground) -> None:
    played = play(ground, RandomRows(), SIZES, 3, SETTINGS)
    played.add(40, np.zeros(400, dtype=int), np.array([0] * 300 + [1] * 60 + [2] * 40))
    assert played.balanced_accuracy[-1] == pytest.approx(1 / 3)
    assert played.accuracy[-1] == 0.75


def test_features_are_on_one_scale_that_their_size_does_not_change(
    write_set: Callable[..., Path], tmp_path: Path
) -> None:
    data = load_set("clouds", write_set(tmp_path) / "clouds.npz")
    ground = Ground.of(data, 0, SETTINGS)
    assert np.square(ground.features_ND.astype(float)).mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(ground.features_ND.mean(axis=0), 0, atol=1e-6)
    larger = load_set("clouds", write_set(tmp_path / "b", features=1000 * data.features_ND + 5) / "clouds.npz")
    np.testing.assert_allclose(Ground.of(larger, 0, SETTINGS).features_ND, ground.features_ND, atol=1e-4)


def test_seeds_draw_their_own_pools_and_share_the_test_rows(write_set: Callable[..., Path], tmp_path: Path) -> None:
    data = load_set("clouds", write_set(tmp_path) / "clouds.npz")
    first, second = (Ground.of(data, seed, SETTINGS) for seed in (0, 1))
    assert len(first.features_ND) == len(second.features_ND) == 900
    assert not np.array_equal(first.targets_N, second.targets_N)
    np.testing.assert_array_equal(first.test_targets_M, second.test_targets_M)


class Twice(Acquisition):
    """Returns one row again and again."""

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        return np.repeat(candidates.rows[:1], budget)


class Broken(Acquisition):
    """Fails as a bug does."""

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        raise KeyError("nowhere")


@pytest.mark.parametrize(("acquisition", "said"), [(Twice(), "repeats"), (Broken(), "after round 1, KeyError")])
def test_what_goes_wrong_says_the_round(acquisition: Acquisition, said: str, ground: Ground) -> None:
    with pytest.raises(ValueError, match=said):
        play(ground, acquisition, SIZES, 0, SETTINGS)
