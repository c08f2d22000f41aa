"""Training on parts of the labelled rows whose weighted gradients are near those of all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.experiment import build
from calrun.method.fit.fit import Fitter
from calrun.method.gradmatch import Subset, WeightedLoss, filled, matched_batches, matched_rows, num_units
from calrun.round import Round, planned_rounds

Configure = Callable[..., DictConfig]
USUAL: dict[str, Any] = {
    "share": 0.3, "every_epochs": 35, "warm_up_epochs": 0, "full_every_rounds": 3, "unit": "batch",
    "normalize_gamma": "mean_one", "batch_size": 4,
}  # fmt: skip
EARLY = ("method.visit.full_every_rounds=9", "method.visit.share=0.5", "stop=fixed_epochs", "trainer.batch_size=4")


def subset(**more: Any) -> Subset:
    return Subset(**{**USUAL, **more})


def played(
    method: str, configure: Configure, folder: Path, *words: str, epochs: int = 4
) -> tuple[Any, list[list[list[int]]]]:
    """Round 2 of a run; returns its method and the rows of each step of each epoch."""
    exp = build(configure(f"method={method}", *EARLY, f"trainer.max_epochs={epochs}", *words))
    exp.pool.label(np.arange(20), 1)
    exp.pool.label(np.arange(20, 40), 2)
    exp.pool.ask(2)
    this_round = exp.round(2, folder)
    exp.method.begin_round(this_round)
    visited: list[list[list[int]]] = []
    visit: Any = exp.method.visit
    plain = visit.epoch

    def noted(*told: Any) -> Any:
        steps = plain(*told)
        if visit.chosen_S is not None:
            visited.append([step.current.tolist() for step in steps])
        return steps

    visit.epoch = noted
    Fitter({"accelerator": "cpu", "devices": 1}, 1e9, lambda *_: None)(exp.method, this_round)
    return exp.method, visited


@pytest.mark.parametrize("unit", ["batch", "class"])
def test_epochs_visit_a_part_that_is_chosen_anew_every_so_often(
    unit: str, configure: Configure, tmp_path: Path
) -> None:
    words = (f"method.visit.unit={unit}", "method.visit.every_epochs=2", "method.visit.warm_up_epochs=1")
    method, visited = played("al_gradmatch", configure, tmp_path, *words, epochs=5)
    rows = [sorted(row for step in epoch for row in step) for epoch in visited]
    assert len(visited) == 5
    assert rows[0] == list(range(40))  # the warm-up
    assert rows[1] == rows[2] != rows[3] == rows[4]
    assert all(20 <= len(each) <= 25 and len(set(each)) == len(each) for each in rows[1:])
    assert visited[1] != visited[2]  # in another order
    if unit == "batch":
        assert {tuple(sorted(r // 4 for r in each[::4])) for each in rows[1:]} != {()}
        assert all(
            each == [r for b in sorted({r // 4 for r in each}) for r in range(4 * b, 4 * b + 4)] for each in rows[1:]
        )
    assert method.notes()["subset_rows"] == len(rows[-1])
    assert method.work.samples_forward == method.work.samples_backward + 2 * 40


@pytest.mark.parametrize("number", range(1, 9))
def test_every_third_round_and_the_last_train_on_everything(number: int, tmp_path: Path) -> None:
    (this_round,) = (each for each in planned_rounds(range(10, 90, 10)) if each.number == number)
    assert subset().trains_fully(this_round) is (number in (1, 4, 7, 8))


def test_a_full_round_is_the_plain_method_bit_for_bit(configure: Configure, play_in: Any, tmp_path: Path) -> None:
    cfgs = {method: configure(f"method={method}", "budget.rounds=1") for method in ("al", "al_gradmatch")}
    (ours,), (plain,) = (play_in(tmp_path / method, cfg) for method, cfg in cfgs.items())
    assert ours["test"] == plain["test"]
    assert ours["notes"] == plain["notes"] == {}


def test_the_loss_is_the_mean_of_weighted_losses(make_batch: Any) -> None:
    loss = WeightedLoss()
    batch = make_batch([[0.0, 0.0], [0.0, 0.0]], [0, 1])
    assert loss(batch, None).item() == pytest.approx(np.log(2))
    loss.weights_of = lambda rows: torch.tensor([0.5, 3.0])
    assert loss(batch, None).item() == pytest.approx(np.log(2) * 3.5 / 2)


@pytest.mark.parametrize(("normalize", "mean"), [("mean_one", 1.0), ("raw", 2.0)])
def test_weights_have_mean_one_or_stay_as_they_are(normalize: str, mean: float, tmp_path: Path) -> None:
    """Four labelled rows in two equal batches of features: one batch with weight 2 stands for both."""
    from calrun.pool import Pool

    pool = Pool.simulated(np.array([0, 1, 0, 1, 0]), 2)
    pool.label(np.arange(2), 1)
    pool.label(np.arange(2, 4), 2)
    visit = subset(normalize_gamma=normalize, share=0.5, batch_size=2)
    visit.begin_round(Round(2, 5, 1, 0, pool, tmp_path))
    seen = {"logits": torch.zeros(4, 2), "features": torch.tensor([[1.0], [2.0], [1.0], [2.0]])}
    visit.look_ahead(lambda rows, columns=None: seen, 0, 0)
    assert visit.chosen_S is not None
    assert visit.chosen_S.tolist() == [0, 1]
    gamma_B = visit.gamma_of(torch.from_numpy(visit.chosen_S))
    assert gamma_B is not None
    assert gamma_B.tolist() == pytest.approx([mean, mean])


def test_where_the_pursuit_ends_early_random_units_fill_the_rest_with_weight_one() -> None:
    gram_UU = np.ones((6, 6))  # six equal units: one stands for all
    chosen, gamma, drawn = filled(gram_UU, 4, np.random.default_rng(0))
    again = filled(gram_UU, 4, np.random.default_rng(0))[0]
    assert (chosen[0], drawn, len(set(chosen.tolist()))) == (0, 3, 4)
    assert gamma.tolist() == [pytest.approx(6.0), 1.0, 1.0, 1.0]
    assert chosen.tolist() == again.tolist()


def test_rows_are_chosen_class_by_class() -> None:
    rng = np.random.default_rng(0)
    targets = np.array([0] * 10 + [2] * 5)
    positions, gamma, _ = matched_rows(rng.normal(size=(15, 3)), rng.normal(size=(15, 4)), targets, 0.3, rng)
    assert np.bincount(targets[positions]).tolist() == [3, 0, 2]
    assert len(gamma) == 5
    assert (gamma > 0).all()


def test_rows_of_a_short_last_batch_have_its_weight() -> None:
    errors = np.array([[0.1], [0.1], [0.1], [0.1], [9.0]])
    positions, gamma, drawn = matched_batches(errors, np.zeros((5, 1)), 0.3, 4, np.random.default_rng(0))
    assert (positions.tolist(), drawn) == ([4], 0)
    assert gamma.tolist() == [pytest.approx(9.1 / 9)]


@pytest.mark.parametrize(("rows", "size", "units"), [(10, 1, 3), (11, 1, 4), (100, 20, 2), (25, 20, 1), (3, 20, 1)])
def test_the_number_of_units_is_rounded_up(rows: int, size: int, units: int) -> None:
    assert num_units(0.3, rows, size) == units


def test_the_plan_knows_the_part_the_warm_up_and_the_choices(configure: Configure) -> None:
    """100 rows in round 2, 4 steps of 20 are 1.5, so 2 of them; 10 epochs, 2 of warm-up, choices at 2, 5, 8."""
    words = ("method.visit.every_epochs=3", "method.visit.warm_up_epochs=2", "trainer.max_epochs=10")
    method = build(configure("method=al_gradmatch", *words, "stop=fixed_epochs", "trainer.batch_size=20")).method
    first, second, *_ = (method.planned(each) for each in list_of_rounds((20, 100, 120, 140)))
    assert (first.samples, first.looks) == (20, 0)
    assert (second.steps, second.samples, second.looks) == (2, 40, 3 * 100)
    assert second.passes == 3 * 40 + 3 * 2 * 60 // 10


def list_of_rounds(sizes: tuple[int, ...]) -> Any:
    return planned_rounds(sizes)  # one pool that grows: each round must be planned when it comes


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("share=1.0", "wants a share above 0 and below 1, got 1.0"),
        ("every_epochs=0", "method.visit.every_epochs wants at least 1, got 0"),
        ("warm_up_epochs=-1", "method.visit.warm_up_epochs wants at least 0"),
        ("unit=row", "method.visit.unit wants batch or class, got 'row'"),
        ("normalize_gamma=one", "method.visit.normalize_gamma wants mean_one or raw"),
    ],
)
def test_what_cannot_be_meant_is_refused(word: str, said: str, refusal: Any, small: Any) -> None:
    assert said in refusal("run", *small, "method=al_gradmatch", f"method.visit.{word}")
