"""Pairs are found, checked, and come to a run with their masks.

Dimension key: N rows, H W height and width.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from calrun.dataset.base import UNKNOWN, Dataset, StepRows
from calrun.dataset.mask_folder import load, rows
from calrun.dataset.read.mask_file import mask_code
from calrun.dataset.source.paired import Paired
from calrun.dataset.source.transform import Transform
from calrun.row_transform.split import Split

NAMES = ["ground", "left", "right"]
PLAIN = Paired((8, 10), None, (1.0, 1.0), flip=False)
AUGMENTED = Paired((8, 10), (6, 6), (0.8, 1.5), flip=True)
BYTES = Transform([0.0] * 3, [1 / 255] * 3)  # gives pixels from 0 to 255


def write_pair(folder: Path, name: str, seed: int, picture: str = ".png") -> None:
    """A picture whose channels hold its mask: class c is of colour 40 c; a column is nobody's."""
    mask = np.random.default_rng(seed).integers(0, 3, (8, 10)).astype(np.uint8)
    mask[:, 0] = 255
    for kind in ("pictures", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([np.where(mask == 255, 200, mask * 40).astype(np.uint8)] * 3, axis=2)).save(
        folder / "pictures" / f"{name}{picture}"
    )
    Image.fromarray(mask).save(folder / "masks" / f"{name}.png")


@pytest.fixture
def folder(tmp_path: Path, empty_cache: Path) -> Path:
    """Six training and two test pairs; nothing of earlier loads is kept."""
    for split, count in (("train", 6), ("test", 2)):
        for number in range(count):
            write_pair(tmp_path / "data" / split, f"p{number}", number, ".bmp" if number % 2 else ".png")
    return tmp_path / "data"


def opened(folder: Path, picture: Paired = PLAIN, **changed: Any) -> Dataset:
    given: dict[str, Any] = {"classes": NAMES, "palette": None, "ignored": [255], **changed}
    return load(str(folder), mask_code(**given), picture, BYTES, 0)


def test_pairs_classes_and_shape_come_from_the_folders(folder: Path) -> None:
    data = opened(folder)
    assert (len(data.train), len(data.tests["test"]), data.val) == (6, 2, None)
    assert (data.num_classes, data.class_names, data.input_shape) == (3, NAMES, (3, 8, 10))
    assert data.train.item_id(1) == "train/pictures/p1.bmp"
    assert data.train.targets.shape == (6, 8, 10)
    assert data.train.targets.dtype == np.int8


def test_targets_are_what_evaluation_sees(folder: Path) -> None:
    train = opened(folder).train
    ((chunk, x),) = train.batches(np.array([4, 1]), 8)
    assert chunk.tolist() == [4, 1]
    y = torch.from_numpy(train.targets[chunk])
    assert (y == UNKNOWN).sum() == 16
    assert torch.equal(x[:, 0].round(), torch.where(y == UNKNOWN, 200, y.int() * 40).float())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_masks_travel_with_pictures_in_training(num_workers: int, folder: Path) -> None:
    train = load(str(folder), mask_code(NAMES, None, [255]), AUGMENTED, BYTES, num_workers).train
    steps = [StepRows(np.array([0, 3]), np.array([5])), StepRows(np.array([2]), np.array([], dtype=np.int64))]
    (current, replay), (last, none) = (shots for block in train.blocks(steps, 7) for shots in block)
    assert none is None
    assert [shot.rows.tolist() for shot in (current, replay, last)] == [[0, 3], [5], [2]]
    for shot in (current, replay, last):
        assert shot.y.shape == (len(shot.rows), 6, 6)
        assert shot.y.dtype == torch.int64
        assert shot.y.min() >= UNKNOWN
        assert shot.y.max() < 3


def test_augmentation_follows_its_seed_alone(folder: Path) -> None:
    train = opened(folder, AUGMENTED).train
    steps = [StepRows(np.arange(6), np.array([], dtype=np.int64))]

    def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        ((shot, _),) = next(iter(train.blocks(steps, seed)))
        assert shot.y is not None
        return shot.x, shot.y

    assert all(torch.equal(one, two) for one, two in zip(drawn(1), drawn(1), strict=True))
    assert not torch.equal(drawn(1)[0], drawn(2)[0])


def test_masks_are_kept_and_read_anew_once_a_file_changes(folder: Path, empty_cache: Path) -> None:
    first = opened(folder).train.targets
    assert isinstance(first, np.memmap)
    assert len(list(empty_cache.glob("masks-*.npy"))) == 2  # one for each split
    assert np.array_equal(opened(folder).train.targets, first)
    write_pair(folder / "train", "p0", 77)
    assert not np.array_equal(opened(folder).train.targets[0], first[0])


def test_where_nothing_can_be_kept_masks_are_in_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = opened(folder).train.targets
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = opened(folder).train.targets
    assert not isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, expected)


