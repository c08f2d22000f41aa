"""Tables with named columns: transformed by the training rows' statistics, and refused in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from calrun.dataset.base import Dataset
from calrun.dataset.table import load


def frame(num_rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = np.arange(num_rows) % 2
    return pd.DataFrame(
        {
            "name": [f"row-{row}" for row in range(num_rows)],
            "size": rng.normal(5, 3, num_rows) + 4 * kind,
            "colour": np.where(rng.random(num_rows) < 0.5, "red", "blue"),
            "code": rng.integers(0, 3, num_rows),
            "part": ["test" if row >= num_rows - 10 else "train" for row in range(num_rows)],
            "kind": np.where(kind, "yes", "no"),
        }
    )


def read(path: Path, table: pd.DataFrame | None = None, **options: Any) -> Dataset:
    table = frame() if table is None else table
    {
        ".csv": lambda: table.to_csv(path, index=False),
        ".tsv": lambda: table.to_csv(path, index=False, sep="\t"),
        ".parquet": lambda: table.to_parquet(path),
        ".jsonl": lambda: table.to_json(path, orient="records", lines=True),
    }[path.suffix]()
    defaults: dict[str, Any] = {
        "label": "kind", "split": "part", "test_fraction": 0.2, "item_id": "name", "drop": [], "categorical": [],
    }  # fmt: skip
    return load(str(path), **(defaults | options))


def inputs(data: Dataset, split: str = "train") -> np.ndarray:
    source = data.train if split == "train" else data.tests["test"]
    ((_, x),) = source.batches(np.arange(len(source)), 1_000)
    return x.numpy()


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_every_kind_of_file_gives_the_same(suffix: str, tmp_path: Path) -> None:
    data = read(tmp_path / f"x{suffix}")
    assert (len(data.train), len(data.tests["test"]), data.class_names) == (30, 10, ["no", "yes"])
    assert data.train.item_id(3) == "row-3"
    x, table = inputs(data), frame()
    train, size = table[:30], table["size"].to_numpy()
    wanted = (size - train["size"].mean()) / train["size"].std(ddof=0)
    np.testing.assert_allclose(x[:, 0], wanted[:30], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inputs(data, "test")[:, 0], wanted[30:], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x[:, 2:], np.c_[train["colour"] == "blue", train["colour"] == "red"])


def test_a_column_that_names_rows_is_no_category(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'name' has another text in each of 30 training rows, so it is no category"):
        read(tmp_path / "x.csv", item_id=None)


def test_categories_that_train_lacks_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(tmp_path / "x.csv")
    assert "categories" not in capsys.readouterr().err
    table = frame()
    table.loc[35, "colour"] = "green"
    read(tmp_path / "y.csv", table)
    assert "'colour' holds categories that no training row has (1, first: ['green'])" in capsys.readouterr().err


def test_codes_missing_values_and_categories_that_train_lacks(tmp_path: Path) -> None:
    table = frame().astype({"colour": object})
    table.loc[0, "size"] = np.nan
    table.loc[1, "colour"] = None
    table.loc[35, "colour"] = "green"
    data = read(tmp_path / "x.csv", table, categorical=["code"], drop=["size"])
    x = inputs(data)
    assert x.shape == (30, 6)  # blue, red, missing; three codes
    assert x[1, :3].sum() == 1
    assert inputs(data, "test")[5, :3].sum() == 0
    assert (x[:, 3:].sum(axis=1) == 1).all()
    filled = inputs(read(tmp_path / "x.csv", table))[:, 0]
    known = table["size"][1:30]
    whole = np.r_[known.median(), known]
    np.testing.assert_allclose(filled, (whole - whole.mean()) / whole.std(), rtol=1e-5, atol=1e-6)


def test_labels_that_are_true_false_or_numbers_from_1_have_their_names(tmp_path: Path) -> None:
    yes = frame().kind == "yes"
    assert read(tmp_path / "x.csv", frame().assign(kind=yes)).class_names == ["False", "True"]
    assert read(tmp_path / "x.csv", frame().assign(kind=yes + 1)).class_names == ["1", "2"]
    assert read(tmp_path / "x.csv", frame().assign(kind=yes + 1.0)).class_names == ["1", "2"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"label": "sort"}, "dataset.label names the column 'sort', but .* has: name, size, colour, code, part"),
        ({}, {"split": "fold"}, "dataset.split names the column 'fold'"),
        ({}, {"drop": ["sise"]}, "dataset.drop names the column 'sise'"),
        ({}, {"categorical": ["cod"]}, "dataset.categorical names the column 'cod'"),
        ({}, {"drop": ["size", "colour", "code"]}, "has no column left to learn from"),
        ({"kind": ["yes", None] * 20}, {}, r"puts 5 rows without a class into test \(first: \[31, 33, 35, 37, 39\]"),
        ({"kind": [None] * 40}, {}, "column 'kind' is empty in all 40 rows"),
        ({"kind": np.arange(40) / 7}, {}, "holds numbers such as .* which are no classes"),
        ({"name": ["a"] * 40}, {}, "1 values of column 'name' name several rows"),
        ({"size": [np.inf] + [1.0] * 39}, {}, "has infinite numbers in 1 columns"),
        ({"kind": ["yes", "no"] * 15 + ["maybe"] * 10}, {}, r"1 classes occur in no training row \(first: \['maybe'\]"),
        ({"part": "train"}, {}, "names no row of test"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "x.csv", frame().assign(**change), **options)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_rows_without_a_class_are_in_the_pool_and_nowhere_else(suffix: str, tmp_path: Path) -> None:
    kinds = [None if row % 3 == 0 else row % 2 + 1 for row in range(40)]  # whole numbers that a gap makes fractions
    data = read(tmp_path / f"x{suffix}", frame().assign(kind=kinds), split=None, drop=["part"])
    assert data.class_names == ["1", "2"]
    known = [data.train.item_id(row) for row in np.flatnonzero(data.train.targets >= 0)]
    unknown = [data.train.item_id(row) for row in np.flatnonzero(data.train.targets < 0)]
    assert unknown == [f"row-{row}" for row in range(0, 40, 3)]
    numbers = [kinds[int(name.removeprefix("row-"))] - 1 for name in known]
    np.testing.assert_array_equal(data.train.targets[data.train.targets >= 0], numbers)
    assert (data.tests["test"].targets >= 0).all()


def test_people_label_the_rows_without_a_class(calrun: Callable[..., Any], tmp_path: Path) -> None:
    table = frame(60)
    table.assign(kind=np.where(np.arange(60) < 40, None, table["kind"])).to_csv(tmp_path / "x.csv", index=False)
    words = (
        "run", "dataset=table", f"dataset.path={tmp_path / 'x.csv'}", "dataset.label=kind", "dataset.item_id=name",
        "dataset.drop=[part]", "trainer=cpu", "trainer.max_epochs=2", "budget=counts", "budget.start=20",
        "budget.rounds=1",
    )  # fmt: skip
    assert "40 training rows have no label" in calrun(*words).err
    labels = tmp_path / "labels.csv"
    answer = calrun(*words, "oracle=label_file", f"oracle.path={labels}")
    assert answer.code == 3
    labels.write_text("".join(f"row-{row},{table['kind'][row]}\n" for row in range(40)))
    assert calrun(*words, "oracle=label_file", f"oracle.path={labels}").code == 0


def test_a_column_of_names_is_no_category(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="column 'name' has 1,990 different values in 1,990 training rows"):
        read(tmp_path / "x.csv", frame(2_000), item_id=None)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "label": "kind", "split": None, "test_fraction": 0.2, "item_id": None, "drop": [], "categorical": [],
    }  # fmt: skip
    (tmp_path / "x.parquet").write_text("nothing")
    (tmp_path / "x.csv").write_text("a,b\n")
    for name, message in (
        ("x.xlsx", r"wants to be a table that ends with \.csv, \.tsv"),
        ("y.csv", "no file .*y.csv"),
        ("x.parquet", "cannot be read as .parquet"),
        ("x.csv", "has no rows"),
    ):
        with pytest.raises(ValueError, match=message):
            load(str(tmp_path / name), **options)


def test_a_run_learns_from_a_table(calrun: Callable[..., Any], tmp_path: Path) -> None:
    read(tmp_path / "x.csv", frame(200))
    answer = calrun(
        "run", "dataset=table", f"dataset.path={tmp_path / 'x.csv'}", "dataset.label=kind", "dataset.item_id=name",
        "dataset.drop=[part]", "trainer=cpu", "trainer.max_epochs=5", "budget=counts", "budget.start=20",
        "budget.step=20", "budget.rounds=2", "method=cal_er", "trainer.cal_epochs=2",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert ",row-" in next((tmp_path / "outputs").rglob("picks.csv")).read_text()


def test_a_trained_network_reads_another_table_by_the_statistics_of_its_training_rows(
    calrun: Callable[..., Any], tmp_path: Path
) -> None:
    table = frame(200).astype({"colour": object})
    read(tmp_path / "x.csv", table)
    words = (
        "run", "dataset=table", f"dataset.path={tmp_path / 'x.csv'}", "dataset.label=kind", "dataset.item_id=name",
        "dataset.split=part", "trainer=cpu", "trainer.max_epochs=20", "budget=counts", "budget.start=60",
        "budget.rounds=1",
    )  # fmt: skip
    assert calrun(*words).code == 0
    (lines,) = (tmp_path / "outputs").rglob("rounds.jsonl")
    accuracy = json.loads(lines.read_text())["test"]["test"]["accuracy"]
    (tmp_path / "x.csv").unlink()
    table[190:].drop(columns=["kind", "part"]).to_csv(tmp_path / "new.csv", index=False)
    answer = calrun("predict", str(lines.parent), str(tmp_path / "new.csv"), "--out", str(tmp_path / "found.csv"))
    assert answer.code == 0, answer.err
    found = pd.read_csv(tmp_path / "found.csv")
    assert found.iloc[:, 0].tolist() == table["name"][190:].tolist()
    assert (found.iloc[:, 1].to_numpy() == table["kind"][190:].to_numpy()).mean() == pytest.approx(accuracy)
    table[190:].drop(columns=["size"]).to_csv(tmp_path / "new.csv", index=False)
    answer = calrun("predict", str(lines.parent), str(tmp_path / "new.csv"))
    assert answer.code == 2
    assert "names the column 'size', but" in answer.err
    table[190:].assign(size="big").to_csv(tmp_path / "new.csv", index=False)
    answer = calrun("predict", str(lines.parent), str(tmp_path / "new.csv"))
    assert answer.code == 2
    assert "column 'size' holds 'big', but numbers are wanted in it" in answer.err
