import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from calrun.dataset.base import Dataset, Shot, StepRows
from calrun.dataset.check.picture_check import Level
from calrun.dataset.image_folder import load
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform

AUGMENTED = Picture(size=8, resize=8, min_area=0.3, flip=True)
COLOURS = {"cat": (255, 0, 0), "dog": (0, 255, 0), "eel": (0, 0, 255)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four training and two test pictures of each class, of one colour with a gradient."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for split, count in (("train", 4), ("test", 2)):
        for name, colour in COLOURS.items():
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                ramp = np.linspace(0.2, 1, 12)[None, :, None]
                pixels = np.broadcast_to(ramp * np.array(colour), (10 + number, 12, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number}.png")
    return tmp_path


def opened(folder: Path, picture: Picture = AUGMENTED, num_workers: int = 0, check: Level = "off") -> Dataset:
    return load(str(folder), picture, Transform([0.0] * 3, [1.0] * 3), num_workers, check)


def test_classes_files_and_shape_come_from_the_folders(folder: Path) -> None:
    dataset = opened(folder)
    assert dataset.class_names == ["cat", "dog", "eel"]
    assert dataset.input_shape == (3, 8, 8)
    assert (len(dataset.train), len(dataset.tests["test"]), dataset.val) == (12, 6, None)
    np.testing.assert_array_equal(dataset.train.targets, np.repeat([0, 1, 2], 4))
    assert dataset.train.item_id(5) == "train/dog/1.png"


def test_a_val_folder_becomes_the_validation_split(folder: Path) -> None:
    for name in COLOURS:
        (folder / "val" / name).mkdir(parents=True)
        (folder / "train" / name / "0.png").rename(folder / "val" / name / "0.png")
    dataset = opened(folder)
    assert dataset.val is not None
    assert (len(dataset.train), len(dataset.val), dataset.val.item_id(0)) == (9, 3, "val/cat/0.png")


def test_pictures_without_a_class_are_in_the_pool(folder: Path) -> None:
    (folder / "unlabelled" / "deep").mkdir(parents=True)
    for number, name in enumerate(("deep/b.png", "a.png", "bad.png")):
        (folder / "train" / "cat" / f"{number}.png").rename(folder / "unlabelled" / name)
    (folder / "unlabelled" / "bad.png").write_bytes(b"")
    transform = Transform([0.0] * 3, [1.0] * 3)
    train = load(str(folder), AUGMENTED, transform, 0, check="all", bad_files="skip").train
    assert train.targets.tolist() == [0, 1, 1, 1, 1, 2, 2, 2, 2, -1, -1]
    assert [train.item_id(row) for row in (9, 10)] == ["unlabelled/a.png", "unlabelled/deep/b.png"]


def test_pictures_that_are_left_out_take_their_classes_with_them(folder: Path) -> None:
    for bad in ("cat/0.png", "dog/3.png"):
        (folder / "train" / bad).write_bytes(b"")
    transform = Transform([0.0] * 3, [1.0] * 3)
    train = load(str(folder), AUGMENTED, transform, 0, check="all", bad_files="skip").train
    classes = [train.item_id(row).split("/")[1] for row in range(len(train))]
    assert classes == ["cat"] * 3 + ["dog"] * 3 + ["eel"] * 4
    assert [list(COLOURS)[target] for target in train.targets] == classes


def test_evaluation_shows_each_row_its_own_picture(folder: Path) -> None:
    dataset = opened(folder)
    rows = np.array([9, 0, 6])
    batches = list(dataset.train.batches(rows, batch_size=2))
    assert [chunk.tolist() for chunk, _ in batches] == [[9, 0], [6]]
    x = torch.cat([x for _, x in batches])
    assert x.amax((2, 3)).argmax(1).tolist() == dataset.train.targets[rows].tolist()  # the class's colour channel
    assert x.max() <= 1


def steps() -> list[StepRows]:
    rng = np.random.default_rng(0)
    return [StepRows(rng.choice(12, 4), rng.choice(12, num_replay)) for num_replay in (0, 3, 3)]


def played(dataset: Dataset, seed: int) -> list[tuple[Shot, Shot | None]]:
    return [pair for block in dataset.train.blocks(steps(), seed) for pair in block.to(torch.device("cpu"))]


def test_each_step_gets_its_current_and_replayed_rows(folder: Path) -> None:
    dataset = opened(folder)
    for step, (current, replay) in zip(steps(), played(dataset, 0), strict=True):
        np.testing.assert_array_equal(current.rows.numpy(), step.current)
        assert current.x.amax((2, 3)).argmax(1).tolist() == dataset.train.targets[step.current].tolist()
        assert (replay is None) == (len(step.replay) == 0)
        if replay:
            np.testing.assert_array_equal(replay.rows.numpy(), step.replay)
            assert replay.x.amax((2, 3)).argmax(1).tolist() == dataset.train.targets[step.replay].tolist()


def test_pictures_do_not_depend_on_the_number_of_workers(folder: Path) -> None:
    alone, helped = played(opened(folder), 5), played(opened(folder, num_workers=2), 5)
    for (one, one_replay), (two, two_replay) in zip(alone, helped, strict=True):
        assert torch.equal(one.x, two.x)
        assert (one_replay is None) == (two_replay is None)
        if one_replay and two_replay:
            assert torch.equal(one_replay.x, two_replay.x)


def test_the_seed_and_the_step_decide_the_augmentation(folder: Path) -> None:
    dataset = opened(folder)
    same = [StepRows(np.zeros(4, np.int64), np.empty(0, np.int64))] * 2
    first, second = [pair[0].x for block in dataset.train.blocks(same, 1) for pair in block]
    again, _ = [pair[0].x for block in dataset.train.blocks(same, 1) for pair in block]
    other, _ = [pair[0].x for block in dataset.train.blocks(same, 2) for pair in block]
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])  # one row, two positions


