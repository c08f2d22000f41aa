"""A backbone that is the same in every round, and runs that train its head alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from calrun.model.cnn import cnn

WORDS = (
    "dataset=digits", "dataset.num_train=200", "dataset.transform.crop_padding=0", "model=cnn", "trainer=cpu",
    "trainer.max_epochs=2", "method=linear_probe", "optimizer.lr=0.5", "budget=counts", "budget.start=20",
    "budget.step=10", "budget.rounds=2",
)  # fmt: skip

COUNTING = """
import torch
from calrun.model.base import Classifier

class Counting(torch.nn.Sequential):
    def forward(self, x):
        if len(x) > 2:
            with open({seen!r}, "a") as file:
                file.write(f"{{len(x)}}\\n")
        return super().forward(x)

def make(num_classes, input_shape):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = Counting(torch.nn.Flatten(), torch.nn.Linear(64, 12), torch.nn.ReLU())
    return Classifier(backbone, 12, num_classes)
"""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Weights of the backbone of model=cnn on digits."""
    torch.manual_seed(3)
    torch.save(cnn(10, (1, 8, 8), width=16, dropout=0.0).backbone.state_dict(), tmp_path / "backbone.pt")
    return tmp_path / "backbone.pt"


@pytest.fixture
def probe(tmp_path: Path, checkpoint: Path) -> tuple[str, ...]:
    """Words of a small run of linear_probe from the checkpoint, with features in tmp_path/features."""
    return (*WORDS, f"method.start.path={checkpoint}", f"paths.features={tmp_path / 'features'}")


@pytest.fixture
def counting(tmp_path: Path, own: Callable[..., tuple[str, ...]]) -> tuple[tuple[str, ...], Callable[[], int]]:
    """Words of a run whose backbone notes each row that it sees, in whatever process; and how many it has seen.

    Tries of one or two rows of noise, by which a configuration is checked, are not noted.
    """
    seen = tmp_path / "seen"
    words = own(
        COUNTING.format(seen=str(seen)),
        "model",
        "# Counts the rows that it sees.\n_target_: own.make\n",
    )
    return words, lambda: sum(map(int, seen.read_text().split())) if seen.exists() else 0
