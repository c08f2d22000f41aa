"""Archives of stored features: what is read, and one sentence for each fault."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calrun.arena.sets import DIGITS, chosen_places, load_set, places
from calrun.arena.settings import HIGH, LOW, Settings, label_counts


def test_an_archive_is_read_with_its_recipe(write_set: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_set(tmp_path, recipe=np.array("three clouds"))
    found = load_set("clouds", folder / "clouds.npz")
    assert (found.num_classes, found.recipe, found.features_ND.dtype) == (3, "three clouds", np.float32)
    assert found.digest() == load_set("clouds", folder / "clouds.npz").digest()


def test_one_other_number_is_another_digest(write_set: Callable[..., Path], tmp_path: Path) -> None:
    first = load_set("clouds", write_set(tmp_path) / "clouds.npz")
    moved = first.features_ND.copy()
    moved[7, 2] += 1e-3
    assert load_set("clouds", write_set(tmp_path / "b", features=moved) / "clouds.npz").digest() != first.digest()


def test_labels_may_be_names(write_set: Callable[..., Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, test = (np.array(["cat", "dog", "eel"])[rng.integers(0, 3, rows)] for rows in (1200, 400))
    found = load_set("clouds", write_set(tmp_path, labels=labels, test_labels=test) / "clouds.npz")
    assert found.targets_N[labels == "eel"].min() == 2


FAULTS = {
    "lacks labels": ({"labels": None}, "but not ['labels']"),
    "another width": ({"test_features": np.zeros((400, 4))}, "features has 5 columns and test_features 4"),
    "too few labels": ({"labels": np.arange(1199) % 3}, "1200 inputs but 1199 labels"),
    "not finite": ({"features": np.full((1200, 5), np.nan)}, "features is not finite in 1,200 rows"),
    "no table": ({"features": np.zeros(1200)}, "wants numbers of shape (rows, features)"),
    "texts": ({"features": np.full((1200, 5), "a")}, "wants numbers of shape (rows, features)"),
    "fractions": ({"labels": np.linspace(0, 1, 1200)}, "labels"),
    "one class": ({"labels": np.zeros(1200, int), "test_labels": np.zeros(400, int)}, "1 class"),
    "a test class of its own": ({"test_labels": np.full(400, 3)}, "no training row has"),
    "unknown labels": ({"labels": np.where(np.arange(1200) == 4, -1, np.arange(1200) % 3)}, "without a class"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence_that_names_the_archive(
    fault: str, write_set: Callable[..., Path], tmp_path: Path
) -> None:
    given, said = FAULTS[fault]
    path = write_set(tmp_path, **given) / "clouds.npz"
    with pytest.raises(ValueError, match=r"clouds\.npz") as refused:
        load_set("clouds", path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_too_few_rows_are_refused(write_set: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wants 1,500 or more"):
        load_set("clouds", write_set(tmp_path, rows=1000) / "clouds.npz")


def test_digits_need_no_archive() -> None:
    found = load_set(DIGITS, None)
    assert found.features_ND.shape == (1297, 64)
    assert len(found.test_MD) == 500


def test_unknown_sets_and_empty_folders_are_refused(write_set: Callable[..., Path], tmp_path: Path) -> None:
    assert list(places(write_set(tmp_path))) == [DIGITS, "clouds"]
    with pytest.raises(ValueError, match="did you mean clouds"):
        chosen_places(tmp_path, "cloud")
    with pytest.raises(ValueError, match="holds none"):
        places(tmp_path / "..")
    with pytest.raises(ValueError, match="is no folder"):
        places(tmp_path / "absent")
    with pytest.raises(ValueError, match="others come from --features"):
        chosen_places(None, "clouds")


def test_budgets_are_labels_of_each_class_and_shares_of_the_pool() -> None:
    assert label_counts(LOW, 1000, 3) == [10, 20, 30, 40, 50]
    assert label_counts(LOW, 3000, 101) == [101, 202, 303, 404, 505]
    assert label_counts(HIGH, 1000, 10) == [100, 150, 200, 250, 300]
    with pytest.raises(ValueError, match="ends with 505 labels"):
        label_counts(LOW, 500, 101)
    assert Settings().pool_size(10_000) == 3000
    assert Settings().pool_size(1297) == 972
