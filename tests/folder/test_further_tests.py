"""Test sets that are evaluated when `record.further_tests` asks for them, at once or later."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.corruption.severities import MADE
from calrun.folder.evaluate import group_means


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """A run on a few joined JPEG pictures of 32 x 32: dark, grey and bright ones."""
    rng, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 30), ("test", 6)):
        files = []
        for row in range(count):
            pixels = rng.normal(50 + 70 * (row % 3), 20, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            file = BytesIO()
            Image.fromarray(pixels).save(file, "JPEG")
            files.append(file.getvalue())
        arrays |= {
            f"{split}_jpeg": np.frombuffer(b"".join(files), np.uint8),
            f"{split}_offsets": np.cumsum([0, *map(len, files)]),
            f"{split}_labels": np.arange(count) % 3,
        }
    np.savez(tmp_path / "small.npz", **arrays)
    return (
        "run", "dataset=jpeg_npz", f"dataset.path={tmp_path / 'small.npz'}", "model=mlp", "trainer=cpu",
        "trainer.max_epochs=2", "budget=counts", "budget.start=9", "budget.step=6", "budget.rounds=2",
    )  # fmt: skip


def sets_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["test"] for line in (folder / "rounds.jsonl").read_text().splitlines()]


def test_the_last_round_has_each_corruption_and_their_mean(
    words: tuple[str, ...], calrun: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    answer = calrun(*words, "record.further_tests=last")
    assert answer.code == 0, answer.err
    first, last = sets_in(run_folder())
    assert set(first) == {"test"}
    made = [f"cifar10_c_made/{name}" for name in MADE]
    assert list(last) == ["test", *made, "cifar10_c_made"]
    mean = np.mean([last[name]["accuracy"] for name in made])
    assert last["cifar10_c_made"] == {"accuracy": pytest.approx(mean)}
    assert "test/cifar10_c_made/fog/accuracy" in (run_folder() / "metrics.csv").read_text()


def test_asked_for_later_they_are_the_same_and_the_run_is_the_same(
    words: tuple[str, ...], calrun: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    assert calrun(*words, "record.keep_states=true").code == 0
    assert [set(found) for found in sets_in(run_folder())] == [{"test"}, {"test"}]
    assert calrun(*words, "record.keep_states=true", "record.further_tests=every").code == 0
    folder = run_folder()
    later = sets_in(folder)
    assert [len(found) for found in later] == [1 + len(MADE) + 1] * 2
    assert calrun(*words, "record.further_tests=every", "--fresh").code == 0
    assert sets_in(folder) == later


def test_a_data_set_without_further_tests_is_refused(play: Callable[..., Any]) -> None:
    answer = play("record.further_tests=last")
    assert answer.code == 2
    assert "record.further_tests=last wants further test sets, but this data set has none" in answer.err
    assert "record.further_tests wants 'never' or 'last' or 'every', got 'now'" in play("record.further_tests=now").err


def test_means_are_those_of_each_group() -> None:
    tests = {"test": {"accuracy": 1.0}, "a/x": {"accuracy": 0.5}, "a/y": {"accuracy": 0.7}, "ab/x": {"accuracy": 0.1}}
    assert group_means(tests) == {"a": {"accuracy": pytest.approx(0.6)}, "ab": {"accuracy": 0.1}}


def test_the_round_after_which_a_rule_stops_is_the_last_one(
    calrun: Callable[..., Any], words: tuple[str, ...], run_folder: Callable[[], Path]
) -> None:
    rule = ("stop_al=overall_uncertainty", "stop_al.threshold=5", "record.further_tests=last")
    assert calrun(*words, *rule).code == 0
    (only,) = sets_in(run_folder())
    assert "cifar10_c_made" in only
    assert "stopped after round 1" in calrun(*words, *rule).out  # nothing is missing
