"""Files of data sets that are too large for tests, in the layout of the true ones but with a few rows."""

import pickle
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10


@pytest.fixture
def write_cifar10(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes CIFAR-10 with these pixels (N, 3072) and labels below a folder; torchvision expects their checksums."""

    def written(root: Path, train: tuple[np.ndarray, list[int]], test: tuple[np.ndarray, list[int]]) -> None:
        names = [f"class {number}" for number in range(1 + max(train[1]))]
        splits = {"data_batch_1": train, "test_batch": test}
        files = {file: {"data": pixels_NV, "labels": labels} for file, (pixels_NV, labels) in splits.items()}
        folder, sums = root / CIFAR10.base_folder, {}
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in {**files, "batches.meta": {"label_names": names}}.items():
            (folder / file).write_bytes(pickle.dumps(content))
            sums[file] = md5((folder / file).read_bytes()).hexdigest()
        monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", sums["data_batch_1"]]])
        monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
        monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})

    return written