def test_pictures_and_masks_alone_are_the_training_set_and_a_file_names_the_test_set(
    folder: Path, tmp_path: Path
) -> None:
    whole = folder / "train"
    data = opened(whole)
    assert (len(data.train), data.tests, data.train.item_id(0)) == (6, {}, "pictures/p0.png")
    (tmp_path / "test.txt").write_text("pictures/p2.png\npictures/p5.bmp\n")
    new = Split(None, None, str(tmp_path / "test.txt")).apply(data)
    assert (len(new.train), len(new.tests["test"])) == (4, 2)
    np.testing.assert_array_equal(new.tests["test"].targets, data.train.targets[[2, 5]])
    np.testing.assert_array_equal(new.train.targets, data.train.targets[[0, 1, 3, 4]])
    ((shot, _),) = next(iter(new.train.blocks([StepRows(np.array([2]), np.array([], dtype=np.int64))], 0)))
    np.testing.assert_array_equal(shot.y[0].numpy(), data.train.targets[3])  # type: ignore[index]


def test_colours_are_read_by_a_palette(folder: Path) -> None:
    palette = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], dtype=np.uint8)
    expected = np.array(opened(folder).train.targets)
    for path in folder.rglob("masks/*.png"):
        classes = np.asarray(Image.open(path))
        Image.fromarray(np.vstack([palette, np.zeros((253, 3), dtype=np.uint8)])[classes]).save(path)
    found = opened(folder, palette=palette.tolist(), ignored=[[0, 0, 0]]).train.targets
    np.testing.assert_array_equal(found, expected)


def test_pictures_without_masks_are_rows_to_predict(folder: Path) -> None:
    source = rows(str(folder / "test" / "pictures"), PLAIN, BYTES, 0)
    assert (len(source), source.item_id(1)) == (2, "p1.bmp")
    assert (source.targets == UNKNOWN).all()
    assert source.targets.shape == (2, 8, 10)
    ((_, x),) = source.batches(np.arange(2), 4)
    ((_, expected),) = opened(folder).tests["test"].batches(np.arange(2), 4)
    assert torch.equal(x, expected)


def lacking_mask(folder: Path) -> dict[str, Any]:
    (folder / "train" / "masks" / "p3.png").unlink()
    return {}


def lacking_picture(folder: Path) -> dict[str, Any]:
    (folder / "test" / "pictures" / "p0.png").unlink()
    return {}


def two_pictures(folder: Path) -> dict[str, Any]:
    write_pair(folder / "train", "p3", 1)
    return {}


def other_size(folder: Path) -> dict[str, Any]:
    Image.fromarray(np.zeros((4, 5), dtype=np.uint8)).save(folder / "train" / "masks" / "p3.png")
    return {}


def strange_number(folder: Path) -> dict[str, Any]:
    Image.fromarray(np.full((8, 10), 7, dtype=np.uint8)).save(folder / "train" / "masks" / "p3.png")
    return {}


def damaged_picture(folder: Path) -> dict[str, Any]:
    (folder / "train" / "pictures" / "p4.png").write_bytes(b"no picture")
    return {}


def no_masks(folder: Path) -> dict[str, Any]:
    (folder / "test" / "masks").rename(folder / "test" / "labels")
    return {}


def two_places(folder: Path) -> dict[str, Any]:
    (folder / "pictures").mkdir()
    return {}


FAULTS: list[tuple[Callable[[Path], dict[str, Any]], str]] = [
    (lacking_mask, r"1 pictures have no mask in train/masks .* \(first: train/pictures/p3\.bmp\)"),
    (lacking_picture, r"1 masks have no picture in test/pictures .* \(first: test/masks/p0\.png\)"),
    (two_pictures, r"p3\.bmp and train/pictures/p3\.png .* differ in their endings alone"),
    (
        other_size,
        r"1 of 6 masks .* \(first: train/masks/p3\.png \(it has 5 x 4 pixels, its picture 10 x 8\)\); correct",
    ),
    (strange_number, r"1 of 6 masks .*p3\.png \(it holds 1 class numbers that stand for nothing \(first: 7\)\)"),
    (damaged_picture, r"1 of 8 pictures below .* cannot be used \(first: train/pictures/p4\.png"),
    (no_masks, r"no folder .*test/masks; each split wants its pictures and its masks"),
    (two_places, r"has training pictures in train and in pictures"),
    (lambda folder: {"classes": ["a", "b", "c", "d"]}, r"1 of 4 classes have no pixel .* \(first: \['d'\]\)"),
    (lambda folder: {"classes": ["a", "b", "a"]}, r"dataset.mask.classes names 1 classes twice \(first: \['a'\]\)"),
    (lambda folder: {"classes": ["a", "b"]}, r"6 of 6 masks below .* cannot be used"),
]


@pytest.mark.parametrize(("spoil", "said"), FAULTS)
def test_what_cannot_be_is_refused(spoil: Callable[[Path], dict[str, Any]], said: str, folder: Path) -> None:
    changed = spoil(folder)
    with pytest.raises(ValueError, match=said):
        opened(folder, **changed)


def test_a_folder_without_pairs_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no folder .*/train/pictures and no .*/pictures; wanted are"):
        opened(tmp_path)
