from pathlib import Path

import numpy as np
import pytest

from calrun.dataset.read.item_list import read_items


@pytest.mark.parametrize(
    ("name", "content", "items"),
    [
        ("a.txt", "3\n\n 1 \ncat, dog.jpg\n", ["3", "1", "cat, dog.jpg"]),
        ("a.txt", "\ufeff7\r\n8\r\n", ["7", "8"]),
        ("a.csv", "3\n1\n", ["3", "1"]),
        ("a.csv", 'item_id\n"a, b"\n', ["a, b"]),
        ("a.csv", "order,row,item_id\n1,5,x\n2,6,y\n", ["x", "y"]),
        ("a.CSV", "class,row\n1,5\n", ["5"]),
    ],
)
def test_names_are_read_as_they_are_written(name: str, content: str, items: list[str], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert read_items("here", tmp_path / name) == items


def test_arrays_hold_numbers_or_texts(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([4, 2]))
    assert read_items("here", tmp_path / "a.npy") == ["4", "2"]
    np.save(tmp_path / "a.npy", np.array(["x", "yy"]))
    assert read_items("here", tmp_path / "a.npy") == ["x", "yy"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\n", "here .*a.txt names no item; give it some"),
        ("a.csv", b"", "names no item"),
        ("a.csv", b"a,b\n1,2\n", "its columns are a, b, and none is called item_id"),
        ("a.txt", b"\xff\xfe\xff", "cannot be read as names of items"),
        ("a.npy", b"no array", "cannot be read as names of items"),
        ("a.json", b"[1]", r"here wants a file that ends with .txt, .csv, .npy, got .*a.json"),
    ],
)
def test_what_is_wrong_is_said(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_items("here", tmp_path / name)
    with pytest.raises(ValueError, match="cannot be read"):
        read_items("here", tmp_path / "nowhere.txt")


@pytest.mark.parametrize("wrong", [np.ones(3), np.ones((2, 2), int), np.array([object()])])
def test_arrays_of_another_kind(wrong: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", wrong, allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read as names of items, one a line"):
        read_items("here", tmp_path / "a.npy")