def test_reading_leaves_the_global_random_state_alone(folder: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    played(opened(folder), 0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_unreadable_picture_is_named_in_one_line(folder: Path, num_workers: int) -> None:
    (folder / "train" / "dog" / "1.png").write_bytes(b"\x89PNG not really")
    with pytest.raises(ValueError, match=r"cannot read picture .*train/dog/1\.png") as caught:
        list(opened(folder, num_workers=num_workers).train.batches(np.arange(12), 4))
    assert "\n" not in str(caught.value)


def test_a_truncated_jpeg_is_unreadable(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = folder / "train" / "cat" / "9.jpg"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(ValueError, match=r"train/cat/9\.jpg"):
        list(opened(folder).train.batches(np.arange(13), 13))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no folder .*train; wanted are train/<class>/ and test/<class>/"):
        opened(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="has no class folders"):
        opened(tmp_path)


def test_a_class_folder_without_pictures_is_refused(folder: Path) -> None:
    for file in (folder / "train" / "dog").iterdir():
        file.rename(file.with_suffix(".txt"))
    with pytest.raises(ValueError, match=r"class folder .*train/dog has no pictures"):
        opened(folder)


def test_class_folders_that_differ_between_train_and_test_are_listed(folder: Path) -> None:
    (folder / "test" / "dog").rename(folder / "test" / "fox")
    with pytest.raises(ValueError, match=r"1 missing \(first: \['dog'\]\), 1 unknown \(first: \['fox'\]\)"):
        opened(folder)


def test_streamed_pictures_need_given_statistics(folder: Path) -> None:
    with pytest.raises(ValueError, match="has no mean and std"):
        load(str(folder), AUGMENTED, Transform(None, None), 0)


@pytest.mark.parametrize("mean", [[124.0, 116.0, 104.0], [0.5]])
def test_statistics_of_the_scale_0_to_255_are_refused(folder: Path, mean: list[float]) -> None:
    with pytest.raises(ValueError, match=r"scaled to 0\.\.1, came .*; divide both by 255"):
        load(str(folder), AUGMENTED, Transform(mean, [58.0]), 0)


def test_hidden_files_and_folders_are_no_pictures(folder: Path) -> None:
    source = (folder / "train" / "cat" / "0.png").read_bytes()
    for hidden in (".0.png", ".ipynb_checkpoints/0.png"):
        path = folder / "train" / "cat" / hidden
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source)
    assert len(opened(folder).train) == 12


def test_subfolders_and_links_count_and_a_link_in_circles_counts_once(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "train" / "cat" / "0.png").rename(folder / "elsewhere" / "0.PNG")
    (folder / "train" / "cat" / "more").symlink_to(folder / "elsewhere", target_is_directory=True)
    (folder / "train" / "cat" / "again").symlink_to(folder / "train" / "cat", target_is_directory=True)
    (folder / "train" / "cat" / "above").symlink_to(folder / "train", target_is_directory=True)  # dogs are no cats
    train = opened(folder).train
    assert len(train) == 12
    assert train.item_id(3) == "train/cat/more/0.PNG"


def test_files_that_are_no_pictures_are_said(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "train" / "cat" / "phone.heic").write_bytes(b"")
    (folder / "train" / "cat" / ".DS_Store").write_bytes(b"")
    opened(folder)
    (line,) = capfd.readouterr().err.splitlines()
    assert f"1 files below {folder} do not end like pictures and are left out (first: {folder}/train/cat/ph" in line


def test_names_of_any_alphabet_are_read_and_broken_ones_refused(folder: Path) -> None:
    for name in ("猫.png", "a b, c.png", "smile 🙂.png"):
        (folder / "train" / "cat" / "0.png").rename(folder / "train" / "cat" / name)
        (chunk, x), *_ = opened(folder).train.batches(np.array([3]), 1)
        assert (chunk.tolist(), len(x)) == ([3], 1)
        (folder / "train" / "cat" / name).rename(folder / "train" / "cat" / "0.png")
    for broken in (b"\xff.png", b"two\nlines.png"):
        path = folder / "train" / "cat" / os.fsdecode(broken)
        (folder / "train" / "cat" / "1.png").rename(path)
        with pytest.raises(ValueError, match=r"1 pictures in .*train/cat have names that are not UTF-8"):
            opened(folder)
        path.rename(folder / "train" / "cat" / "1.png")
