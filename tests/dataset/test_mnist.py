import gzip
from pathlib import Path

import numpy as np
import pytest

from calrun.dataset.mnist import load
from calrun.dataset.read.idx import FILES
from calrun.dataset.source.transform import Transform


def test_files_in_torchvisions_place_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for names in FILES.values():
        for name, array in zip(names, (np.zeros((10, 28, 28)), np.arange(10)), strict=True):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (folder / f"{name}.gz").write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
    dataset = load(str(tmp_path), Transform([0.0], [1.0]), download=False)
    assert (dataset.input_shape, dataset.class_names[9]) == ((1, 28, 28), "9")


def test_absent_files_are_asked_for_in_torchvisions_place(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"into {tmp_path}/MNIST/raw; missing"):
        load(str(tmp_path), Transform([0.0], [1.0]), download=False)
