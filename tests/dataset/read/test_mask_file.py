from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.read.mask_file import mask_code

NAMES = ("one", "two", "three")


def saved(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    Image.fromarray(pixels, mode).save(path)
    return path


def test_class_numbers_are_read_and_nobodys_are_255(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.png", np.array([[0, 1, 2], [9, 255, 2]], dtype=np.uint8))
    np.testing.assert_array_equal(mask_code(NAMES[:3], None, [255, 9]).read(path), [[0, 1, 2], [255, 255, 2]])


def test_numbers_of_16_bits_and_places_in_a_palette_are_class_numbers(tmp_path: Path) -> None:
    deep = saved(tmp_path / "deep.png", np.array([[0, 1], [300, 2]], dtype=np.uint16))
    np.testing.assert_array_equal(mask_code(NAMES[:3], None, [300]).read(deep), [[0, 1], [255, 2]])
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8), "P")
    picture.putpalette([128, 64, 128, 70, 130, 180, 9, 9, 9])
    picture.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(mask_code(NAMES[:3], None, []).read(tmp_path / "palette.png"), [[0, 1], [2, 1]])
    colours = mask_code(NAMES[:2], [[128, 64, 128], [70, 130, 180]], [[9, 9, 9]])
    np.testing.assert_array_equal(colours.read(tmp_path / "palette.png"), [[0, 1], [255, 1]])


def test_black_and_white_masks_have_two_classes(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1").save(tmp_path / "m.png")
    np.testing.assert_array_equal(mask_code(NAMES[:2], None, [255]).read(tmp_path / "m.png"), [[0, 1]])


def test_colours_are_those_of_the_palette_in_the_order_of_classes(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.png", np.array([[[0, 0, 255], [255, 0, 0], [255, 255, 255]]], dtype=np.uint8))
    np.testing.assert_array_equal(mask_code(NAMES[:2], [[255, 0, 0], [0, 0, 255]], [255]).read(path), [[1, 0, 255]])


@pytest.mark.parametrize(
    ("pixels", "palette", "said"),
    [
        (np.array([[0, 7, 9]], dtype=np.uint8), None, r"holds 2 class numbers that stand for nothing \(first: 7, 9\)"),
        (np.zeros((1, 1, 3), dtype=np.uint8), None, r"picture of colours \(mode RGB\), so that dataset.mask.palette"),
        (np.full((1, 1, 3), 9, dtype=np.uint8), [[1, 2, 3], [4, 5, 6]], r"1 colours .* \(first: \[9, 9, 9\]\)"),
        (np.array([[0.5]], dtype=np.float32), None, r"mode F\) are no whole numbers"),
    ],
)
def test_what_stands_for_nothing_is_named(
    pixels: np.ndarray, palette: list[list[int]] | None, said: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / "m.tif", pixels)
    with pytest.raises(ValueError, match=said):
        mask_code(NAMES[:2], palette, []).read(path)


@pytest.mark.parametrize(
    ("num_classes", "palette", "ignored", "said"),
    [
        (1, None, [], r"dataset.mask.classes wants 2 to 254 names, got 1"),
        (255, None, [], r"dataset.mask.classes wants 2 to 254 names, got 255"),
        (3, None, [2], r"each for one thing, but came 3, and to be ignored 2;"),
        (2, [[0, 0, 0]], [], r"for each of 2 classes .* came 1, and to be ignored none"),
        (2, [[0, 0, 0], [0, 0, 0]], [], r"each for one thing"),
        (2, [[0, 0, 0], [1, 1]], [], r"dataset.mask.palette wants red, green and blue from 0 to 255 .* \[1, 1\]"),
        (2, [[0, 0, 0], [1, 1, 256]], [], r"dataset.mask.palette wants red, green and blue"),
        (2, None, [[1, 2, 3]], r"dataset.mask.ignored wants numbers from 0 to 65,535, got \[1, 2, 3\]"),
        (0, None, [], r"dataset.mask.classes wants 2 to 254 names, got 0"),
        (2, None, [-1], r"dataset.mask.ignored wants numbers"),
    ],
)
def test_a_code_that_cannot_be_is_refused(
    num_classes: int, palette: list[list[int]] | None, ignored: list[int | list[int]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        mask_code([f"class {c}" for c in range(num_classes)], palette, ignored)
