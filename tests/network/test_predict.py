"""`calrun predict`, as it is typed."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from calrun.network.predict import chunks

Run = Callable[..., Path]
Typed = Callable[..., Any]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def last_line(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "rounds.jsonl").read_text().splitlines()[-1]))


def accuracy(found: list[dict[str, str]], names: list[str]) -> float:
    return sum(line["class"] == name for line, name in zip(found, names, strict=True)) / len(names)


def test_a_row_gets_its_class_and_the_probability_of_each(
    moved: Run, calrun: Typed, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder, out = moved(), tmp_path / "new" / "p.csv"
    np.savez(tmp_path / "rows.npz", x=arrays["x_test"])
    answer = calrun("predict", str(folder), str(tmp_path / "rows.npz"), "--out", str(out))
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"{out}  30 rows, 3 classes, by the network of round 3 of {folder}\n"
    found = table(out)
    assert list(found[0]) == ["item_id", "class", "p_dark", "p_grey", "p_bright"]
    assert [line["item_id"] for line in found] == [str(row) for row in range(30)]
    for line in found:
        shares = {name: float(line[f"p_{name}"]) for name in ("dark", "grey", "bright")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=lambda name: shares[name]) == line["class"]
    names = [("dark", "grey", "bright")[target] for target in arrays["y_test"]]
    assert accuracy(found, names) == pytest.approx(last_line(folder)["test"]["test"]["accuracy"])


def test_of_several_splits_the_test_rows_are_read_or_those_that_are_named(
    moved: Run, calrun: Typed, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder, out = moved(), tmp_path / "p.csv"
    np.savez(tmp_path / "all.npz", **arrays)
    counts = {}
    for words in ((), ("--split", "train")):
        assert calrun("predict", str(folder), str(tmp_path / "all.npz"), "--out", str(out), *words).code == 0
        counts[words] = len(table(out))
    assert counts == {(): 30, ("--split", "train"): 60}
    answer = calrun("predict", str(folder), str(tmp_path / "all.npz"), "--split", "val")
    assert (answer.code, "but not x_val" in answer.err) == (2, True)


def test_the_last_committed_round_of_an_unfinished_run_is_used_and_named(
    moved: Run, calrun: Typed, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder = moved("record.keep_states=true")
    lines = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    (folder / "rounds.jsonl").write_text("".join(lines[:2]))
    np.savez(tmp_path / "rows.npz", x=arrays["x_test"])
    words = ("predict", str(folder), str(tmp_path / "rows.npz"), "--out", str(tmp_path / "p.csv"))
    answer = calrun(*words)
    assert answer.code == 0
    assert answer.err == (
        f"calrun: {folder} is not finished: round 2 of 3 is the last that is committed, and its network is used\n"
    )
    assert "by the network of round 2 of" in answer.out
    assert (calrun(*words, "--round", "1").err, calrun(*words, "--round", "3").code) == ("", 2)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (np.zeros((4, 6), np.float32), r"x has rows of shape (6,), but the network was trained on rows of shape (5,)"),
        (np.zeros((4, 5), np.uint8), "x holds bytes, but the network was trained on other numbers"),
        (np.zeros((4, 5, 3), np.float32), "x has rows of shape (1, 5, 3), but the network was trained on"),
        (np.full((4, 5), np.nan, np.float32), "NaN or infinite values in 4 of 4 rows"),
        (np.zeros((0, 5), np.float32), "has no rows; give it some"),
        (np.array(["a", "b"]), "x has shape (2,) and type <U1"),
    ],
)
def test_rows_of_another_kind_are_refused_and_nothing_is_written(
    rows: np.ndarray, wanted: str, moved: Run, refusal: Callable[..., str], tmp_path: Path
) -> None:
    np.savez(tmp_path / "rows.npz", x=rows)
    out = tmp_path / "p.csv"
    line = refusal("predict", str(moved()), str(tmp_path / "rows.npz"), "--out", str(out))
    assert wanted in line
    assert not out.exists()


def test_what_is_not_there_is_refused(moved: Run, refusal: Callable[..., str], tmp_path: Path) -> None:
    folder = moved()
    assert "no file" in refusal("predict", str(folder), str(tmp_path / "none.npz"))
    assert "is no run folder" in refusal("predict", str(tmp_path / "none"), "rows.npz")
    np.savez(tmp_path / "other.npz", y=np.zeros(3))
    assert "holds ['y'] but not x or x_test" in refusal("predict", str(folder), str(tmp_path / "other.npz"))


def test_digits_are_read_as_scikit_learn_has_them(
    play: Typed, calrun: Typed, run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    assert play("method=cal_er", "dataset.num_train=1000", "trainer.max_epochs=10").code == 0
    digits = load_digits()
    np.savez(tmp_path / "digits.npz", x=digits.images)
    out = tmp_path / "p.csv"
    assert calrun("predict", str(run_folder()), str(tmp_path / "digits.npz"), "--out", str(out)).code == 0
    found = accuracy(table(out), [str(target) for target in digits.target])
    assert found == pytest.approx(last_line(run_folder())["test"]["test"]["accuracy"], abs=0.05)
    np.savez(tmp_path / "digits.npz", x=digits.images * 2)
    answer = calrun("predict", str(run_folder()), str(tmp_path / "digits.npz"))
    assert "has values from 0 to 32; the digits have pixels from 0 to 16" in answer.err


def test_pictures_are_found_in_class_folders_or_not_and_names_are_no_formulas(
    calrun: Typed, pictures: Path, run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    words = ("dataset=image_folder", f"dataset.root={pictures}", "dataset.picture.size=16", "dataset.picture.resize=16")
    small = ("model=cnn", "trainer=cpu", "trainer.max_epochs=2", "budget=counts", "budget.start=20", "budget.rounds=1")
    assert calrun("run", *words, *small, "dataset.num_workers=0").code == 0
    out = tmp_path / "p.csv"
    assert calrun("predict", str(run_folder()), str(pictures / "test"), "--out", str(out)).code == 0
    found = table(out)
    assert [line["item_id"] for line in found[:2]] == ["bright/0.png", "bright/1.png"]
    names = [line["item_id"].partition("/")[0] for line in found]
    assert accuracy(found, names) == pytest.approx(last_line(run_folder())["test"]["test"]["accuracy"])
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.new("RGB", (20, 20), "white").save(flat / "=cmd.png")
    (flat / "notes.txt").write_text("no picture")
    answer = calrun("predict", str(run_folder()), str(flat), "--out", str(out))
    assert (answer.code, "1 files below" in answer.err) == (0, True)
    assert [line["item_id"] for line in table(out)] == ["'=cmd.png"]
    (flat / "=cmd.png").write_bytes(b"broken")
    answer = calrun("predict", str(run_folder()), str(flat), "--out", str(out))
    assert (answer.code, "1 of 1 pictures below" in answer.err) == (2, True)
    assert [line["item_id"] for line in table(out)] == ["'=cmd.png"]  # the table of before


def test_a_data_set_that_reads_only_its_own_rows_is_refused_by_name(
    own: Typed, calrun: Typed, refusal: Callable[..., str], run_folder: Callable[[], Path]
) -> None:
    source = "from calrun.dataset.digits import load as theirs\ndef load(**words): return theirs(**words)\n"
    option = (Path(__file__).parents[2] / "conf" / "dataset" / "digits.yaml").read_text()
    words = own(source, "dataset", option.replace("calrun.dataset.digits.load", "own.load"))
    assert calrun(*words).code == 0
    line = refusal("predict", str(run_folder()), "rows.npz")
    assert "dataset=own reads no rows but its own; give own a function rows(place, ...)" in line


def test_a_users_own_data_set_says_how_its_rows_are_read(
    own: Typed, calrun: Typed, run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    source = (
        "from calrun.dataset.digits import load as theirs\nfrom calrun.dataset.digits import rows\n"
        "def load(**words): return theirs(**words)\n"
    )
    option = (Path(__file__).parents[2] / "conf" / "dataset" / "digits.yaml").read_text()
    assert calrun(*own(source, "dataset", option.replace("calrun.dataset.digits.load", "own.load"))).code == 0
    np.savez(tmp_path / "digits.npz", x=load_digits().images[:5])
    out = tmp_path / "p.csv"
    assert calrun("predict", str(run_folder()), str(tmp_path / "digits.npz"), "--out", str(out)).code == 0
    assert len(table(out)) == 5


def test_chunks_hold_whole_batches_and_every_row_once() -> None:
    found = list(chunks(1000, 3))
    assert [len(rows) for rows in found] == [384, 384, 232]
    np.testing.assert_array_equal(np.concatenate(found), np.arange(1000))
