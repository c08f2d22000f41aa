"""An acquisition on parts of the pool."""

import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.coreset import KCenterGreedy
from calrun.acquisition.deepfool import DeepFool
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.partitioned import Partitioned, shares_of
from calrun.look.sizes import Sizes

CONF = Path(__file__).parents[2] / "conf"


@dataclass
class Recorder(Acquisition):
    """Takes the first rows and remembers what it was shown."""

    seen: list[tuple[np.ndarray, np.ndarray, int]] = field(default_factory=list)

    needs = frozenset({"features", "labelled_rows"})

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        assert candidates.features_ND.flatten().tolist() == candidates.rows.tolist()
        self.seen.append((candidates.rows, candidates.labelled_rows, budget))
        return candidates.rows[:budget]


class Keeper(Recorder):
    needs = frozenset({"run_folder"})


def world(number: int = 103, labelled: int = 24) -> Candidates:
    rows = np.arange(1000, 1000 + number)
    return Candidates(rows, {"features": torch.from_numpy(rows)[:, None], "labelled_rows": np.arange(labelled)})


def run(budget: int, **changes: Any) -> tuple[Recorder, np.ndarray]:
    options = {
        "partitions": 10,
        "shuffle": True,
        "split_labelled": True,
        "subset_labelled": None,
        "subset_unlabelled": None,
    }
    inner = Recorder()
    rows = Partitioned(inner, **(options | changes)).select(world(), budget, np.random.default_rng(0))
    return inner, rows


def test_parts_are_disjoint_cover_everything_and_differ_by_one_in_size() -> None:
    inner, rows = run(25)
    parts, labelled, budgets = zip(*inner.seen, strict=True)
    assert sorted(np.concatenate(parts).tolist()) == list(range(1000, 1103))
    assert sorted(np.concatenate(labelled).tolist()) == list(range(24))
    assert [len(part) for part in parts] == [11] * 3 + [10] * 7
    assert [len(part) for part in labelled] == [3] * 4 + [2] * 6
    assert list(budgets) == [3] * 5 + [2] * 5
    assert any(np.diff(part).max() > 1 for part in parts)
    assert len(set(rows.tolist())) == 25


def test_contiguous_parts_are_ranges_with_the_cumulative_budget_and_all_labels() -> None:
    inner, _ = run(13, shuffle=False, split_labelled=False, partitions=5)
    assert np.concatenate([part for part, _, _ in inner.seen]).tolist() == list(range(1000, 1103))
    assert all(labelled.tolist() == list(range(24)) for _, labelled, _ in inner.seen)
    assert [budget for _, _, budget in inner.seen] == [3, 3, 2, 3, 2]  # ceil(2.6 i) from one part to the next


def test_one_part_is_the_inner_acquisition() -> None:
    generator = torch.Generator().manual_seed(0)
    columns = {"features": torch.randn(50, 4, generator=generator)}
    columns["labelled_features"] = columns["features"][:0]  # then the inner one draws too
    candidates, inner = Candidates(np.arange(50), columns), KCenterGreedy("random", None)
    whole = Partitioned(inner, 1, True, True, None, None).select(candidates, 9, np.random.default_rng(4))
    np.testing.assert_array_equal(whole, inner.select(candidates, 9, np.random.default_rng(4)))


def test_each_part_is_chosen_from_as_if_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    columns = {name: torch.randn(60, 4, generator=generator) for name in ("features", "labelled_features")}
    inner = KCenterGreedy("random", None)
    rows = Partitioned(inner, 3, False, False, None, None).select(Candidates(np.arange(60), columns), 9, None)
    for i in range(3):
        part = np.arange(20 * i, 20 * i + 20)
        alone = columns | {"features": columns["features"][part]}
        expected = inner.select(Candidates(part, alone), 3, np.random.default_rng(0))
        np.testing.assert_array_equal(rows[3 * i : 3 * i + 3], expected)


