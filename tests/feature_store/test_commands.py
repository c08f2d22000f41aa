"""`calrun features`, as a user types it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.feature_store.keep.kept import all_kept
from calrun.feature_store.keep.lock import locked

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
    said = f"{kept.path} has changed since it was computed (its checksum differs); remove it"
    assert f"{kept.id}: {said}" in refusal("features", "verify", place)
    assert said in refusal("run", *probe, STORE)
    assert said in refusal("features", "compute", *probe)
    answer = calrun("features", "verify", place)
    assert (answer.out + answer.err).count(kept.id + ":") == 1  # said once


def test_a_truncated_map_is_not_called_whole(
    calrun: Callable[..., Any], refusal: Callable[..., str], probe: tuple[str, ...], tmp_path: Path, place: str
) -> None:
    calrun("features", "compute", *probe)
    kept = next(all_kept(tmp_path / "features"))
    os.truncate(kept.path, kept.path.stat().st_size - 4)
    (line,) = [line for line in calrun("features", "list", place).out.splitlines() if kept.id in line]
    assert "damaged: " in line
    assert "whole" not in line
    assert "is truncated or damaged" in refusal("run", *probe, STORE)


def test_a_pass_that_has_not_ended_is_no_damage_until_it_is_asked_for_by_name(
    calrun: Callable[..., Any], refusal: Callable[..., str], probe: tuple[str, ...], tmp_path: Path, place: str
) -> None:
    calrun("features", "compute", *probe)
    kept, other = all_kept(tmp_path / "features")
    kept.path.rename(kept.part)
    kept.mark.write_text("8")
    answer = calrun("features", "verify", place)
    assert answer.code == 0
    assert f"{kept.id}  unfinished (8 of " in answer.out
    assert f"calrun features remove {kept.id} {place} removes it" in answer.out
    assert f"{other.id}  as it was computed" in answer.out
    assert f"{kept.id}: unfinished (8 of " in refusal("features", "verify", kept.id, place)
    with locked(kept.lock, lambda: pytest.fail("nobody else holds it")):
        answer = calrun("features", "verify", kept.id, place)
    assert answer.code == 0
    assert f"{kept.id}  is being computed (8 of " in answer.out
    kept.sidecar.write_text("{")
    assert "is damaged" in refusal("features", "verify", place)


def test_an_id_that_is_named_twice_is_removed_once(
    calrun: Callable[..., Any], probe: tuple[str, ...], tmp_path: Path, place: str
) -> None:
    calrun("features", "compute", *probe)
    first = next(all_kept(tmp_path / "features")).id
    assert calrun("features", "remove", first, first, place).out.count("removed") == 1


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
    for command in ("list", "verify"):
        answer = calrun("features", command, place)
        assert answer.code == 0
        assert "there are no features in" in answer.out


@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_file_in_the_place_of_the_folder_is_named(command: str, refusal: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is a file; name the folder" in refusal("features", command, f"paths.features={tmp_path / 'file'}")
