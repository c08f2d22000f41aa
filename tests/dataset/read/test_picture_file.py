"""Picture files: what torchvision decodes is what Pillow does, and a part of the size is hardly another picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from calrun.dataset.check.pixels import rgb
from calrun.dataset.read.picture_file import Jpeg, Whole, open_picture
from calrun.dataset.source.picture import Picture, resized


def scene(width: int, height: int) -> Image.Image:
    """Smooth colours and a bright corner at the top left."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    picture.paste((255, 255, 255), (0, 0, width // 4, height // 4))
    return picture


def saved(path: Path, picture: Image.Image, tag: int = 1) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = tag
    picture.save(path, quality=90, exif=exif)
    return path


def bytes_of(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


@pytest.mark.parametrize("tag", [0, *range(1, 9), 77])
def test_a_jpeg_file_is_what_pillow_makes_of_it_upright(tag: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", scene(90, 60), tag)
    found, expected = open_picture(path, None), rgb(path)
    assert isinstance(found, Jpeg)
    assert found.size == expected.size
    assert torch.equal(found.pixels(1.0), bytes_of(expected))


@pytest.mark.parametrize(("mode", "kind"), [("L", Jpeg), ("CMYK", Whole)])
def test_grey_and_print_colours_are_what_pillow_makes_of_them(mode: str, kind: type, tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", scene(90, 60).convert(mode))
    found = open_picture(path, None)
    assert isinstance(found, kind)
    assert torch.equal(found.pixels(1.0), bytes_of(rgb(path)))


@pytest.mark.parametrize("tag", [1, 6])
@pytest.mark.parametrize(("least", "part"), [(1.0, 1), (0.51, 1), (0.5, 2), (0.3, 2), (0.25, 4), (0.1, 8), (0.01, 8)])
def test_the_smallest_part_that_is_large_enough_is_decoded(least: float, part: int, tag: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", scene(333, 222), tag)
    found = open_picture(path, None)
    width, height = found.size
    assert tuple(found.pixels(least).shape) == (3, -(-height // part), -(-width // part))
    assert found.size == (width, height)


@pytest.mark.parametrize("tag", [1, 6])
@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_a_shrunk_picture_is_hardly_another(seed: int | None, tag: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", scene(1200, 800), tag)
    both = []
    for shrink in (True, False):
        picture = Picture(32, 40, 0.3, True, shrink=shrink)
        both.append(picture.read(path, None if seed is None else np.random.default_rng(seed)).float())
    assert 0 < (both[0] - both[1]).abs().mean() < 4  # the crop ends at a whole pixel of what is decoded
    assert both[0].std() > 20


def test_a_jpeg_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", scene(300, 200))
    whole = path.read_bytes()
    for cut in (2, 100, 3000):
        path.write_bytes(whole[:-cut])
        for resize in (40, 200):  # at a part of its size, and whole
            with pytest.raises(ValueError, match=r"cannot read picture .*p.jpg \(.*truncated.*\); replace it or"):
                Picture(32, resize, 1.0, False).read(path, None)
    with pytest.raises(ValueError, match=r"nowhere.jpg \(no such file or directory\)"):
        Picture(32, 40, 1.0, False).read(tmp_path / "nowhere.jpg", None)


def test_a_jpeg_file_whose_beginning_alone_is_sound_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", scene(300, 200))
    path.write_bytes(path.read_bytes()[:200] + b"\xff\xd9")
    with pytest.raises(ValueError, match="cannot read picture"):
        Picture(32, 40, 1.0, False).read(path, None)


def test_bytes_are_resized_as_pillow_resizes_a_crop() -> None:
    picture = scene(96, 64).crop((7, 5, 70, 60))
    expected = bytes_of(picture.resize((32, 32), Image.Resampling.BILINEAR)).float()
    found = resized(bytes_of(picture), 32)
    assert found.is_contiguous()
    assert (found.float() - expected).abs().max() <= 1
