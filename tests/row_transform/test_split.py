"""Own splits by files of items: of every kind of data set, and refused in one sentence."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from calrun.dataset import image_folder, npz, table
from calrun.dataset.base import Dataset
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.subset import Subset
from calrun.dataset.source.transform import Transform
from calrun.row_transform.base import Chain
from calrun.row_transform.split import Split

Typed = Callable[..., Any]
COUNTS = ("trainer=cpu", "trainer.max_epochs=1", "budget=counts", "budget.start=10", "budget.step=5", "budget.rounds=2")


@pytest.fixture
def arrays(tmp_path: Path) -> Dataset:
    """30 training rows and 10 test rows, each x its own number."""
    x = np.arange(40.0)[:, None]
    y = np.arange(40) % 2
    np.savez(tmp_path / "x.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    return npz.load(str(tmp_path / "x.npz"), Transform(None, None), None, "last", None)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Writes items into a file, one a line; returns its place."""

    def written(name: str, items: Any) -> str:
        (tmp_path / name).write_text("".join(f"{item}\n" for item in items))
        return str(tmp_path / name)

    return written


def values(data: Dataset, split: str = "train") -> list[int]:
    source = data.train if split == "train" else data.val if split == "val" else data.tests[split]
    assert source is not None
    ((_, x),) = source.batches(np.arange(len(source)), 1_000)
    train = torch.as_tensor(data.train.measured()["transform"]["mean"]), data.train.measured()["transform"]["std"]
    return [round(value) for value in (x[:, 0] * train[1][0] + train[0][0]).tolist()]


def test_items_are_counted_through_the_splits_and_stand_in_their_order(arrays: Dataset, file: Typed) -> None:
    split = Split(file("a.txt", [35, 3, 1, 2, 0]), file("b.txt", [7, 38]), file("c.txt", range(10, 20)))
    data = split.apply(arrays)
    assert values(data) == [0, 1, 2, 3, 35]
    assert values(data, "val") == [7, 38]
    assert values(data, "test") == [*range(10, 20)]
    assert data.train.targets.tolist() == [0, 1, 0, 1, 1]
    assert [data.train.item_id(row) for row in range(5)] == ["0", "1", "2", "3", "35"]


def test_mean_and_std_are_those_of_the_new_training_rows(arrays: Dataset, file: Typed) -> None:
    data = Split(file("a.txt", [0, 1, 2, 3]), None, None).apply(arrays)
    ((_, x),) = data.train.batches(np.arange(4), 9)
    assert x.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert data.train.measured()["transform"]["mean"] == [1.5]
    assert values(data, "test") == [*range(30, 40)]  # its own, normalised as training rows are


def test_without_a_file_for_train_the_others_leave_it_the_rest(arrays: Dataset, file: Typed) -> None:
    data = Split(None, None, file("c.txt", range(5))).apply(arrays)
    assert values(data) == [*range(5, 40)]
    assert values(data, "test") == [*range(5)]
    again = Chain([Split(None, None, file("c.txt", range(5))), Split(file("d.txt", range(5, 9)), None, None)])
    assert values(again.apply(arrays)) == [*range(5, 9)]


def test_unlabelled_items_may_be_in_train_alone(file: Typed, tmp_path: Path) -> None:
    y = np.arange(40) % 2
    y[:5] = -1
    x = np.random.default_rng(0).random((40, 2))
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[5:9])
    data = npz.load(str(tmp_path / "x.npz"), Transform(None, None), 2, "last", None)
    assert (Split(file("a.txt", range(20)), None, None).apply(data).train.targets == -1).sum() == 5
    with pytest.raises(ValueError, match=r"test_file names 2 items that have no label \(first: \['3', '4'\]\)"):
        Split(None, None, file("b.txt", range(3, 9))).apply(data)


