"""Texts of a table: by characters and by word pieces, refused in one sentence where something is wrong, and played."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from calrun.dataset.base import Dataset
from calrun.dataset.text_table import load

WORDS = {"good": ("fine", "great", "lovely"), "bad": ("awful", "dull", "poor")}


def frame(num_rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kinds = np.where(np.arange(num_rows) % 2, "good", "bad")
    texts = [f"row {row}: {' '.join(rng.choice(WORDS[kind], 3))}" for row, kind in enumerate(kinds)]
    return pd.DataFrame({"name": [f"r{row}" for row in range(num_rows)], "review": texts, "stars": kinds})


def read(path: Path, table: pd.DataFrame | None = None, written: bool = False, **options: Any) -> Dataset:
    if not written:
        (frame() if table is None else table).to_csv(path, index=False)
    defaults: dict[str, Any] = {
        "text": "review", "label": "stars", "split": None, "test_fraction": 0.2, "item_id": "name",
        "duplicates": "refuse", "quotes": True, "tokenizer": "characters", "max_length": 40, "pad_to": None,
        "length_buckets": None,
    }  # fmt: skip
    return load(str(path), **(defaults | options))


def test_rows_are_padded_to_the_longest_of_their_batch(tmp_path: Path) -> None:
    data = read(tmp_path / "x.csv")
    assert (len(data.train), len(data.tests["test"]), data.class_names) == (48, 12, ["bad", "good"])
    ((rows, x),) = data.train.batches(np.arange(4), 9)
    lengths = [len(frame()["review"][int(data.train.item_id(int(row)).removeprefix("r"))]) for row in rows]
    assert x.shape == (4, max(lengths))
    assert (x > 0).sum(1).tolist() == lengths
    ((_, fixed),) = read(tmp_path / "x.csv", pad_to=40).train.batches(np.arange(4), 9)
    assert fixed.shape == (4, 40)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"text": "text"}, "the column 'text', but .* has: name, review, stars"),
        ({}, {"label": "kind"}, "the column 'kind', but"),
        ({"review": [" "] * 60}, {}, "empty"),
        ({"review": ["same"] * 60}, {}, "has 59 texts that stand there before"),
        ({"stars": [""] * 60}, {}, "column 'stars' is empty in all 60 rows"),
        ({"name": ["a"] * 60}, {}, "1 values of column 'name' name several rows"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "x.csv", frame().assign(**change), **options)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_later_start_reads_no_row_again(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / f"x{ending}"
    write = {".csv": frame().to_csv, ".jsonl": lambda at, index: frame().to_json(at, orient="records", lines=True)}
    write.get(ending, frame().to_parquet)(path, index=False)
    first = read(path, written=True)
    monkeypatch.setattr("calrun.dataset.text_table.parts_of", None)
    again = read(path, written=True)
    assert again.train.checksum(0) == first.train.checksum(0)
    assert again.train.targets.tolist() == first.train.targets.tolist()
    assert [again.train.item_id(row) for row in range(3)] == [first.train.item_id(row) for row in range(3)]


def test_texts_without_a_class_are_in_the_pool(tmp_path: Path) -> None:
    data = read(tmp_path / "x.csv", frame().assign(stars=["good", "", "bad"] * 20))
    assert data.class_names == ["bad", "good"]
    unknown = [data.train.item_id(row) for row in np.flatnonzero(data.train.targets < 0)]
    assert unknown == [f"r{row}" for row in range(1, 60, 3)]
    assert (data.tests["test"].targets >= 0).all()


def test_equal_texts_are_dropped_where_that_is_asked(tmp_path: Path) -> None:
    table = pd.concat([frame(), frame().assign(name=[f"s{row}" for row in range(60)])])
    data = read(tmp_path / "x.csv", table, duplicates="drop")
    assert len(data.train) + len(data.tests["test"]) == 60


def test_a_run_on_characters_is_resumed_and_predicts(calrun: Callable[..., Any], tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "x.csv", index=False)
    words = (
        "run", "dataset=text_table", f"dataset.path={tmp_path / 'x.csv'}", "dataset.text=review",
        "dataset.label=stars", "dataset.item_id=name", "model=vdcnn9", "dataset.max_length=64", "dataset.pad_to=64",
        "trainer=cpu", "trainer.max_epochs=1", "trainer.cal_epochs=1", "trainer.batch_size=8", "budget=counts",
        "budget.start=8", "budget.step=8", "method=cal_der", "acquisition=margin",
    )  # fmt: skip
    for rounds in (1, 2):
        answer = calrun(*words, f"budget.rounds={rounds}")
        assert answer.code == 0, answer.err
    (lines,) = (tmp_path / "outputs").rglob("rounds.jsonl")
    assert len(lines.read_text().splitlines()) == 2
    frame(70)[60:].drop(columns="stars").to_csv(tmp_path / "new.csv", index=False)
    answer = calrun("predict", str(lines.parent), str(tmp_path / "new.csv"), "--out", str(tmp_path / "found.csv"))
    assert answer.code == 0, answer.err
    assert pd.read_csv(tmp_path / "found.csv").iloc[:, 0].tolist() == [f"r{row}" for row in range(60, 70)]
    choice = ("--acquisition", "deepfool", "--budget", "2", "--out", str(tmp_path / "picks.csv"))
    for refused in (
        calrun(*words, "budget.rounds=2", "acquisition=deepfool"),
        calrun("select", str(lines.parent), str(tmp_path / "new.csv"), *choice),
    ):
        assert refused.code == 2
        assert "deepfool moves inputs by small steps, but tokens have none" in refused.err
