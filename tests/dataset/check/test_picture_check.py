"""Pictures are looked at before the first fit: all the bad ones at once, and none twice."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.check import picture_check
from calrun.dataset.check.picture_check import faulty

Refusal = Callable[..., str]

RUN = (
    "run",
    "dataset=image_folder",
    "model=cnn",
    "model.width=8",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "budget=counts",
    "budget.start=10",
    "budget.step=5",
    "budget.rounds=2",
    "dataset.num_workers=0",
    "dataset.picture.size=16",
    "dataset.picture.resize=16",
)


@pytest.fixture
def files(pictures: Path) -> list[str]:
    """The names of all pictures."""
    return sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.png"))


def spoil(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.unlink()
    if how == "broken link":
        path.symlink_to("nowhere.png")
    elif how == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes({"empty": b"", "text": b"hello", "cut": content[: len(content) // 2]}[how])


def test_all_bad_pictures_are_named_at_once_before_anything_is_made(
    pictures: Path, refusal: Refusal, tmp_path: Path
) -> None:
    spoiled = {
        "train/dark/1.png": "empty",
        "train/bright/2.png": "text",
        "test/dark/3.png": "cut",
        "test/dark/5.png": "pipe",
    }
    for name, how in {**spoiled, "test/bright/4.png": "broken link"}.items():
        spoil(pictures / name, how)
    line = refusal(*RUN, f"dataset.root={pictures}")
    assert "5 of 80 pictures below" in line
    assert "train/dark/1.png (cannot identify image file)" in line
    assert "test/dark/3.png (image file is truncated" in line
    assert "test/bright/4.png (no such file or directory)" in line
    assert "test/dark/5.png (it is no regular file)" in line
    assert "set dataset.bad_files=skip to leave them out" in line
    assert not list(tmp_path.glob("outputs/**/config.yaml"))


@pytest.mark.parametrize(
    ("named", "wanted"), [("train/dark/1.png", "1 pictures in"), ("train/dark", "1 class folders in")]
)
def test_names_that_are_not_utf_8_are_said_to_be_that(
    named: str, wanted: str, pictures: Path, refusal: Refusal
) -> None:
    path = pictures / named
    path.rename(path.with_name("\udcff" + path.suffix))
    line = refusal(*RUN, f"dataset.root={pictures}")
    assert wanted in line
    assert "have names that are not UTF-8 or hold a line break (first: '\\udcff" in line


def test_five_are_named_and_the_rest_counted(pictures: Path, refusal: Refusal) -> None:
    for number in range(8):
        spoil(pictures / f"train/dark/{number}.png", "empty")
    line = refusal(*RUN, f"dataset.root={pictures}")
    assert "8 of 80 pictures" in line
    assert line.count("cannot identify") == 5


def test_bad_pictures_can_be_left_out(
    pictures: Path, calrun: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    spoil(pictures / "train/dark/1.png", "cut")
    answer = calrun(*RUN, f"dataset.root={pictures}", "dataset.bad_files=skip", "budget.rounds=1")
    assert answer.code == 0, answer.err
    assert "1 of 80 pictures below" in answer.err
    assert "train/dark/1.png" in answer.err
    assert json.loads((run_folder() / "rounds.jsonl").read_text())["labelled_fraction"] == pytest.approx(10 / 59)


@pytest.mark.parametrize("check", ["sample", "off"])
def test_what_is_left_out_must_be_known(check: str, pictures: Path, refusal: Refusal) -> None:
    line = refusal(*RUN, f"dataset.root={pictures}", "dataset.bad_files=skip", f"dataset.check={check}")
    assert f"dataset.bad_files=skip wants dataset.check=all, came {check}" in line


def test_a_class_that_loses_all_its_pictures_is_refused(pictures: Path, calrun: Callable[..., Any]) -> None:
    for path in (pictures / "test" / "dark").iterdir():
        spoil(path, "empty")
    answer = calrun(*RUN, f"dataset.root={pictures}", "dataset.bad_files=skip")
    assert answer.code == 2
    assert "test/dark has no pictures that can be used" in answer.err.splitlines()[-1]


def test_a_sample_is_decoded_and_every_header_read(
    pictures: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_check, "SAMPLE", 20)
    drawn = picture_check.decoded_files(files, "sample")
    inside, outside = min(drawn), min(set(files) - drawn)
    for name in (inside, outside):
        spoil(pictures / name, "cut")
    assert list(faulty(pictures, files, None, "sample")) == [inside]
    spoil(pictures / outside, "empty")
    assert sorted(faulty(pictures, files, None, "sample")) == sorted((inside, outside))
    assert faulty(pictures, files, None, "off") == {}
    assert len(drawn) == 20
    assert picture_check.decoded_files(files, "all") == set(files)


def test_a_picture_is_looked_at_once_and_again_when_it_changed(
    pictures: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    verdict_on = picture_check.verdict_on

    def noted(path: Path, *rest: Any) -> Any:
        looked.append(path.relative_to(pictures).as_posix())
        return verdict_on(path, *rest)

    monkeypatch.setattr(picture_check, "verdict_on", noted)
    assert faulty(pictures, files, None, "sample") == faulty(pictures, files, None, "all") == {}
    assert sorted(looked) == files
    spoil(pictures / files[0], "cut")
    os.utime(pictures / files[1], ns=(0, time.time_ns()))
    for _ in range(2):
        assert list(faulty(pictures, files, None, "all")) == [files[0]]
    assert sorted(looked[len(files) :]) == [files[0], files[0], files[1]]  # what was bad may have been mended


def test_an_interrupted_check_ends_soon_and_keeps_what_it_knows(
    pictures: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_check, "FILES_PER_TASK", 1)
    monkeypatch.setattr(picture_check, "num_cpus", lambda: 1)
    verdict_on, looked, heard = picture_check.verdict_on, [], []

    def interrupted(path: Path, *rest: Any) -> Any:
        looked.append(path)
        if len(looked) == 9:
            raise KeyboardInterrupt
        if len(looked) > 9 and not heard:
            time.sleep(0.2)  # a loaded machine hears of the interruption late
        return verdict_on(path, *rest)

    monkeypatch.setattr(picture_check, "verdict_on", interrupted)
    with pytest.raises(KeyboardInterrupt):
        faulty(pictures, files, None, "all")
    heard.append(True)
    assert len(looked) < len(files)
    before = len(looked)
    assert faulty(pictures, files, None, "all") == {}
    assert len(looked) - before <= len(files) - 7


@pytest.mark.parametrize("damage", ["{", "[]", '{"a": 3}', '{"a": [1]}'])
def test_a_damaged_memory_is_none(damage: str, pictures: Path, files: list[str], tmp_path: Path) -> None:
    faulty(pictures, files, None, "all")
    (memory,) = (tmp_path / "cache" / "calrun").iterdir()
    memory.write_text(damage)
    assert faulty(pictures, files, None, "all") == {}


def test_without_a_place_for_its_memory_the_check_goes_on(
    pictures: Path, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert faulty(pictures, files, None, "all") == {}


@pytest.mark.parametrize("factor", [1, 16])
def test_16_bit_pictures_that_would_be_black_ask_for_their_white(
    factor: int, pictures: Path, refusal: Refusal, calrun: Callable[..., Any]
) -> None:
    for path in pictures.rglob("*.png"):
        grey = np.asarray(Image.open(path))[..., 0].astype(np.uint16) * factor
        Image.fromarray(grey).save(path)
    line = refusal(*RUN, f"dataset.root={pictures}")
    assert f"the 80 16-bit pictures below {pictures} hold values up to {255 * factor} of 65535" in line
    assert f"set dataset.picture.white to the value that is to be white, {255 * factor} or more" in line
    assert calrun(*RUN, f"dataset.root={pictures}", "dataset.picture.white=4095").code == 0


def test_a_mended_folder_plays(pictures: Path, refusal: Refusal, calrun: Callable[..., Any]) -> None:
    whole = (pictures / "train/dark/1.png").read_bytes()
    spoil(pictures / "train/dark/1.png", "cut")
    assert "train/dark/1.png" in refusal(*RUN, f"dataset.root={pictures}")
    (pictures / "train/dark/1.png").write_bytes(whole)
    assert calrun(*RUN, f"dataset.root={pictures}").code == 0
