"""CIFAR-10 with corrupted test sets, as it is played: made ones, and published files that are part of the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.dataset.corruption.severities import MADE, PUBLISHED

COUNT = 4  # clean test pictures


def pixels(count: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Dark, grey and bright pictures, one after the other."""
    labels = (np.arange(count) % 3).tolist()
    noise_NV = np.random.default_rng(seed).normal(0, 20, (count, 3 * 32 * 32))
    return (noise_NV + 50 + 70 * np.array(labels)[:, None]).clip(0, 255).astype(np.uint8), labels


@pytest.fixture
def root(tmp_path: Path, write_cifar10: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data sets with a few of CIFAR-10's rows in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_cifar10(tmp_path / "data", pixels(30, 0), pixels(COUNT, 1))
    return tmp_path / "data"


@pytest.fixture
def words(root: Path) -> tuple[str, ...]:
    return (
        "run", "dataset=cifar10_c", f"paths.data={root}", "model=mlp", "trainer=cpu", "trainer.max_epochs=2",
        "budget=counts", "budget.start=9", "budget.step=6", "budget.rounds=2", "method=cal_er",
    )  # fmt: skip


def publish(folder: Path) -> Path:
    """Writes stand-ins of the published files: the clean pictures five times over, all but the labels darker."""
    folder.mkdir(parents=True, exist_ok=True)
    flat_NV, labels = pixels(COUNT, 1)
    pictures = np.tile(flat_NV.reshape(COUNT, 3, 32, 32).transpose(0, 2, 3, 1), (5, 1, 1, 1))
    for number, name in enumerate(PUBLISHED):
        np.save(folder / f"{name}.npy", pictures - np.uint8(number))
    np.save(folder / "labels.npy", np.tile(labels, 5).astype(np.uint8))
    return folder


def last_sets(outputs: Path) -> dict[str, Any]:
    (lines,) = outputs.rglob("rounds.jsonl")
    rounds = [json.loads(line)["test"] for line in lines.read_text().splitlines()]
    assert [set(found) for found in rounds[:-1]] == [{"test"}]
    return dict(rounds[-1])


def test_made_corruptions_are_looked_at_after_the_last_round(
    words: tuple[str, ...], calrun: Callable[..., Any], tmp_path: Path
) -> None:
    answer = calrun(*words)
    assert answer.code == 0, answer.err
    found = last_sets(tmp_path / "outputs")
    assert list(found) == ["test", *(f"cifar10_c_made/{name}" for name in MADE), "cifar10_c_made"]


def test_published_files_are_looked_at_where_they_are_there(
    words: tuple[str, ...], root: Path, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    publish(root / "CIFAR-10-C")
    answer = calrun(*words)
    assert answer.code == 0, answer.err
    found = last_sets(tmp_path / "outputs")
    assert list(found) == ["test", *(f"cifar10_c/{name}" for name in PUBLISHED), "cifar10_c"]
    assert found["cifar10_c/gaussian_noise"]["accuracy"] == found["test"]["accuracy"]  # the clean pictures themselves
    mean = np.mean([found[f"cifar10_c/{name}"]["accuracy"] for name in PUBLISHED])
    assert found["cifar10_c"]["accuracy"] == pytest.approx(mean)
    assert "  finished  " in calrun(*words).out


def test_a_published_file_that_is_replaced_in_place_makes_other_data(
    words: tuple[str, ...], root: Path, calrun: Callable[..., Any], refusal: Callable[..., str]
) -> None:
    folder = publish(root / "CIFAR-10-C")
    assert calrun(*words).code == 0
    np.save(folder / "fog.npy", np.load(folder / "snow.npy"))  # of the same size
    said = refusal(*words)
    assert f"was begun on other data: {folder}, {root}/cifar-10-batches-py had 23 files" in said
    assert said.count("23 files") == 2
    assert "now" in said


def test_runs_with_published_files_and_with_made_ones_are_different_runs(
    words: tuple[str, ...], root: Path, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    folder = publish(tmp_path / "elsewhere")
    assert calrun(*words).code == 0
    assert " round " in calrun(*words, f"dataset.corruptions_folder={folder}").out
    assert len(list((tmp_path / "outputs/default").glob("cifar10_c-*"))) == 2
    publish(root / "CIFAR-10-C")
    assert "  finished  " in calrun(*words, "dataset.corruptions_folder=null").out


def test_a_folder_without_the_files_is_refused(
    words: tuple[str, ...], root: Path, refusal: Callable[..., str], tmp_path: Path
) -> None:
    said = refusal(*words, f"dataset.corruptions_folder={tmp_path}/nowhere")
    assert "lacks 20 files of CIFAR-10-C" in said
    assert "dataset.corruptions_folder=null" in said
