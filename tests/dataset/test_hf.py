"""Data sets of Hugging Face's library: each kind of folder, class names, splits, runs, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from calrun.dataset.base import Dataset
from calrun.dataset.hf import load
from calrun.dataset.text.tokens import Characters

FEATURES = datasets.Features(
    {
        "title": datasets.Value("string"),
        "text": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["poor", "fine"]),
        "kind": datasets.Value("string"),
        "picture": datasets.Image(),
    }
)


def split(count: int, first: int = 0, **changes: Any) -> Any:
    rows = range(first, first + count)
    columns = {
        "title": [None if row % 3 else f"t{row}" for row in rows],
        "text": [f"row {row} is {'fine' if row % 2 else 'poor'}" for row in rows],
        "label": [row % 2 for row in rows],
        "kind": ["b" if row % 2 else "a" for row in rows],
        "picture": [None] * count,
    }
    return datasets.Dataset.from_dict(columns | changes, features=FEATURES)


def both(**changes: Any) -> Any:
    return datasets.DatasetDict({"train": split(40), "test": split(10, 40, **changes)})


@pytest.fixture(autouse=True)
def alone(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, no earlier cache, no bars, in a folder of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def loaded(path: Path | str, **more: Any) -> Dataset:
    given: dict[str, Any] = {
        "config": None, "revision": None, "text": "text", "label": "label", "train_split": "train",
        "test_split": "test", "val_split": None, "test_fraction": 0.2, "tokenizer": "characters", "max_length": 40,
        "pad_to": None, "length_buckets": None,
    }  # fmt: skip
    return load(str(path), **(given | more))


def tokens(data: Dataset, row: int) -> list[int]:
    ((_, x),) = data.train.batches(np.array([row]), 1)
    return [int(token) for token in x[0]]


def save(kind: str, folder: Path) -> Path:
    """Writes both splits as files of a kind."""
    folder.mkdir()
    for name, part in both().items():
        part = part.remove_columns(["picture"])
        {"csv": part.to_csv, "parquet": part.to_parquet, "jsonl": part.to_json}[kind](str(folder / f"{name}.{kind}"))
    return folder


def test_a_saved_data_set_has_the_names_and_the_order_of_its_class_label(tmp_path: Path) -> None:
    both().save_to_disk(str(tmp_path / "saved"))
    data = loaded(tmp_path / "saved")
    assert (len(data.train), len(data.tests["test"]), data.class_names) == (40, 10, ["poor", "fine"])
    assert tokens(data, 3) == Characters(40).encode(["row 3 is fine"])[0].tolist()
    assert data.tests["test"].targets.tolist() == [0, 1] * 5
    several = loaded(tmp_path / "saved", text=["title", "text"])
    assert tokens(several, 3) == Characters(40).encode(["t3 row 3 is fine"])[0].tolist()
    assert tokens(several, 4) == Characters(40).encode(["row 4 is poor"])[0].tolist()


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_folder_of_files_has_the_splits_that_they_are_named_for(kind: str, tmp_path: Path) -> None:
    data = loaded(save(kind, tmp_path / "files"), label="kind")
    assert (len(data.train), len(data.tests["test"]), data.class_names) == (40, 10, ["a", "b"])
    assert data.train.targets.tolist() == [0, 1] * 20
    assert tokens(data, 3) == Characters(40).encode(["row 3 is fine"])[0].tolist()


def test_a_test_set_is_drawn_where_there_is_none(tmp_path: Path) -> None:
    split(40).save_to_disk(str(tmp_path / "one"))
    data = loaded(tmp_path / "one", test_split=None)
    assert (len(data.train), len(data.tests["test"])) == (32, 8)
    ids = [source.item_id(row) for source in (data.train, data.tests["test"]) for row in range(len(source))]
    assert sorted(map(int, ids)) == [*range(40)]


def test_a_run_validates_on_its_own_split_and_predicts(
    calrun: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path, tiny_bert: Path
) -> None:
    whole = both()
    whole["validation"] = split(10, 60)
    whole.save_to_disk(str(tmp_path / "saved"))
    words = (
        "dataset=hf", f"dataset.path={tmp_path / 'saved'}", "dataset.text=text", "dataset.label=label",
        "dataset.val_split=validation", f"model.path={tiny_bert}", "dataset.max_length=30", "method=cal_er",
        "trainer=cpu", "trainer.max_epochs=1", "trainer.cal_epochs=1", "trainer.batch_size=4", "budget=counts",
        "budget.start=8", "budget.step=8", "budget.rounds=2",
    )  # fmt: skip
    answer = calrun("run", *words)
    assert answer.code == 0, answer.err
    answer = calrun("predict", str(run_folder()), str(tmp_path / "saved"), "--split", "val", "--out", "found.csv")
    assert answer.code == 0, answer.err
    found = pd.read_csv("found.csv")
    assert (len(found), [*found.columns]) == (10, ["item_id", "class", "p_poor", "p_fine"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text": "texts"}, "dataset.text names the column 'texts', but .* has: title, text, label, kind, picture"),
        ({"label": "class"}, "dataset.label names the column 'class', but"),
        ({"text": "picture"}, r"column 'picture' of .*, which holds Image .* use dataset=image_folder"),
        ({"text": "label"}, r"column 'label' of .*, which holds ClassLabel \(int64\) and no texts"),
        ({"text": []}, "dataset.text names no column"),
        ({"test_split": "validation"}, "dataset.test_split names the split 'validation', but .* has: train, test"),
        ({"text": "title"}, "split train: 26 of 40 texts are empty"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    both().save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match=said):
        loaded(tmp_path / "saved", **options)


def test_rows_without_labels_are_refused(tmp_path: Path) -> None:
    both(label=[-1] * 10).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match=r"test split: 10 of 10 rows have no label \(-1 or none; first: \[0, 1"):
        loaded(tmp_path / "saved")


def test_a_class_of_the_test_set_alone_is_refused(tmp_path: Path) -> None:
    both(kind=["c"] * 10).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match=r"1 classes occur in no training row \(first: \['c'\]\)"):
        loaded(tmp_path / "saved", label="kind")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody/nothing", "cannot be loaded .* without a network it must be in the cache of datasets already"),
        ("./nothing", "dataset.path=./nothing is no folder"),
        ("a/b/c", "is no folder"),
    ],
)
def test_what_is_neither_a_folder_nor_known_is_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        loaded(name)
    assert "\n" not in str(refused.value)


def test_a_folder_without_data_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "train.parquet").write_text("no parquet")
    for name in ("empty", "damaged"):
        with pytest.raises(ValueError, match=f"dataset.path=.*{name} cannot be loaded .*give a folder") as refused:
            loaded(tmp_path / name)
        assert "\n" not in str(refused.value)
