"""Pictures and masks stay together, whatever is done to them.

Dimension key: H W height and width.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from calrun.dataset.read.mask_file import NOBODYS, MaskCode, mask_code
from calrun.dataset.source.paired import Paired, Place, cut_out, middles, nearest

CODE = mask_code([str(c) for c in range(200)], None, [255])


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A picture whose red channel is its mask: every pixel has a class of its own along the diagonal."""
    mask = np.add.outer(np.arange(12) * 10, np.arange(16)).astype(np.uint8)
    Image.fromarray(np.stack([mask, mask // 2, 255 - mask], axis=2)).save(tmp_path / "picture.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "picture.png", tmp_path / "mask.png"


def paired(**changed: Any) -> Paired:
    return Paired(**{"size": (12, 16), "crop": None, "scale": (1.0, 1.0), "flip": False, **changed})


@pytest.mark.parametrize(
    "changed",
    [{}, {"flip": True}, {"crop": (5, 7), "flip": True}, {"crop": (20, 20), "flip": True}],
    ids=["whole", "mirrored", "cropped", "padded"],
)
def test_mask_and_picture_are_changed_alike(changed: dict[str, Any], pair: tuple[Path, Path]) -> None:
    picture, seen = paired(**changed), set()
    for seed in range(20):
        both = picture.read_both(*pair, CODE, np.random.default_rng(seed))
        assert both.shape == (4, *(picture.crop or picture.size))
        inside = both[3] != NOBODYS
        assert torch.equal(both[0][inside], both[3][inside])
        assert (both[:3, ~inside] == 0).all()
        seen.add(bytes(both.numpy()))
    assert len(seen) == {0: 1, 1: 2}.get(len(changed), len(seen))
    assert len(changed) < 2 or len(seen) > 10


def test_scaled_pairs_stay_together(tmp_path: Path) -> None:
    """Large areas, so that pixels on the edges between them, which a picture mixes and a mask does not, are few."""
    mask = np.kron(np.arange(6).reshape(2, 3), np.ones((20, 20))).astype(np.uint8)
    Image.fromarray(np.stack([mask * 40] * 3, axis=2)).save(tmp_path / "p.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    picture = paired(size=(40, 60), crop=(40, 40), scale=(0.5, 2.0), flip=True)
    sizes = set()
    for seed in range(20):
        both = picture.read_both(tmp_path / "p.png", tmp_path / "m.png", CODE, np.random.default_rng(seed))
        inside = both[3] != NOBODYS
        near = (both[0][inside].int() - both[3][inside].int() * 40).abs() < 20
        assert near.float().mean() > 0.9
        sizes.add(int(inside.sum()))
    assert len(sizes) > 5


def test_the_same_seed_gives_the_same_crop_and_evaluation_sees_all(pair: tuple[Path, Path]) -> None:
    picture = paired(crop=(5, 7), scale=(0.5, 2.0), flip=True)
    first, second = (picture.read_both(*pair, CODE, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(picture.read(pair[0], None)[0], picture.read_mask(pair[1], CODE))


def test_a_crop_is_cut_out_by_hand() -> None:
    pixels = torch.arange(6, dtype=torch.uint8).view(1, 2, 3)
    place = Place(height=2, width=3, top=1, left=-1, crop=(2, 3), mirrored=True)
    assert cut_out(pixels, place, 9).tolist() == [[[4, 3, 9], [9, 9, 9]]]


def test_every_place_of_a_crop_is_drawn_and_none_beyond() -> None:
    picture = paired(crop=(11, 17))
    places = [picture.drawn(np.random.default_rng(seed)) for seed in range(200)]
    assert {place.top for place in places} == {0, 1}
    assert {place.left for place in places} == {-1, 0}


def test_a_mask_takes_the_class_at_the_middle_and_mixes_none() -> None:
    assert middles(4, 2).tolist() == [1, 3]
    assert middles(2, 4).tolist() == [0, 0, 1, 1]
    assert middles(3, 3).tolist() == [0, 1, 2]
    assert nearest(torch.tensor([[1, 9]]), 1, 6).tolist() == [[1, 1, 1, 9, 9, 9]]


def test_a_file_that_cannot_be_read_is_named(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    rng, code = np.random.default_rng(0), MaskCode(("a", "b"), {0: 0, 1: 1}, is_colours=False)
    with pytest.raises(ValueError, match=r"cannot read picture .*bad\.png"):
        paired().read_both(tmp_path / "bad.png", pair[1], CODE, rng)
    with pytest.raises(ValueError, match=r"cannot read mask .*bad\.png"):
        paired().read_both(pair[0], tmp_path / "bad.png", CODE, rng)
    with pytest.raises(ValueError, match=r"cannot read mask .*mask\.png \(it holds \d+ class numbers"):
        paired().read_both(*pair, code, rng)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"size": (0, 5)}, r"picture\.size wants height and width, each 1 pixel or more, got \[0, 5\]"),
        ({"size": (5,)}, r"picture\.size wants height and width"),
        ({"crop": (5, -1)}, r"picture\.crop wants height and width"),
        ({"scale": (2.0, 1.0)}, r"picture\.scale wants the least and the largest factor"),
        ({"scale": (0.0, 1.0)}, r"picture\.scale wants"),
        ({"scale": (1.0,)}, r"picture\.scale wants"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        paired(**changed)