def test_subsets_keep_their_sum_where_labels_are_short() -> None:
    inner, _ = run(20, subset_labelled=30, subset_unlabelled=40)
    assert sum(len(part) for part, _, _ in inner.seen) == 40 + (30 - 24)
    inner, _ = run(20, subset_labelled=10, subset_unlabelled=40)
    assert sum(len(labelled) for _, labelled, _ in inner.seen) == 10
    assert sum(len(part) for part, _, _ in inner.seen) == 40


def test_a_subset_is_never_smaller_than_the_budget() -> None:
    assert len(set(run(60, subset_unlabelled=40)[1].tolist())) == 60


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 12), st.booleans(), st.integers(0, 200))
def test_shares_sum_to_the_budget_and_fit(budget: int, partitions: int, remainder_first: bool, number: int) -> None:
    sizes = [len(part) for part in np.array_split(np.arange(number), partitions)]
    shares = shares_of(min(budget, number), partitions, remainder_first, sizes)
    assert sum(shares) == min(budget, number)
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))


def test_one_part_is_made_at_a_time() -> None:
    alive: list[weakref.ref[Candidates]] = []

    class Watcher(Recorder):
        def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
            assert not [part for part in alive if part() is not None]
            alive.append(weakref.ref(candidates))
            return candidates.rows[:budget]

    Partitioned(Watcher(), 10, True, True, None, None).select(world(), 25, np.random.default_rng(0))
    assert len(alive) == 10


def test_what_a_killed_part_leaves_is_not_found_by_another(tmp_path: Path) -> None:
    class Killed(Recorder):
        needs = frozenset({"features", "scratch"})
        found: ClassVar[list[int]] = []

        def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
            candidates.scratch.mkdir(exist_ok=True)
            state = candidates.scratch / "state"
            self.found.append(int(state.read_text()) if state.exists() else -1)
            state.write_text(str(candidates.rows[0]))
            if candidates.rows[0] == 1021 and self.found[-1] == -1:
                raise InterruptedError
            state.unlink()
            return candidates.rows[:budget]

    inner, candidates = Killed(), world()
    candidates.columns["scratch"] = tmp_path
    parts = Partitioned(inner, 5, False, False, None, None)
    with pytest.raises(InterruptedError):
        parts.select(candidates, 10, np.random.default_rng(0))
    parts.select(candidates, 10, np.random.default_rng(0))
    assert inner.found == [-1, -1, -1, 1021, -1, -1, -1]


@pytest.mark.parametrize("subset_labelled", [None, 0, 10, 30])
@pytest.mark.parametrize("subset_unlabelled", [None, 0, 40])
def test_the_cost_is_that_of_the_rows_looked_at(subset_labelled: int | None, subset_unlabelled: int | None) -> None:
    class Sized(Recorder):
        def cost(self, sizes: Sizes) -> Cost:
            return Cost(flops=1000 * sizes.candidates + sizes.labelled)

    inner = Sized()
    parts = Partitioned(inner, 1, True, True, subset_labelled, subset_unlabelled)
    parts.select(world(), 20, np.random.default_rng(0))
    ((rows, labelled, _),) = inner.seen
    assert parts.cost(Sizes(103, 24, 3, 1, 20)).flops == 1000 * len(rows) + len(labelled)


def test_what_keeps_something_between_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match="keeps something between rounds, but parts change"):
        Partitioned(Keeper(), 2, True, True, None, None)


def test_no_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="partitions wants at least 1, got 0"):
        Partitioned(Recorder(), 0, True, True, None, None)


def test_an_inner_acquisition_that_classifies_rows_says_so_through_it() -> None:
    inner = DeepFool(max_iter=5, top_classes=2, overshoot=0.02, epsilon=1e-6, batch_size=8)
    assert Partitioned(inner, 2, True, False, None, None).classifies_rows == inner.classifies_rows
    assert inner.classifies_rows
