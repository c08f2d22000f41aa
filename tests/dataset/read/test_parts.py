"""Tables in parts: the same rows as in one piece, only the columns that are asked for, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from calrun.dataset.read.frame import read_frame
from calrun.dataset.read.parts import ROWS_AT_ONCE, columns_of, parts_of

WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    ".parquet": lambda table, path: table.to_parquet(path),
    ".jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
}
TABLE = pd.DataFrame({"text": ['a, "b"', "NA", "1"] * 4000, "kind": ["x", "y", "z"] * 4000, "more": range(12000)})


@pytest.mark.parametrize("ending", WRITERS)
def test_the_rows_come_in_parts_with_the_columns_that_are_asked_for(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{ending}"
    WRITERS[ending](TABLE, path)
    assert columns_of(str(path)) == ["text", "kind", "more"]
    parts = [*parts_of(str(path), ["text", "kind"])]
    assert [len(part) for part in parts] == [ROWS_AT_ONCE, 12000 - ROWS_AT_ONCE]
    whole = pd.concat(parts, ignore_index=True)
    assert whole["text"].tolist() == TABLE["text"].tolist()
    assert whole["kind"].tolist() == TABLE["kind"].tolist()
    assert {*whole.columns} == {"text", "kind"}


@pytest.mark.parametrize("columns", [None, ["text"], ["text", "kind"]])
def test_a_line_with_more_values_than_names_is_never_cut(columns: list[str] | None, tmp_path: Path) -> None:
    lines = ["text,kind", *(f"t{n},x" for n in range(30)), "oops, an unquoted comma,y"]
    (tmp_path / "one.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"one.csv cannot be read as .csv .*Expected 2 fields in line 32, saw 3"):
        [*parts_of(str(tmp_path / "one.csv"), columns)]
    (tmp_path / "all.csv").write_text("text,kind\n" + "a,b,c\n" * 30)
    for whole in (lambda path: [*parts_of(path, columns)], read_frame):
        with pytest.raises(ValueError, match="its lines have more values than the first line has names"):
            whole(str(tmp_path / "all.csv"))


def test_quotation_marks_are_part_of_a_text_where_that_is_asked(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text('text\tkind\n"a\tx\nb"\ty\n')
    (part,) = parts_of(str(tmp_path / "x.tsv"), None, quotes=False)
    assert part["text"].tolist() == ['"a', 'b"']


def test_what_a_line_of_json_does_not_have_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "a", "title": "t"}\n{"text": "b"}\n')
    (part,) = parts_of(str(tmp_path / "x.jsonl"), ["title", "text"])
    assert part["title"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        ("x.csv", "text,kind\n", "x.csv has no rows"),
        ("x.csv", "", "cannot be read as .csv"),
        ("x.csv", "a,b\n1,2\n1,2,3\n", "cannot be read as .csv .*Expected 2 fields in line 3, saw 3"),
        ("x.jsonl", '{"a": 1}\n{"a": \n', "cannot be read as .jsonl"),
        ("x.jsonl", "[1, 2]\n", "cannot be read as .jsonl .an object is wanted on each line"),
        ("x.jsonl", "\n", "x.jsonl has no rows"),
        ("x.parquet", "no parquet", "cannot be read as .parquet"),
        ("x.txt", "a", "wants to be a table that ends with .csv, .tsv, .parquet, .jsonl"),
    ],
)
def test_damaged_tables_are_refused_in_one_sentence(name: str, written: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(written)
    with pytest.raises(ValueError, match=said) as refused:
        [*parts_of(str(tmp_path / name))]
    assert "\n" not in str(refused.value)


def test_two_columns_of_one_name_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="has 1 column names several times"):
        columns_of(str(tmp_path / "x.parquet"))
    with pytest.raises(ValueError, match="no file"):
        columns_of(str(tmp_path / "nothing.csv"))


def test_values_that_look_like_dates_stay_texts(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"modified": "2020-01-01", "date": "2020-01-01"}\n')
    (part,) = parts_of(str(tmp_path / "x.jsonl"))
    assert part.iloc[0].tolist() == ["2020-01-01", "2020-01-01"]
