"""Pictures of every mode, as a user may have saved them."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.check.pixels import rgb

RAMP = (np.arange(1200).reshape(30, 40) * 50).astype(np.uint16)  # up to 59,950


def packed(picture: Image.Image, kind: str, **options: Any) -> BytesIO:
    file = BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return file


def pixels(picture: Image.Image, kind: str = "PNG", white: float | None = None, **options: Any) -> np.ndarray:
    return np.asarray(rgb(packed(picture, kind, **options), white))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bits_keep_their_shades(kind: str, order: str) -> None:
    grey = pixels(Image.fromarray(RAMP.astype(order)), kind) if kind == "TIFF" else pixels(Image.fromarray(RAMP), kind)
    np.testing.assert_array_equal(grey, np.repeat((RAMP / 257).round()[..., None], 3, axis=2))


def test_12_bits_in_16_want_their_white() -> None:
    grey = pixels(Image.fromarray(RAMP // 16), "PNG", white=4095)
    np.testing.assert_array_equal(grey[..., 0], (RAMP // 16 * (255 / 4095)).round())


@pytest.mark.parametrize(("kind", "mode"), [("float32", "F"), ("int32", "I")])
def test_32_bits_want_their_white(kind: str, mode: str) -> None:
    picture = Image.fromarray((RAMP / 60).astype(kind))
    assert len(np.unique(pixels(picture, "TIFF", white=1000))) > 200
    with pytest.raises(ValueError, match=f"mode {mode} has no agreed white; set dataset.picture.white"):
        pixels(picture, "TIFF")
    with pytest.raises(ValueError, match=f"mode {mode} holds values from 0 to 999.*, wanted are 0 to 500"):
        pixels(picture, "TIFF", white=500)


def test_values_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="mode F holds values from nan to nan"):
        pixels(Image.fromarray(np.full((3, 3), np.nan, np.float32)), "TIFF", white=1)


TURNED = {1: "abcd", 2: "badc", 3: "dcba", 4: "cdab", 5: "acbd", 6: "cadb", 7: "dbca", 8: "bdac", 0: "abcd", 9: "abcd"}


@pytest.mark.parametrize("tag", TURNED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_camera_held_on_its_side_gives_an_upright_picture(tag: int, kind: str) -> None:
    """Letters are the corners of a picture of 2 x 2, row after row."""
    exif = Image.Exif()
    exif[0x0112] = tag
    grey = pixels(Image.fromarray(np.array([[1, 2], [3, 4]], np.uint8) * 60), kind, exif=exif)
    assert "".join("_abcd"[value // 60] for value in grey[..., 0].flatten()) == TURNED[tag]


def test_deep_pictures_are_turned_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    np.testing.assert_array_equal(pixels(Image.fromarray(RAMP), exif=exif)[::-1, ::-1], pixels(Image.fromarray(RAMP)))


@pytest.mark.filterwarnings("ignore")  # the notes are damaged on purpose
def test_damaged_notes_of_a_camera_leave_the_pixels_alone() -> None:
    assert pixels(Image.new("RGB", (4, 4), "red"), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\xff\x01").shape == (4, 4, 3)


def test_transparent_pixels_are_white_whatever_lies_beneath() -> None:
    for mode, hidden, visible in (("RGBA", (0, 0, 0, 0), (9, 8, 7, 255)), ("LA", (0, 0), (9, 255))):
        picture = Image.new(mode, (2, 1), hidden)
        picture.putpixel((1, 0), visible)
        left, right = pixels(picture)[0].tolist()
        assert left == [255, 255, 255]
        assert right[0] == 9
    half = pixels(Image.new("RGBA", (1, 1), (0, 0, 0, 128)))
    assert abs(int(half[0, 0, 0]) - 127) <= 1


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_a_transparent_colour_of_a_palette_is_white(kind: str) -> None:
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([0, 0, 0, 200, 100, 0])
    picture.putpixel((1, 0), 1)
    assert pixels(picture, kind, transparency=0)[0].tolist() == [[255, 255, 255], [200, 100, 0]]
    assert pixels(picture, kind)[0].tolist() == [[0, 0, 0], [200, 100, 0]]


def test_one_bit_and_print_colours_are_read() -> None:
    assert set(pixels(Image.fromarray(np.eye(4, dtype=bool))).flatten()) == {0, 255}
    assert pixels(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")[0, 0, 0] > 240  # red


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    assert pixels(frames[0], "GIF", save_all=True, append_images=frames[1:])[0, 0].tolist() == [255, 0, 0]


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match="could be decompression bomb DOS attack"):
        rgb(tmp_path / "bomb.png")


@pytest.mark.filterwarnings("ignore")  # decoders say what they skip
def test_damaged_bytes_are_only_ever_a_value_error() -> None:
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM"):
        whole = np.frombuffer(packed(Image.new("RGB", (9, 9), "red"), kind).getvalue(), np.uint8)
        for _ in range(30):
            damaged = whole.copy()
            damaged[rng.integers(0, len(damaged), 4)] = rng.integers(0, 256, 4)
            with suppress(ValueError):
                rgb(BytesIO(damaged.tobytes()))