def test_columns_of_a_table_are_fitted_on_the_new_training_rows(file: Typed, tmp_path: Path) -> None:
    colours = ["red", "blue"] * 10 + ["green"] * 20
    frame = pd.DataFrame({"size": np.arange(40.0), "colour": colours, "kind": ["no", "yes", "no", "no"] * 10})
    frame.to_csv(tmp_path / "x.csv", index=False)
    data = table.load(str(tmp_path / "x.csv"), "kind", None, 0.2, None, [], [])
    new = Split(file("a.txt", range(20)), None, file("b.txt", range(20, 40))).apply(data)
    assert (data.input_shape, new.input_shape) == ((4,), (3,))  # nothing green is in train
    ((_, x),) = new.train.batches(np.arange(20), 99)
    size = np.array([int(new.train.item_id(row)) for row in range(20)])
    np.testing.assert_allclose(x[:, 0], (size - 9.5) / np.arange(20).std(), rtol=1e-5)
    assert {new.tests["test"].item_id(row) for row in range(20)} == {*map(str, range(20, 40))}
    few = [new.train.item_id(row) for row in range(9)]
    fewer = Split(file("b.txt", few), None, None).apply(new)  # its own test set has its columns too
    ((_, x),), ((_, test),) = (source.batches(np.arange(9), 99) for source in (fewer.train, fewer.tests["test"]))
    assert x.shape[1:] == test.shape[1:] == fewer.input_shape
    assert x[:, 0].mean().abs() < 1e-6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "row_transform=split wants a file"),
        ({"train": [0, 1, 99, "x"]}, r"names 2 of 4 items .* data set's 40 \(first: \['99', 'x'\]\).*called 0, 1, 2"),
        ({"train": [0, 35]}, r"1 items stand in two splits .* and in the data set's own test set, which has no file"),
        ({"train": [0, 1, 1]}, r"names 1 items several times \(first: \['1'\]\); name each once"),
        ({"train": [0, 1, 2], "test": [2, 3]}, r"1 items stand in two splits \(first: \['2'\], in .*train.txt and in"),
        ({"train": []}, "train.txt names no item"),
        ({"test": range(40)}, "leave no item to train on"),
        ({"train": [0, 2, 4]}, "declares 2 classes, but 1 of them have no training row"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, Any], message: str, arrays: Dataset, file: Typed) -> None:
    files = {f"{split}_file": file(f"{split}.txt", items) for split, items in given.items()}
    with pytest.raises(ValueError, match=message):
        Split(**({"train_file": None, "val_file": None, "test_file": None} | files)).apply(arrays)


def test_names_that_stand_for_several_items_are_refused(file: Typed, tmp_path: Path, arrays: Dataset) -> None:
    arrays.train.item_ids = [*map(str, range(1, 31))]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="9 item ids stand for several items"):
        Split(None, None, file("a.txt", [1])).apply(arrays)


def test_an_archive_without_a_test_set_has_one_by_a_file(
    calrun: Typed, refusal: Typed, file: Typed, tmp_path: Path
) -> None:
    x = np.arange(80.0)[:, None]
    np.savez(tmp_path / "x.npz", x_train=x, y_train=np.arange(80) % 2)
    words = ("run", "dataset=npz", f"dataset.path={tmp_path / 'x.npz'}", *COUNTS)
    assert "the data set has no test set; give it one (x_test and y_test" in refusal(*words)
    train = f"row_transform.train_file={file('a.txt', range(50))}"
    assert "has no test set" in refusal(*words, "row_transform=split", train)
    test = f"row_transform.test_file={file('b.txt', range(50, 80))}"
    answer = calrun(*words, "row_transform=split", train, test)
    assert answer.code == 0, answer.err
    assert picks(tmp_path / "outputs") <= {*map(str, range(50))}


def test_a_folder_without_a_test_set_has_one_by_a_file(file: Typed, pictures: Path) -> None:
    (pictures / "test").rename(pictures / "later")
    picture, transform = Picture(8, 8, 1.0, False), Transform([0.0] * 3, [1.0] * 3)
    data = image_folder.load(str(pictures), picture, transform, 0, "off")
    assert data.tests == {}
    named = [f"train/{kind}/{row}.png" for kind in ("bright", "dark") for row in range(5)]
    new = Split(None, None, file("t.txt", named)).apply(data)
    assert (len(new.train), len(new.tests["test"])) == (50, 10)
    assert new.train.item_id(0) not in named


def picks(outputs: Path) -> set[str]:
    found = [pd.read_csv(path, dtype=str)["item_id"] for path in outputs.rglob("picks.csv")]
    return set(pd.concat(found))


