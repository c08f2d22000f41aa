"""`calrun features`, as a user types it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.feature_store.keep.kept import all_kept

STORE = "feature_store=memmap"


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"paths.features={tmp_path / 'features'}"


def test_what_is_computed_ahead_is_listed_verified_read_and_removed(
    calrun: Callable[..., Any], probe: tuple[str, ...], tmp_path: Path, place: str
) -> None:
    answer = calrun("features", "compute", *probe)
    assert answer.code == 0, answer.err
    assert [line.split()[0] for line in answer.out.splitlines()] == ["train", "test"]
    kept = [*all_kept(tmp_path / "features")]
    before = {each.id: each.path.stat().st_mtime_ns for each in kept}
    assert calrun("run", *probe, STORE).code == 0
    assert "was there" in calrun("features", "compute", *probe).out
    assert {each.id: each.path.stat().st_mtime_ns for each in all_kept(tmp_path / "features")} == before

    listed = calrun("features", "list", place).out
    assert "digits cnn  200 x 64 float32  0.0 MiB  whole" in listed
    assert calrun("features", "verify", place).out.count("as it was computed") == 2
    assert calrun("features", "verify", *probe).out.count("rows compared") == 2
    assert "removed" in calrun("features", "remove", kept[0].id, place).out
    assert [each.id for each in all_kept(tmp_path / "features")] == [kept[1].id]


def test_a_number_that_has_changed_is_found(
    calrun: Callable[..., Any], refusal: Callable[..., str], probe: tuple[str, ...], tmp_path: Path, place: str
) -> None:
    calrun("features", "compute", *probe)
    kept = next(all_kept(tmp_path / "features"))
    mapped = np.lib.format.open_memmap(kept.path, mode="r+")
    mapped[3, 2] += 1
    mapped.flush()
    assert f"{kept.id}: {kept.path} has changed since it was computed" in refusal("features", "verify", place)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("remove", "abc"), "has no features abc; there are none"),
        (("remove",), "wants ids"),
        (("verify", "abc"), "has no features abc"),
        (("list", "abc"), "takes KEY=VALUE, got 'abc'"),
        (("compute", "feature_store=none"), "keeps no features on disk"),
        (("compute", "method=al", "dataset=digits"), "trains all weights"),
        (("compute", "metod=al"), "metod"),
    ],
)
def test_wrong_words_are_answered_in_one_sentence(
    refusal: Callable[..., str], place: str, words: tuple[str, ...], said: str
) -> None:
    assert said in refusal("features", *words, place)


def test_an_empty_place_is_said_to_be_empty(calrun: Callable[..., Any], place: str) -> None:
    answer = calrun("features", "list", place)
    assert answer.code == 0
    assert "there are no features in" in answer.out
