from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from calrun.dataset.source.picture import Picture, fit_square, random_box


def saved(tmp_path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_evaluation_cuts_out_the_centre(tmp_path: Path) -> None:
    pixels = np.arange(8 * 6 * 3).reshape(8, 6, 3)
    x = Picture(size=4, resize=6, min_area=1.0, flip=False).read(saved(tmp_path, pixels), None)
    np.testing.assert_array_equal(x.permute(1, 2, 0).numpy(), pixels[2:6, 1:5])  # shorter side 6: nothing is resampled


def test_evaluation_resizes_the_shorter_side(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40, 3))
    pixels[2:18, 12:28] = 255  # the centre that is kept: 16 of 20 pixels
    x = Picture(size=8, resize=10, min_area=1.0, flip=False).read(saved(tmp_path, pixels), None)
    assert x.shape == (3, 8, 8)
    assert (x == 255).all()


def test_a_square_is_the_centre_of_a_picture() -> None:
    wide = Image.new("RGB", (40, 20))
    wide.paste((9, 8, 7), (10, 0, 30, 20))
    square = fit_square(wide, 4)
    assert square.size == (4, 4)
    assert {square.getpixel((column, 2)) for column in (1, 2)} == {(9, 8, 7)}


def test_grey_and_palette_files_become_three_channels(tmp_path: Path) -> None:
    Image.new("P", (5, 5)).save(tmp_path / "palette.png")
    for path in (saved(tmp_path, np.full((5, 5), 7)), tmp_path / "palette.png"):
        assert Picture(5, 5, 1.0, False).read(path, None).shape == (3, 5, 5)


def test_without_random_crop_training_only_flips(tmp_path: Path) -> None:
    path = saved(tmp_path, np.arange(4 * 4 * 3).reshape(4, 4, 3))
    picture = Picture(size=4, resize=4, min_area=1.0, flip=True)
    plain = picture.read(path, None)
    seen = [picture.read(path, np.random.default_rng(seed)) for seed in range(40)]
    mirrored = [bool(torch.equal(x, plain.flip(-1))) for x in seen]
    assert all(torch.equal(x, plain) != flipped for x, flipped in zip(seen, mirrored, strict=True))
    assert 10 < sum(mirrored) < 30


def test_random_boxes_keep_inside_and_cover_the_wanted_area_and_aspect() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(200, 100, 0.08, rng) for _ in range(2_000)])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 200).all()
    assert (boxes[:, 3] <= 100).all()
    sides = boxes[:, 2:] - boxes[:, :2]
    share, aspect = sides.prod(1) / 20_000, sides[:, 0] / sides[:, 1]
    assert 0.07 < share.min() < 0.1
    assert share.max() <= 0.75  # 4/3 wide and 100 high is as large as it gets
    assert aspect.min() > 0.72
    assert aspect.max() < 1.38


def test_wide_and_high_boxes_are_equally_likely() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(2000, 2000, 0.08, rng) for _ in range(5_000)])
    log_aspect = np.log((boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1]))
    assert abs(log_aspect.mean()) < 0.01  # a uniform aspect has a mean of 0.027


def test_a_picture_too_narrow_for_any_crop_gives_its_centre() -> None:
    assert random_box(10, 1000, 0.99, np.random.default_rng(0)) == (0, 495, 10, 505)


@pytest.mark.parametrize("sizes", [(8, 7), (0, 5)])
def test_a_resize_below_the_size_is_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="0 < size <= resize"):
        Picture(*sizes, 1.0, False)


def test_an_impossible_area_is_refused() -> None:
    with pytest.raises(ValueError, match=r"share of the picture in \(0, 1\], came 1.5"):
        Picture(4, 4, 1.5, False)
