"""The checksum of a map is compared by whoever reads it, and read again once its file has changed."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.feature_store.keep import checked
from calrun.feature_store.keep.checked import map_checksum, refuse_changed
from calrun.feature_store.keep.facts import Facts
from calrun.feature_store.keep.kept import Kept

FACTS = Facts("w", "d", "t", "penultimate", "float32", "32-true", rows=6, width=3)


@pytest.fixture
def kept(tmp_path: Path, empty_cache: Path) -> Kept:
    """Whole features of six rows, a minute old."""
    made = Kept(tmp_path, FACTS.id)
    numbers = np.arange(18, dtype=np.float32).reshape(6, 3)
    np.save(made.path, numbers)
    made.say(FACTS, checksum=map_checksum(numbers))
    dated_back_a_minute(made.path)
    return made


def dated_back_a_minute(path: Path) -> None:
    """Makes a file a minute old, as far as that can be; its change time is what it is."""
    before = time.time_ns() - 60 * 10**9
    os.utime(path, ns=(before, before))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each map that was read for its checksum; files count as settled at once."""
    seen: list[int] = []
    plain = map_checksum

    def watched(mapped_ND: np.ndarray) -> int:
        seen.append(len(mapped_ND))
        return plain(mapped_ND)

    monkeypatch.setattr(checked, "map_checksum", watched)
    monkeypatch.setattr(checked, "SETTLED_SECONDS", -1.0)
    return seen


def test_a_map_is_read_once_until_its_file_changes(kept: Kept, reads: list[int]) -> None:
    for _ in range(3):
        refuse_changed(kept, kept.opened())
    assert reads == [6]
    os.utime(kept.path)
    refuse_changed(kept, kept.opened())
    assert reads == [6, 6]


@pytest.mark.parametrize("dated_back", [False, True])
def test_a_flipped_byte_is_refused_though_the_map_was_read_before(
    dated_back: bool, kept: Kept, reads: list[int]
) -> None:
    refuse_changed(kept, kept.opened())
    before = kept.path.stat()
    with kept.path.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"\xff")
    if dated_back:
        os.utime(kept.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ValueError, match=r"has changed since it was computed \(its checksum differs\); remove it"):
        refuse_changed(kept, kept.opened())


def test_what_was_written_just_now_is_not_remembered(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_changed(kept, kept.opened())  # its change time is that of this second
    assert not checked.memory_of(kept).exists()


def test_a_damaged_memory_and_one_that_cannot_be_written_only_cost_a_read(
    kept: Kept, reads: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory = checked.memory_of(kept)
    memory.parent.mkdir(parents=True)
    memory.write_text("[1]")
    refuse_changed(kept, kept.opened())
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    refuse_changed(kept, kept.opened())
    assert reads == [6, 6]


@pytest.mark.parametrize("method", ["svpp", "linear_probe"])
def test_a_run_of_either_kind_refuses_features_that_have_changed(
    method: str, probe: tuple[str, ...], calrun: Callable[..., Any], refusal: Callable[..., str], tmp_path: Path
) -> None:
    start = "method.start.path=" if method == "linear_probe" else "method.full.start.path="
    words = [word.replace("method.start.path=", start) for word in probe if not word.startswith("method=")]
    words += [f"method={method}", "feature_store=memmap", "acquisition=margin", "budget.rounds=1"]
    assert calrun("run", *words).code == 0
    (first, *_) = sorted((tmp_path / "features").glob("*.npy"))
    with first.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"\x01")
    assert f"{first} has changed since it was computed" in refusal("run", *words, "seed=1")
