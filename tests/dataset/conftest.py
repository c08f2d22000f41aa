"""Files of data sets that are too large for tests, in the layout of the true ones but with a few rows."""

import pickle
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100


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


@pytest.fixture
def write_cifar100(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes CIFAR-100 with these pixels (N, 3072) and fine labels ; torchvision expects their checksums."""

    def written(root: Path, train: tuple[np.ndarray, list[int]], test: tuple[np.ndarray, list[int]]) -> None:
        names = [f"class {number}" for number in range(1 + max(train[1]))]
        contents = {
            file: {"data": pixels_NV, "fine_labels": fine, "coarse_labels": [0] * len(fine)}
            for file, (pixels_NV, fine) in (("train", train), ("test", test))
        }
        folder, sums = root / CIFAR100.base_folder, {}
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in {**contents, "meta": {"fine_label_names": names, "coarse_label_names": ["all"]}}.items():
            (folder / file).write_bytes(pickle.dumps(content))
            sums[file] = md5((folder / file).read_bytes()).hexdigest()
        monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
        monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
        monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": sums["meta"]})

    return written
