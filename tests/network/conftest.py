"""A run on arrays of one's own, finished and moved, with its data gone; and rows like them without labels."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NAMES = ("dark", "grey", "bright")
WORDS = (
    "dataset=npz", "dataset.class_names=[dark,grey,bright]", "trainer=cpu", "trainer.max_epochs=3",
    "trainer.batch_size=8", "stop=fixed_epochs", "budget=counts", "budget.start=12", "budget.step=6", "budget.rounds=3",
)  # fmt: skip


def vectors(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of vectors around 10, 20 and 30, far from mean 0 and spread 1."""
    targets = np.arange(count) % 3
    return rng.normal(10 + 10 * targets[:, None], 3, (count, 5)).astype(np.float32), targets


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """The data set: 60 rows to learn from, 30 to test on."""
    rng = np.random.default_rng(0)
    (x_train, y_train), (x_test, y_test) = vectors(rng, 60), vectors(rng, 30)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


@pytest.fixture
def archive(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(tmp_path / "mine.npz", **arrays)
    return tmp_path / "mine.npz"


@pytest.fixture
def played(calrun: Callable[..., Any], archive: Path, run_folder: Callable[[], Path]) -> Callable[..., Path]:
    """Plays a run on the archive; returns its folder."""

    def run(*words: str) -> Path:
        answer = calrun("run", *WORDS, f"dataset.path={archive}", *words)
        assert answer.code == 0, answer.err
        return run_folder()

    return run


@pytest.fixture
def moved(played: Callable[..., Path], archive: Path, tmp_path: Path) -> Callable[..., Path]:
    """Plays a run, moves its folder and removes its data; returns where it is now."""

    def run(*words: str) -> Path:
        there = shutil.move(played(*words), tmp_path / "elsewhere")
        archive.unlink()
        return Path(there)

    return run
