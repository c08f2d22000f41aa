"""Crops of their own for every picture, against torchvision's functions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as tv

from calrun.dataset.source.resized_crop import ResizedCrop, cut_out, random_boxes


def pictures(number: int, side: int = 12) -> torch.Tensor:
    return torch.randint(256, (number, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_evaluation_is_torchvisions_resize() -> None:
    found = ResizedCrop([0.5], [0.25], size=30, min_area=0.08, flip=True).evaluate(pictures(4))
    expected = (tv.resize(pictures(4).float() / 255, [30, 30]) - 0.5) / 0.25
    torch.testing.assert_close(found, expected)


def test_the_whole_picture_as_a_box_is_evaluation_and_a_mirrored_one_its_mirror() -> None:
    whole_B4 = torch.tensor([[0.0, 0.0, 12.0, 12.0]]).expand(4, 4)
    expected = tv.resize(pictures(4).float() / 255, [30, 30])
    torch.testing.assert_close(cut_out(pictures(4), whole_B4, torch.zeros(4, dtype=torch.bool), 30), expected)
    mirrored = cut_out(pictures(4), whole_B4, torch.ones(4, dtype=torch.bool), 30)
    torch.testing.assert_close(mirrored, expected.flip(-1))


def test_a_box_is_torchvisions_crop_but_for_its_edge() -> None:
    found = cut_out(pictures(1), torch.tensor([[2.0, 3.0, 6.0, 8.0]]), torch.zeros(1, dtype=torch.bool), 48)
    expected = tv.resized_crop(pictures(1).float() / 255, top=3, left=2, height=8, width=6, size=[48, 48])
    torch.testing.assert_close(found[:, :, 4:-4, 5:-5], expected[:, :, 4:-4, 5:-5])


def test_boxes_are_distributed_as_torchvisions() -> None:
    boxes = random_boxes(4_000, (24, 32), 0.08, drawn()).numpy()
    torch.manual_seed(0)
    theirs = np.array(
        [
            RandomResizedCrop.get_params(torch.zeros(3, 24, 32), scale=[0.08, 1.0], ratio=[3 / 4, 4 / 3])
            for _ in range(2_000)
        ]
    )[:, [1, 0, 3, 2]]
    np.testing.assert_allclose(boxes.mean(0), theirs.mean(0), atol=0.45)
    np.testing.assert_allclose(boxes.std(0), theirs.std(0), atol=0.35)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 0] + boxes[:, 2] <= 32).all()
    assert (boxes[:, 1] + boxes[:, 3] <= 24).all()


def test_the_generator_alone_decides_and_every_picture_has_its_own_crop() -> None:
    transform = ResizedCrop([0.5], [0.25], size=16, min_area=0.2, flip=True)
    same = pictures(1).expand(6, 3, 12, 12)
    first, again, other = (transform.train(same, drawn(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_flipping_can_be_left_out() -> None:
    still = ResizedCrop([0.0], [1.0], size=12, min_area=1.0, flip=False)
    torch.testing.assert_close(still.train(pictures(4), drawn()), still.evaluate(pictures(4)))


def test_what_is_no_picture_and_shares_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"brings pictures to 8 x 8, but a row is \(5,\)"):
        ResizedCrop([0.5], [0.25], 8, 0.1, True).seen_shape((5,))
    with pytest.raises(ValueError, match=r"min_area is a share of the picture in \(0, 1\], came 0"):
        ResizedCrop([0.5], [0.25], 8, 0, True)
    with pytest.raises(ValueError, match="its crop_padding must be 0, came 4"):
        ResizedCrop([0.5], [0.25], 8, 0.1, True, crop_padding=4)
    with pytest.raises(ValueError, match=r"dataset\.transform\.size wants at least 1"):
        ResizedCrop([0.5], [0.25], 0, 0.1, True)


def test_a_network_sees_the_larger_pictures_and_predicts_on_small_ones(
    calrun: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(256, size=(60, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x_train=x[:40], y_train=np.arange(40) % 2, x_test=x[40:], y_test=np.arange(20) % 2)
    resized = (
        "dataset.transform._target_=calrun.dataset.source.resized_crop.ResizedCrop", "dataset.transform.crop_padding=0",
        "dataset.transform.mean=[0.5]", "dataset.transform.std=[0.25]", "+dataset.transform.size=16",
        "+dataset.transform.min_area=0.08", "dataset.transform.flip=true",
    )  # fmt: skip
    answer = calrun(
        "run", "dataset=npz", f"dataset.path={tmp_path}/x.npz", *resized, "model=cnn", "model.width=2", "trainer=cpu",
        "trainer.max_epochs=1", "budget=counts", "budget.start=10", "budget.step=5", "budget.rounds=2",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert '"shape": [3, 16, 16]' in (run_folder() / "inputs.json").read_text()
    predicted = calrun("predict", str(run_folder()), str(tmp_path / "x.npz"), "--out", str(tmp_path / "out.csv"))
    assert predicted.code == 0, predicted.err
