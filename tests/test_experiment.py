"""From a configuration to the objects of a run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.acquisition.base import Candidates
from calrun.experiment import build


def test_the_validation_split_leaves_the_pool(configure: Callable[..., DictConfig]) -> None:
    exp = build(configure("val_fraction=0.25"))
    assert len(exp.pool) == 150
    assert exp.data.val is not None
    assert len(exp.data.val) == 50
    held_out = np.flatnonzero(exp.pool.round_of < 0)
    np.testing.assert_array_equal(np.sort(exp.data.val.targets), np.sort(exp.data.train.targets[held_out]))


def test_the_validation_split_is_the_same_for_every_seed(configure: Callable[..., DictConfig]) -> None:
    first, second = (build(configure("val_fraction=0.25", f"seed={seed}")).pool.round_of for seed in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_scale_shrinks_pool_budgets_and_epochs_alike(configure: Callable[..., DictConfig]) -> None:
    exp = build(configure("scale=0.5", "trainer.max_epochs=10", "trainer.cal_epochs=6", "method=cal_er"))
    assert len(exp.pool) == 100
    assert exp.sizes == [10, 20, 30]
    assert [exp.method.stop_rules(number)[0].max_epochs for number in (1, 2)] == [5, 3]


def test_fractions_are_of_the_whole_pool_before_scaling(configure: Callable[..., DictConfig]) -> None:
    whole, half = (
        build(configure("budget=fractions", "~budget.start", "~budget.rounds", "+budget.start=0.1", "+budget.rounds=2",
                        f"scale={scale}", small=False)).sizes
        for scale in (1, 0.5)
    )  # fmt: skip
    assert whole == [2 * size for size in half]


def test_seed_set_seed_fixes_the_initial_rows_for_all_seeds(
    configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    def initial(*overrides: str) -> list[int]:
        exp = build(configure(*overrides))
        next(exp.rounds(tmp_path, after=0))
        return exp.pool.bought[1].tolist()

    assert initial("seed=0", "seed_set_seed=5") == initial("seed=1", "seed_set_seed=5")
    assert initial("seed=0") != initial("seed=1")
    assert initial("seed=0") != initial("seed=0", "seed_set_seed=5")


def test_what_the_initial_choice_keeps_lies_in_its_own_run(
    configure: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = build(configure())
    seen: list[Candidates] = []
    choose = exp.initial.select

    def select(candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        seen.append(candidates)
        return choose(candidates, budget, rng)

    monkeypatch.setattr(exp.initial, "needs", frozenset({"run_folder", "scratch"}), raising=False)
    monkeypatch.setattr(exp.initial, "select", select)
    next(exp.rounds(tmp_path / "run", after=0))
    assert seen[0].run_folder == tmp_path / "run"
    assert seen[0].scratch.parent == tmp_path / "run"


def test_first_weights_depend_on_the_seed_and_not_on_the_method(
    configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    def weights(*overrides: str) -> torch.Tensor:
        exp = build(configure(*overrides))
        exp.method.begin_round(next(exp.rounds(tmp_path, after=0)))
        return torch.cat([parameter.detach().flatten() for parameter in exp.method.net.parameters()])

    base = weights("method=al")
    for method in ("al_ws", "shrink_perturb", "cal_sds2"):
        assert torch.equal(weights(f"method={method}"), base)
    assert not torch.equal(weights("method=al", "seed=1"), base)


def test_building_leaves_the_global_random_state_alone(configure: Callable[..., DictConfig]) -> None:
    state = torch.get_rng_state()
    build(configure("method=lp_ft"))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_last_round_buys_nothing(configure: Callable[..., DictConfig], tmp_path: Path) -> None:
    rounds = []
    exp = build(configure())
    for this_round in exp.rounds(tmp_path, after=0):
        rounds.append((this_round.number, this_round.budget, this_round.is_last))
        exp.pool.label(exp.pool.unlabelled[: this_round.budget], this_round.number + 1)
    assert rounds == [(1, 20, False), (2, 20, False), (3, 0, True)]


def test_data_of_other_labels_has_another_fingerprint(configure: Callable[..., DictConfig]) -> None:
    prints = {build(configure(f"dataset.num_train={n}")).fingerprint() for n in (200, 199)}
    assert len(prints) == 2
    assert build(configure("seed=3")).fingerprint() in prints


@pytest.mark.parametrize("phases", ["linear_probe", "lp_ft"])
def test_phases_are_objects_and_not_configurations(configure: Callable[..., DictConfig], phases: str) -> None:
    from calrun.method.phase import Phase

    method = build(configure(f"method={phases}")).method
    assert {type(phase) for phase in method.phases} == {Phase}
