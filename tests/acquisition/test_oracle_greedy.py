"""The greedy reference against a literal re-fit of the ridge head for every candidate."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.ridge import RidgeHead, inputs
from calrun.acquisition.oracle_greedy import OracleGreedy

N, L, V, D, C, RIDGE = 200, 12, 61, 5, 4, 0.7


def world(seed: int = 0, labelled: int = L) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centre_CD = 1.2 * torch.randn(C, D, generator=generator)
    columns: dict[str, Tensor] = {}
    for prefix, number in (("", N), ("labelled_", labelled), ("val_", V)):
        target = torch.randint(C, (number,), generator=generator)
        columns[f"{prefix}features"] = 3 + 2 * (centre_CD[target] + torch.randn(number, D, generator=generator))
        columns[f"{prefix}targets"] = target
    columns["oracle"] = columns.pop("targets")
    return columns


def chosen(columns: dict[str, Tensor], budget: int, memory_gib: float | None = None, first: int = 50) -> list[int]:
    candidates = Candidates(np.arange(first, first + len(columns["oracle"])), dict(columns))
    rows = OracleGreedy(RIDGE, memory_gib).select(candidates, budget, np.random.default_rng(0))
    return [row - first for row in rows.tolist()]


def literal(columns: dict[str, Tensor], budget: int) -> list[int]:
    """Solves the normal equations anew for every candidate of every step."""
    pool, seen, val = (columns[f"{name}features"].double().numpy() for name in ("", "labelled_", "val_"))
    pool, seen, val = (np.hstack([x, np.ones((len(x), 1))]) for x in (pool, seen, val))
    y_pool, y_seen, y_val = (np.eye(C)[columns[name]] for name in ("oracle", "labelled_targets", "val_targets"))
    picked: list[int] = []
    for _ in range(budget):
        tried = {}
        for row in sorted({*range(len(pool))} - {*picked}):
            x = np.concatenate([seen, pool[[*picked, row]]])
            y = np.concatenate([y_seen, y_pool[[*picked, row]]])
            weight = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
            score = val @ weight
            right = sum(
                score[v, c] > max(score[v, other] for other in range(C) if other != c)
                for v, c in enumerate(columns["val_targets"].tolist())
            )
            tried[row] = (-right, round(float(((score - y_val) ** 2).sum()), 9), row)
        picked.append(min(tried, key=lambda row: tried[row]))
    return picked


@pytest.mark.parametrize(("seed", "labelled"), [(0, L), (1, 0)])
def test_each_pick_is_that_of_a_fit_for_every_candidate(seed: int, labelled: int) -> None:
    columns = world(seed, labelled)
    assert chosen(columns, 4) == literal(columns, 4)


def test_rows_taken_one_at_a_time_give_the_head_of_all_at_once() -> None:
    columns = world()
    x_ND, val_VD = inputs(columns["features"]), inputs(columns["val_features"])
    at_once = RidgeHead(RIDGE, val_VD, columns["val_targets"], C)
    one_by_one = RidgeHead(RIDGE, val_VD, columns["val_targets"], C)
    at_once.fit(x_ND, columns["oracle"])
    for x_D, target in zip(x_ND, columns["oracle"].tolist(), strict=True):
        one_by_one.add(x_D, target)
    torch.testing.assert_close(one_by_one.weight_DC, at_once.weight_DC)
    torch.testing.assert_close(one_by_one.inverse_DD, at_once.inverse_DD)


def test_of_equal_rows_the_first_is_taken() -> None:
    columns = world()
    first = chosen(columns, 1)[0]
    twice = {**columns, "features": columns["features"].clone(), "oracle": columns["oracle"].clone()}
    for name in ("features", "oracle"):
        twice[name][3] = twice[name][first]
    assert first != 3
    assert chosen(twice, 1) == [min(first, 3)]


def test_chunks_of_one_candidate_choose_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = chosen(world(), 5)
    monkeypatch.setattr("calrun.acquisition.oracle_greedy.CACHED_NUMBERS", 1)
    assert chosen(world(), 5) == whole


def test_a_tie_between_classes_is_not_right() -> None:
    """Before a label every class scores 0, and a class that nobody has seen stays there."""
    head = RidgeHead(RIDGE, torch.ones(3, 2).double(), torch.tensor([0, 1, 2]), 3)
    right_B, loss_B = head.with_each(torch.ones(1, 2).double(), torch.tensor([2]))
    assert right_B.tolist() == [1]
    score = 2 / (RIDGE + 2)  # of the class of the row, for the same x
    assert loss_B.item() == pytest.approx(2 * (1 + score**2) + (1 - score) ** 2)


def test_without_validation_rows_it_says_what_to_set() -> None:
    columns = world()
    with pytest.raises(ValueError, match="no rows; set val_fraction above 0"):
        chosen({**columns, "val_features": columns["val_features"][:0], "val_targets": columns["val_targets"][:0]}, 3)


@pytest.mark.parametrize("ridge", [0.0, -1.0, float("inf"), float("nan")])
def test_a_penalty_is_above_zero(ridge: float) -> None:
    with pytest.raises(ValueError, match=r"acquisition\.ridge wants a finite number above 0, got"):
        OracleGreedy(ridge, None)


WORDS = (
    "model=linear",
    "method=ridge",
    "acquisition=oracle_greedy",
    "val_fraction=0.2",
    "budget.rounds=2",
    "budget.start=10",
)


def test_a_run_says_that_it_looks_at_labels(play: Callable[..., Any], run_folder: Callable[[], Any]) -> None:
    answer = play(*WORDS)
    assert answer.code == 0, answer.err
    assert "cheats:\n- acquisition\n" in (run_folder() / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "because"),
    [
        (("model=linear", "method=al"), "that is not the one of this method"),
        (("model=linear", "method=linear_probe"), "that is not the one of this method"),
        (("model=mlp", "method=ridge"), "it is random, another one in each round (give it weights"),
    ],
)
def test_another_head_is_refused(
    words: tuple[str, ...], because: str, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    inner = ("acquisition=subset_of", "acquisition@acquisition.inner=oracle_greedy")
    for chosen in (("acquisition=oracle_greedy",), inner):
        said = refusal("run", *small, *words, *chosen, "val_fraction=0.2")
        assert f"a reference for a ridge head on features that never change, but {because}" in said


def test_the_head_has_the_penalty_of_the_method(configure: Callable[..., Any]) -> None:
    cfg = configure("method=ridge", "method.ridge=7", "acquisition=oracle_greedy")
    assert cfg.acquisition.ridge == 7


def test_without_a_validation_split_it_is_refused(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    words = ("model=linear", "method=ridge", "acquisition=oracle_greedy")
    assert "set val_fraction above 0" in refusal("run", *small, *words)
