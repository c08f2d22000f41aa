"""Corrupted test sets as sources: the same pictures at every look, in any order, on disk or made."""

from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.dataset.corruption import sources
from calrun.dataset.corruption.severities import MADE, PUBLISHED
from calrun.dataset.corruption.sources import Made, made_sets, published_sets
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform

COUNT = 7


@pytest.fixture
def clean() -> Resident:
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (COUNT, 3, 32, 32), dtype=np.uint8))
    return Resident(pixels, np.arange(COUNT) % 3, Transform([0.0], [1.0]))


def everything(source: sources.Corrupted, batch_size: int) -> torch.Tensor:
    return torch.cat([x for _, x in source.batches(np.arange(len(source)), batch_size)])


def test_pictures_do_not_depend_on_batches_or_order(clean: Resident, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BLOCK", 3)
    for name in ("gaussian_noise", "fog", "contrast"):
        whole = everything(Made(name, clean), 100)
        torch.testing.assert_close(everything(Made(name, clean), 4), whole, rtol=0, atol=0)
        rows = np.random.default_rng(1).permutation(5 * COUNT)
        found = torch.cat([x for _, x in Made(name, clean).batches(rows, 6)])
        torch.testing.assert_close(found, whole[torch.from_numpy(rows)], rtol=0, atol=0)


def test_severities_follow_one_another_with_the_labels_of_the_clean_rows(clean: Resident) -> None:
    made = Made("brightness", clean)
    assert (len(made), made.targets.tolist()) == (5 * COUNT, clean.targets.tolist() * 5)
    assert [made.item_id(row) for row in (0, COUNT, 5 * COUNT - 1)] == [
        "brightness-1-0", "brightness-2-0", f"brightness-5-{COUNT - 1}",
    ]  # fmt: skip
    means = everything(made, 100).view(5, -1).mean(1)
    assert (means.diff() > 0).all()
    assert made.checksum(0) != Made("contrast", clean).checksum(0)


def test_a_value_that_does_not_change_stays_the_same_byte(clean: Resident) -> None:
    every = torch.arange(256, dtype=torch.uint8).repeat(12).view(1, 3, 32, 32)
    same = Resident(every, np.zeros(1, np.int64), Transform([0.0], [1.0]))
    made = Made("impulse_noise", same).block(0, 0)
    assert ((made == every) | (made == 0) | (made == 255)).all()


def test_only_bytes_of_cifars_size_are_corrupted(clean: Resident) -> None:
    assert list(made_sets(clean)) == [f"cifar10_c_made/{name}" for name in MADE]
    larger = Resident(torch.zeros(2, 3, 40, 40, dtype=torch.uint8), clean.targets[:2], clean.transform)
    assert made_sets(larger) == made_sets(Resident(clean.inputs.float(), clean.targets, clean.transform)) == {}


@pytest.fixture
def published(tmp_path: Path, clean: Resident) -> Path:
    pictures = np.tile(clean.inputs.permute(0, 2, 3, 1).numpy(), (5, 1, 1, 1))
    for number, name in enumerate(PUBLISHED):
        np.save(tmp_path / f"{name}.npy", pictures // (number + 1))
    np.save(tmp_path / "labels.npy", np.tile(clean.targets, 5).astype(np.uint8))
    return tmp_path


def test_published_files_are_read_where_they_lie(published: Path, clean: Resident) -> None:
    found = published_sets(published, clean)
    assert list(found) == [f"cifar10_c/{name}" for name in PUBLISHED]
    second = found["cifar10_c/shot_noise"]
    assert isinstance(second, sources.Published)
    assert isinstance(second.pictures, np.memmap)
    expected = (clean.inputs // 2).float() / 255
    torch.testing.assert_close(everything(second, 3)[:COUNT], expected)
    assert second.targets.dtype == np.int64


def test_files_that_are_not_the_published_ones_are_refused(published: Path, clean: Resident) -> None:
    np.save(published / "labels.npy", np.zeros(5 * COUNT, np.uint8))
    with pytest.raises(ValueError, match=r"wants the 7 labels of the test set five times over, but holds others"):
        published_sets(published, clean)
    np.save(published / "labels.npy", np.tile(clean.targets, 5))
    np.save(published / "fog.npy", np.zeros((4, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=r"fog.npy holds uint8 of shape \(4, 32, 32, 3\); wanted are bytes of shape"):
        published_sets(published, clean)
    (published / "fog.npy").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"fog.npy is no sound .npy file"):
        published_sets(published, clean)
    (published / "fog.npy").unlink()
    with pytest.raises(ValueError, match=r"lacks 1 files of CIFAR-10-C \(fog.npy\); .*corruptions_folder=null"):
        published_sets(published, clean)
