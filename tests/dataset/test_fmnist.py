from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.dataset.fmnist import load
from calrun.dataset.source.transform import Transform

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def test_absent_files_are_asked_for_in_torchvisions_place(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"into {tmp_path}/FashionMNIST/raw; missing"):
        load(str(tmp_path), Transform([0.0], [1.0]), download=False)


def test_a_download_that_cannot_write_says_which_files_go_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"put train-images.*the download failed"):
        load(str(tmp_path / "file"), Transform([0.0], [1.0]), download=True)


@pytest.mark.realdata
@pytest.mark.skipif(not (DATA / "FashionMNIST").is_dir(), reason=f"{DATA}/FashionMNIST is absent")
def test_the_official_files_load_with_known_statistics() -> None:
    dataset = load(str(DATA), Transform([0.2860], [0.3530]), download=False)
    assert (len(dataset.train), len(dataset.tests["test"]), dataset.num_classes) == (60_000, 10_000, 10)
    assert np.bincount(dataset.train.targets).tolist() == [6_000] * 10
    assert dataset.class_names[:2] == ["T-shirt/top", "Trouser"]
    x = torch.cat([x for _, x in dataset.train.batches(np.arange(60_000), 10_000)])
    torch.testing.assert_close(torch.stack((x.mean(), x.std())), torch.tensor([0.0, 1.0]), atol=1e-3, rtol=0)
