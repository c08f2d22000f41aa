"""Initial rows from a file."""

from pathlib import Path

import numpy as np
import pytest

from calrun.acquisition.base import Candidates
from calrun.initial.file import RowsFromFile

POOL = Candidates(np.arange(10, 40), {})
RNG = np.random.default_rng(0)


def test_rows_are_taken_in_the_order_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("12\n11\n39\n")
    np.testing.assert_array_equal(RowsFromFile(str(tmp_path / "rows.txt")).select(POOL, 3, RNG), [12, 11, 39])


def test_a_picks_file_gives_its_first_round(tmp_path: Path) -> None:
    (tmp_path / "picks.csv").write_text("round,order,row,item_id,class\n1,0,30,30,a\n1,1,12,12,b\n2,0,13,13,a\n")
    np.testing.assert_array_equal(RowsFromFile(str(tmp_path / "picks.csv")).select(POOL, 2, RNG), [30, 12])


MARKS = ["utf-8", "utf-8-sig", "utf-16"]  # the last two begin with a mark, as editors on Windows write it
ENDS = ["\n", "\r\n", "\r", "\n\n"]


@pytest.mark.parametrize("encoding", MARKS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ["rows.txt", "picks.csv", "PICKS.CSV"])
def test_files_of_any_editor_are_read(encoding: str, end: str, name: str, tmp_path: Path) -> None:
    lines = ["12", "11", "39"] if name == "rows.txt" else ["round,order,row", "1,0,12", "1,1,11", "1,2,39", "2,0,15"]
    (tmp_path / name).write_bytes((end.join(lines) + end).encode(encoding))
    np.testing.assert_array_equal(RowsFromFile(str(tmp_path / name)).select(POOL, 3, RNG), [12, 11, 39])


def test_rows_that_are_no_whole_numbers_are_refused_in_a_table_too(tmp_path: Path) -> None:
    (tmp_path / "picks.csv").write_text("round,row\n1,11.5\n1,12\n1,13\n")
    with pytest.raises(ValueError, match="rows of type float64"):
        RowsFromFile(str(tmp_path / "picks.csv")).select(POOL, 3, RNG)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("11\n12\n", "wants 3 distinct rows .* but it names 2, 2 of them distinct and 0 not in the pool"),
        ("11\n11\n12\n", "it names 3, 2 of them distinct and 0 not in the pool"),
        ("11\n12\n5\n", r"1 not in the pool \(first: \[5\]\)"),
        ("eleven\n", "cannot be read as row numbers"),
        ("11.5\n", "cannot be read as row numbers"),
        ("", "it names 0, 0 of them distinct"),
    ],
)
def test_a_wrong_file_is_refused_with_numbers(text: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text(text)
    with pytest.raises(ValueError, match=wanted):
        RowsFromFile(str(tmp_path / "rows.txt")).select(POOL, 3, RNG)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.txt cannot be read"):
        RowsFromFile(str(tmp_path / "nothing.txt")).select(POOL, 3, RNG)
