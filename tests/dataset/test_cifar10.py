import pickle
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from calrun.dataset.cifar10 import load
from calrun.dataset.source.transform import Transform

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def test_absent_files_are_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=rf"put data_batch_1\.\.5, .* into {tmp_path}/cifar-10-batches-py, or cifar-10-python"
    ):
        load(str(tmp_path), Transform([0.0], [1.0]), download=False)


def test_files_of_a_wrong_checksum_are_never_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / name).write_bytes(b"cos\nsystem\n(S'touch unpickled'\ntR.")
    with pytest.raises(ValueError, match="absent or incomplete"):
        load(str(tmp_path), Transform([0.0], [1.0]), download=False)


def test_a_download_that_cannot_write_says_which_files_go_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"put data_batch.*the download failed"):
        load(str(tmp_path / "file"), Transform([0.0], [1.0]), download=True)


@pytest.fixture
def small_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """One training and one test file of two rows each under the checksums that torchvision expects; their bytes."""
    pixels_NV = np.random.default_rng(0).integers(256, size=(2, 3 * 32 * 32), dtype=np.uint8)
    names = [f"class {number}" for number in range(2)]
    files = {"data_batch_1": {"data": pixels_NV, "labels": [0, 1]}, "test_batch": {"data": pixels_NV, "labels": [1, 0]}}
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    sums = {}
    for name, content in {**files, "batches.meta": {"label_names": names}}.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    return pixels_NV


def test_pictures_stand_upright_and_keep_their_split(small_archive: np.ndarray, tmp_path: Path) -> None:
    dataset = load(str(tmp_path), Transform([0.0], [1.0]), download=False)
    ((_, x),) = dataset.train.batches(np.arange(2), 2)
    expected = small_archive.reshape(2, 3, 32, 32) / 255  # red, green, blue, each row by row
    torch.testing.assert_close(x, torch.from_numpy(expected).float())
    assert [source.targets.tolist() for source in (dataset.train, dataset.tests["test"])] == [[0, 1], [1, 0]]


@pytest.mark.realdata
@pytest.mark.skipif(not (DATA / "cifar-10-batches-py").is_dir(), reason=f"{DATA}/cifar-10-batches-py is absent")
def test_the_official_files_load() -> None:
    dataset = load(str(DATA), Transform([0.0], [1.0]), download=False)
    assert (len(dataset.train), len(dataset.tests["test"]), dataset.input_shape) == (50_000, 10_000, (3, 32, 32))
    assert np.bincount(dataset.train.targets).tolist() == [5_000] * 10
