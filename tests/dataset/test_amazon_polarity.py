"""Amazon polarity: the published format, one draw for all seeds, what is read again, and files that are none of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv
import pytest

from calrun.dataset.amazon_polarity import load
from calrun.dataset.base import Dataset
from calrun.dataset.text.tokens import Characters

GOOD, BAD = "great great value", "awful, dull and poor"


def line(number: int) -> str:
    """A row as Zhang et al. write it: doubled quotation marks, and a backslash and an n for a line break."""
    return f'"{number % 2 + 1}","title {number}","{GOOD if number % 2 else BAD}: a ""{number}"" \\n end"\n'


@pytest.fixture
def folder(tmp_path: Path, empty_cache: Path) -> Path:
    """60 training reviews and 20 test reviews."""
    place = tmp_path / "amazon_review_polarity_csv"
    place.mkdir()
    for file, count in (("train.csv", 60), ("test.csv", 20)):
        (place / file).write_text("".join(map(line, range(count))))
    return place


def loaded(root: Path, seed: int = 0, **more: Any) -> Dataset:
    given = {
        "num_train": 40,
        "split_seed": 42,
        "tokenizer": "characters",
        "max_length": 64,
        "pad_to": None,
        "length_buckets": None,
    } | more
    return load(str(root), seed=seed, **given)


def pool(data: Dataset) -> list[str]:
    return [data.train.item_id(row) for row in range(len(data.train))]


def test_a_text_is_title_space_and_review_as_they_stand_in_the_file(folder: Path) -> None:
    data = loaded(folder)
    ((_, x),) = data.tests["test"].batches(np.array([3]), 1)
    expected, _ = Characters(64).encode([f'title 3 {GOOD}: a "3" \\n end'])
    assert x[0].tolist() == expected.tolist()
    assert data.tests["test"].targets.tolist() == [0, 1] * 10
    assert (data.class_names, data.vocabulary) == (["negative", "positive"], 69)


def test_the_pool_is_the_same_for_every_seed_unless_the_seed_is_to_draw_it(folder: Path) -> None:
    assert pool(loaded(folder, 0)) == pool(loaded(folder, 1))
    assert pool(loaded(folder, 0, split_seed=None)) != pool(loaded(folder, 1, split_seed=None))
    assert len(set(pool(loaded(folder)))) == 40
    assert pool(loaded(folder, num_train=60)) == [str(row) for row in range(60)]


def test_another_draw_reads_no_file_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = loaded(folder)
    monkeypatch.setattr(pyarrow.csv, "open_csv", None)
    assert loaded(folder).train.checksum(0) == first.train.checksum(0)
    assert len(loaded(folder, num_train=30).train) == 30


def test_a_run_as_a_user_types_it(calrun: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    words = (
        "dataset=amazon_polarity", f"paths.data={folder.parent}", "dataset.num_train=40", "model.length=64",
        "method=cal_sds2", "acquisition=entropy", "trainer=cpu", "trainer.max_epochs=1", "trainer.cal_epochs=1",
        "budget.start=8", "budget.step=8", "budget.rounds=2",
    )  # fmt: skip
    answer = calrun("run", *words)
    assert answer.code == 0, answer.err
    (lines,) = (tmp_path / "outputs").rglob("rounds.jsonl")
    answer = calrun("predict", str(lines.parent), str(folder / "test.csv"), "--out", str(tmp_path / "found.csv"))
    assert answer.code == 0, answer.err
    assert [*pd.read_csv(tmp_path / "found.csv").columns][-2:] == ["p_negative", "p_positive"]
    for acquisition in ("margin", "coreset"):  # the second looks at the run's own rows too
        wanted = ("--acquisition", acquisition, "--budget", "3", "--out", str(tmp_path / f"{acquisition}.csv"))
        answer = calrun("select", str(lines.parent), str(folder / "test.csv"), *wanted)
        assert answer.code == 0, answer.err
        assert len(pd.read_csv(tmp_path / f"{acquisition}.csv")) == 3


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('"class","title","review"\n' + line(1), r"but rows \[0\] \(counted from 0\) have \['class'\]"),
        (line(1) * 3 + '"5","a","b"\n', r"but rows \[3\] \(counted from 0\) have \['5'\]"),
        (line(1) + '"1","only two"\n', "cannot be read as .csv .*Expected 3 columns, got 2"),
        (line(1) + line(0)[:-12], "in place of a quotation mark and a line break: it is cut off"),
        ("", "cannot be read as .csv .*Empty"),
        (line(1) + '"1",""," "\n', "1 of 2 texts are empty .first: rows .1."),
    ],
)
def test_files_of_another_kind_are_refused(folder: Path, written: str, said: str) -> None:
    (folder / "train.csv").write_text(written)
    with pytest.raises(ValueError, match=said) as refused:
        loaded(folder)
    assert "\n" not in str(refused.value)


def test_too_few_reviews_and_a_missing_file_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"num_train wants 1 to 60 of the 60 reviews .* got 2,000,000"):
        loaded(folder, num_train=2_000_000)
    with pytest.raises(ValueError, match="1 classes occur in no training row"):
        loaded(folder, num_train=1)
    (folder / "test.csv").unlink()
    with pytest.raises(ValueError, match=r"has no test\.csv; unpack amazon_review_polarity_csv\.tgz"):
        loaded(folder)
