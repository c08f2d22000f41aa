from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

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


def test_pictures_stand_upright_and_keep_their_split(write_cifar10: Callable[..., None], tmp_path: Path) -> None:
    pixels_NV = np.random.default_rng(0).integers(256, size=(2, 3 * 32 * 32), dtype=np.uint8)
    write_cifar10(tmp_path, (pixels_NV, [0, 1]), (pixels_NV, [1, 0]))
    dataset = load(str(tmp_path), Transform([0.0], [1.0]), download=False)
    ((_, x),) = dataset.train.batches(np.arange(2), 2)
    expected = pixels_NV.reshape(2, 3, 32, 32) / 255  # red, green, blue, each row by row
    torch.testing.assert_close(x, torch.from_numpy(expected).float())
    assert [source.targets.tolist() for source in (dataset.train, dataset.tests["test"])] == [[0, 1], [1, 0]]


@pytest.mark.realdata
@pytest.mark.skipif(not (DATA / "cifar-10-batches-py").is_dir(), reason=f"{DATA}/cifar-10-batches-py is absent")
def test_the_official_files_load() -> None:
    dataset = load(str(DATA), Transform([0.0], [1.0]), download=False)
    assert (len(dataset.train), len(dataset.tests["test"]), dataset.input_shape) == (50_000, 10_000, (3, 32, 32))
    assert np.bincount(dataset.train.targets).tolist() == [5_000] * 10
