"""Encoding once: what the cache holds, what makes it anew, and what is left after a failure."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from calrun.dataset.text.encoded import EMPTY, content_of, encoded
from calrun.dataset.text.tokens import Characters

PARTS = [["ab", "c"], ["", "ab"]]


def counted(calls: list[int], parts: list[list[str]] = PARTS) -> Callable[[], Iterator[Sequence[str]]]:
    """Texts that count how often they were asked for."""

    def texts() -> Iterator[Sequence[str]]:
        calls.append(1)
        yield from parts

    return texts


def test_texts_are_encoded_once_and_mapped_afterwards(empty_cache: Path) -> None:
    calls: list[int] = []
    first, second = (encoded(counted(calls), "one", Characters(9)) for _ in range(2))
    assert len(calls) == 1
    for found in (first, second):
        assert found.entries_E.tolist() == [3, 4, 5, 3, 4]
        assert found.offsets.tolist() == [0, 2, 3, 3, 5]
        assert isinstance(found.entries_E, np.memmap)
    assert first.hashes_N[0] == second.hashes_N[3] != first.hashes_N[1]
    assert first.hashes_N[2] == EMPTY


def test_other_content_or_another_tokenizer_is_encoded_anew(empty_cache: Path) -> None:
    calls: list[int] = []
    for content, length in (("one", 9), ("two", 9), ("one", 1), ("one", 9)):
        encoded(counted(calls), content, Characters(length))
    assert len(calls) == 3


def test_a_failure_leaves_nothing(empty_cache: Path) -> None:
    def broken() -> Iterator[Sequence[str]]:
        yield ["a"]
        raise ValueError("line 2")

    with pytest.raises(ValueError, match="line 2"):
        encoded(broken, "one", Characters(9))
    assert list((empty_cache / "texts").iterdir()) == []
    with pytest.raises(ValueError, match="no texts"):
        encoded(lambda: iter([]), "one", Characters(9))


def test_what_a_killed_process_has_left_goes_after_a_day(empty_cache: Path) -> None:
    for name, age in ((".old.1.part", 2 * 86400), (".new.2.part", 3600)):
        (empty_cache / "texts" / name).mkdir(parents=True)
        (empty_cache / "texts" / name / "entries.bin").write_bytes(b"abc")
        for place in (empty_cache / "texts" / name / "entries.bin", empty_cache / "texts" / name):
            os.utime(place, (time.time() - age,) * 2)
    encoded(counted([]), "one", Characters(9))
    assert sorted(path.name for path in (empty_cache / "texts").iterdir() if path.name[0] == ".") == [".new.2.part"]


def test_what_is_damaged_is_encoded_anew(empty_cache: Path) -> None:
    calls: list[int] = []
    encoded(counted(calls), "one", Characters(9))
    (entries,) = (empty_cache / "texts").rglob("entries.bin")
    entries.write_bytes(b"abc")
    assert encoded(counted(calls), "one", Characters(9)).entries_E.tolist() == [3, 4, 5, 3, 4]
    assert len(calls) == 2


def test_without_a_cache_tokens_lie_in_a_file_that_goes_with_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = encoded(counted([]), "one", Characters(9))
    assert found.entries_E.tolist() == [3, 4, 5, 3, 4]
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


def test_content_is_that_of_the_bytes(tmp_path: Path, empty_cache: Path) -> None:
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).write_text(text)
    found = [content_of(tmp_path / name) for name in "abc"]
    assert found[0] == found[1] != found[2]
