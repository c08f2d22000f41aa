"""Any acquisition on a random subset of the candidates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.coreset import KCenterGreedy
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.subset_of import SubsetOf
from calrun.look.columns import Column, per_row
from calrun.look.sizes import Sizes
from tests.conftest import only_folder


@dataclass
class Recorder(Acquisition):
    """Takes the last rows and remembers what it was shown."""

    seen: list[Candidates] = field(default_factory=list)

    needs = frozenset({"features", "labelled_rows", "own"})

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        assert candidates.features_ND.flatten().tolist() == candidates.rows.tolist()
        self.seen.append(candidates)
        return candidates.rows[len(candidates) - budget :]

    def columns(self) -> dict[str, Column]:
        return {"own": per_row("own", lambda seen: seen.x, lambda sizes: 1.0)}

    def notes(self) -> dict[str, float]:
        return {"calls": float(len(self.seen))}

    def cost(self, sizes: Sizes) -> Cost:
        return Cost(flops=1000 * sizes.candidates + sizes.labelled)


class Keeper(Recorder):
    needs = frozenset({"run_folder"})


def world(number: int = 103) -> Candidates:
    rows = np.arange(1000, 1000 + number)
    columns = {"features": torch.from_numpy(rows)[:, None], "labelled_rows": np.arange(24), "own": rows + 5}
    return Candidates(rows, columns, {"own": "candidates"})


def shown(size: int, budget: int = 7, seed: int = 0, candidates: Candidates | None = None) -> tuple[Any, np.ndarray]:
    inner = Recorder()
    rows = SubsetOf(inner, size).select(candidates or world(), budget, np.random.default_rng(seed))
    return inner.seen[0], rows


def test_the_inner_acquisition_sees_a_random_subset_and_all_labelled_rows() -> None:
    subset, rows = shown(40)
    assert len(subset) == 40
    assert (np.diff(subset.rows) > 0).all()
    assert set(subset.rows.tolist()) < set(range(1000, 1103))
    assert (subset.columns["own"] == subset.rows + 5).all()
    assert len(subset.labelled_rows) == 24
    assert rows.tolist() == subset.rows[-7:].tolist()
    assert shown(40, seed=1)[0].rows.tolist() != subset.rows.tolist()
    assert shown(40)[0].rows.tolist() == subset.rows.tolist()


def test_every_inner_acquisition_sees_the_same_rows() -> None:
    class Drawing(Recorder):
        def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
            rng.random(5)
            return super().select(candidates, budget, rng)

    drawing = Drawing()
    SubsetOf(drawing, 40).select(world(), 3, np.random.default_rng(0))
    assert drawing.seen[0].rows.tolist() == shown(40)[0].rows.tolist()


def test_the_order_of_candidates_does_not_decide_the_subset() -> None:
    turned = world().at(np.random.default_rng(1).permutation(103))
    assert shown(40, candidates=turned)[0].rows.tolist() == shown(40)[0].rows.tolist()


@pytest.mark.parametrize("size", [103, 104, 10_000])
def test_a_subset_of_everything_is_the_inner_acquisition(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features_ND = torch.randn(103, 4, generator=generator)
    candidates = Candidates(np.arange(103), {"features": features_ND, "labelled_features": features_ND[:0]})
    inner = KCenterGreedy("random", None)
    subset = SubsetOf(inner, size).select(candidates, 9, np.random.default_rng(4))
    np.testing.assert_array_equal(subset, inner.select(candidates, 9, np.random.default_rng(4)))


def test_a_subset_is_never_smaller_than_the_budget() -> None:
    subset, rows = shown(5, budget=60)
    assert len(subset) == len(set(rows.tolist())) == 60


def test_what_the_inner_acquisition_asks_for_is_asked_for() -> None:
    inner = Recorder()
    subset = SubsetOf(inner, 5)
    assert subset.needs == inner.needs
    assert [column.name for column in subset.wanted()] == ["features", "labelled_rows", "own"]
    assert subset.notes() == {"calls": 0.0}
    assert subset.parts() == {}


@pytest.mark.parametrize(("size", "budget", "looked_at"), [(40, 7, 40), (40, 60, 60), (200, 7, 103)])
def test_the_cost_is_that_of_the_rows_looked_at(size: int, budget: int, looked_at: int) -> None:
    cost = SubsetOf(Recorder(), size).cost(Sizes(103, 24, 3, 1, budget))
    assert cost.flops == 1000 * looked_at + 24 + 103 * (looked_at < 103)


def test_what_keeps_something_between_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match="keeps something between rounds, but the subset changes"):
        SubsetOf(Keeper(), 10)


def test_no_rows_are_refused_as_typed(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    said = refusal("run", *small, "acquisition=subset_of", "acquisition.size=0")
    assert "acquisition.size wants at least 1, got 0" in said


@pytest.mark.parametrize("option", ["subset_of", "partitioned_badge"])
def test_nothing_inside_is_refused_as_typed(option: str, refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    said = refusal("run", *small, f"acquisition={option}", "acquisition.inner=null")
    assert "acquisition.inner wants a calrun.acquisition.base.Acquisition, got null" in said


def test_it_plays_with_the_inner_acquisition_that_is_typed(play: Callable[..., Any], tmp_path: Path) -> None:
    words = ("acquisition=subset_of", "acquisition@acquisition.inner=coreset", "acquisition.size=50")
    answer = play(*words)
    assert answer.code == 0, answer.err
    assert "KCenterGreedy" in (only_folder(tmp_path / "outputs") / "config.yaml").read_text()


def test_a_report_tells_what_was_shown_the_subset(
    play: Callable[..., Any], calrun: Callable[..., Any], tmp_path: Path
) -> None:
    for inner in ("coreset", "margin"):
        assert play("acquisition=subset_of", f"acquisition@acquisition.inner={inner}").code == 0
    shown = calrun("report", str(tmp_path / "outputs" / "default")).out
    assert "subset_of coreset" in shown
    assert "subset_of margin" in shown
    assert "_target_" not in shown