def test_a_run_on_a_table_buys_what_its_file_names(calrun: Typed, refusal: Typed, file: Typed, tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": [f"n{row}" for row in range(60)], "x": np.arange(60), "kind": ["a", "b"] * 30})
    frame.to_csv(tmp_path / "x.csv", index=False)
    words = (
        "run", "dataset=table", f"dataset.path={tmp_path / 'x.csv'}", "dataset.label=kind", "dataset.item_id=name",
        *COUNTS, "row_transform=split",
    )  # fmt: skip
    train = file("train.txt", [f"n{row}" for row in range(40, 60)])
    test = file("test.csv", ["item_id", *(f"n{row}" for row in range(12))])
    files = (f"row_transform.train_file={train}", f"row_transform.test_file={test}")
    answer = calrun(*words, *files)
    assert answer.code == 0, answer.err
    assert picks(tmp_path / "outputs") <= {f"n{row}" for row in range(40, 60)}
    assert "  finished  " in calrun(*words, *files).out
    file("test.csv", ["item_id", *(f"n{row}" for row in range(14))])
    assert " round " in calrun(*words, *files).out  # other content is another run
    assert len([*(tmp_path / "outputs").rglob("rounds.jsonl")]) == 2
    assert "names no item" in refusal(*words, f"row_transform.test_file={file('none.txt', [])}")
    assert "wants a file" in refusal(*words)
    assert "nowhere.txt cannot be read" in refusal(*words, f"row_transform.test_file={tmp_path}/nowhere.txt")
    assert "wants a file that ends with .txt" in refusal(*words, "row_transform.test_file=x.xlsx")


def test_a_run_on_texts_and_one_on_pictures(calrun: Typed, file: Typed, tmp_path: Path, pictures: Path) -> None:
    texts = pd.DataFrame({"text": [f"text {row} {'ab'[row % 2] * 9}" for row in range(60)], "kind": ["a", "b"] * 30})
    texts.to_csv(tmp_path / "x.csv", index=False)
    rows = np.arange(20, 50)
    np.save(tmp_path / "train.npy", rows)
    given = (f"row_transform.train_file={tmp_path}/train.npy", f"row_transform.val_file={file('val.txt', range(9))}")
    answer = calrun(
        "run", "dataset=text_table", f"dataset.path={tmp_path / 'x.csv'}", "dataset.text=text", "dataset.label=kind",
        "model=vdcnn9", "dataset.max_length=32", "dataset.pad_to=32", *COUNTS, "row_transform=split",
        f"row_transform.test_file={file('test.txt', range(9, 20))}", *given,
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert picks(tmp_path / "outputs") <= {*map(str, rows)}
    kinds = [f"{split}/{kind}" for split in ("train", "test") for kind in ("bright", "dark")]
    named = [f"{kind}/{row}.png" for kind in kinds for row in range(9)]
    answer = calrun(
        "run", "dataset=image_folder", f"dataset.root={pictures}", "dataset.picture.size=8", "dataset.num_workers=0",
        "dataset.picture.resize=8", "model=cnn", "model.width=2", *COUNTS, "row_transform=split",
        f"row_transform.train_file={file('p.txt', named)}", "experiment_name=pictures",
        f"row_transform.test_file={file('t.txt', ['test/dark/9.png', 'train/bright/29.png'])}",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert picks(tmp_path / "outputs/pictures") <= set(named)
    (lines,) = (tmp_path / "outputs/pictures").rglob("rounds.jsonl")
    first = json.loads(lines.read_text().splitlines()[0])
    assert first["labelled_fraction"] == pytest.approx(10 / 36)
    assert first["test"]["test"]["accuracy"] in (0, 0.5, 1)


def test_splits_that_are_kept_in_different_ways_are_refused(arrays: Dataset, file: Typed) -> None:
    mixed = replace(arrays, train=Subset(arrays.train, np.arange(len(arrays.train))))
    with pytest.raises(ValueError, match="wants splits that are kept alike, but this data set has Resident, Subset"):
        Split(None, None, str(file("test.txt", ["0", "1"]))).apply(mixed)
