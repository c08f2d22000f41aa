"""One pass: what is read at a first start, at later ones, and with other columns or another tokenizer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from calrun.dataset.text.once import joined, read_once
from calrun.dataset.text.tokens import Characters

TABLE = pd.DataFrame({"title": ["t", None, "u"], "text": ["a", "b", "c"], "kind": ["x", "y", "x"], "id": [7, 8, 9]})


def counted(calls: list[list[str]]) -> Callable[[list[str]], Iterator[pd.DataFrame]]:
    """A table in two parts that notes which columns are read."""

    def parts(columns: list[str]) -> Iterator[pd.DataFrame]:
        calls.append(columns)
        yield TABLE[columns][:2]
        yield TABLE[columns][2:]

    return parts


def test_everything_is_read_in_one_pass_and_nothing_later(empty_cache: Path) -> None:
    calls: list[list[str]] = []
    for _ in range(2):
        found, table = read_once(counted(calls), "one", ["title", "text"], ["kind", "id"], Characters(9))
        assert found.offsets.tolist() == [0, 3, 4, 7]  # "t a", "b", "u c"
        assert table["kind"].tolist() == ["x", "y", "x"]
        assert table["id"].tolist() == [7, 8, 9]
    assert calls == [["title", "text", "kind", "id"]]


def test_another_tokenizer_reads_the_texts_alone_and_another_label_itself_alone(empty_cache: Path) -> None:
    calls: list[list[str]] = []
    read_once(counted(calls), "one", ["text"], ["kind"], Characters(9))
    read_once(counted(calls), "one", ["text"], ["kind"], Characters(8))
    _, table = read_once(counted(calls), "one", ["text"], ["id"], Characters(9))
    read_once(counted(calls), "two", ["text"], [], Characters(9))
    assert calls == [["text", "kind"], ["text"], ["id"], ["text"]]
    assert table["id"].tolist() == [7, 8, 9]


def test_damaged_columns_are_read_again(empty_cache: Path) -> None:
    calls: list[list[str]] = []
    read_once(counted(calls), "one", ["text"], ["kind"], Characters(9))
    (kept,) = (empty_cache / "columns").iterdir()
    kept.write_bytes(b"no parquet")
    _, table = read_once(counted(calls), "one", ["text"], ["kind"], Characters(9))
    assert calls[1:] == [["kind"]]
    assert len(table) == 3


def test_columns_that_cannot_be_kept_are_read_at_every_start(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mixed(columns: list[str]) -> Iterator[pd.DataFrame]:
        yield TABLE.assign(kind=pd.Series(["x", 1, True], dtype=object))[columns]

    for _ in range(2):
        assert read_once(mixed, "one", ["text"], ["kind"], Characters(9))[1]["kind"].tolist() == ["x", 1, True]
    assert list((empty_cache / "columns").iterdir()) == []
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(read_once(counted([]), "one", ["text"], ["kind"], Characters(9))[1]) == 3


def test_numbers_and_gaps_become_texts() -> None:
    columns = pd.DataFrame({"a": pd.Series([1, None, "x"], dtype=object), "b": [2.5, 3.0, 4.0]})
    assert joined(columns) == ["1 2.5", "3.0", "x 4.0"]
    assert joined(columns[["a"]]) == ["1", "", "x"]
