"""`calrun select`, as it is typed."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Path]
Typed = Callable[..., Any]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("acquisition", ["entropy", "badge", "random"])
def test_the_unlabelled_rows_of_a_run_give_its_own_next_choice(
    acquisition: str, played: Run, calrun: Typed, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder = played(f"acquisition={acquisition}", "record.keep_states=true")
    bought = table(folder / "picks.csv")
    first = [int(line["row"]) for line in bought if line["round"] == "1"]
    left = np.setdiff1d(np.arange(60), first)
    np.savez(tmp_path / "pool.npz", x=arrays["x_train"][left])
    out = tmp_path / "q.csv"
    chosen = ("--acquisition", acquisition, "--budget", "6", "--round", "1", "--out", str(out))
    answer = calrun("select", str(folder), str(tmp_path / "pool.npz"), *chosen)
    assert answer.code == 0, answer.err
    assert answer.out == (
        f"{out}  6 of 48 rows, by acquisition={acquisition} with the network of round 1 of {folder}\n"
    )
    found = table(out)
    assert list(found[0]) == ["order", "row", "item_id"]
    assert [line["order"] for line in found] == list("012345")
    wanted = [int(line["row"]) for line in bought if line["round"] == "2"]
    assert left[[int(line["row"]) for line in found]].tolist() == wanted


@pytest.mark.parametrize("words", [(), ("row_transform=open_set", "row_transform.classes=[bright]")])
def test_labelled_columns_are_the_runs_own_rows(
    words: tuple[str, ...],
    played: Run,
    calrun: Typed,
    arrays: dict[str, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", **arrays)
    folder = played("acquisition=coreset", "record.keep_states=true", "dataset.path=mine.npz", *words)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # the data is where the run found it, but the path no longer leads there
    bought = table(folder / "picks.csv")
    first = [int(line["row"]) for line in bought if line["round"] == "1"]
    left = np.setdiff1d(np.arange(60), first)
    np.savez(tmp_path / "pool.npz", x=arrays["x_train"][left])
    out = tmp_path / "q.csv"
    chosen = ("--acquisition", "coreset", "--budget", "6", "--round", "1", "--out", str(out))
    answer = calrun("select", str(folder), str(tmp_path / "pool.npz"), *chosen)
    assert answer.code == 0, answer.err
    wanted = [int(line["row"]) for line in bought if line["round"] == "2"]
    assert left[[int(line["row"]) for line in table(out)]].tolist() == wanted


def test_a_moved_folder_ranks_a_whole_pool_and_options_of_the_acquisition_follow(
    moved: Run, calrun: Typed, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder, out = moved(), tmp_path / "q.csv"
    before = sorted(folder.rglob("*"))
    np.savez(tmp_path / "pool.npz", **arrays)
    words = ("select", str(folder), str(tmp_path / "pool.npz"), "--acquisition", "badge", "--out", str(out))
    assert calrun(*words, "--budget", "60").code == 0
    assert sorted(int(line["row"]) for line in table(out)) == list(range(60))  # x_train
    plain = [line["row"] for line in table(out)]
    assert calrun(*words, "--budget", "60").code == 0
    assert [line["row"] for line in table(out)] == plain
    assert calrun(*words, "--budget", "60", "--", "acquisition.first=uniform", "acquisition.bias=true").code == 0
    assert [line["row"] for line in table(out)] != plain
    assert sorted(folder.rglob("*")) == before


def test_an_acquisition_with_parts_looks_through_those_that_its_run_has_trained(
    calrun: Typed, archive: Path, arrays: dict[str, np.ndarray], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    toy = Path(__file__).parents[1] / "extension" / "learning_loss"
    shutil.copytree(toy, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    conf = ("--config-dir", str(tmp_path / "conf"))
    words = ("dataset=npz", f"dataset.path={archive}", "trainer=cpu", "trainer.max_epochs=2", "record.keep_states=true")
    budget = ("budget=counts", "budget.start=12", "budget.step=6", "budget.rounds=2")
    answer = calrun("run", *conf, *words, *budget, "acquisition=highest_loss")
    assert answer.code == 0, answer.err
    bought = table(run_folder() / "picks.csv")
    first = [int(line["row"]) for line in bought if line["round"] == "1"]
    left = np.setdiff1d(np.arange(60), first)
    np.savez(tmp_path / "pool.npz", x=arrays["x_train"][left])
    out = tmp_path / "q.csv"
    chosen = ("--budget", "6", "--round", "1", "--out", str(out), *conf)
    answer = calrun("select", str(run_folder()), str(tmp_path / "pool.npz"), "--acquisition", "highest_loss", *chosen)
    assert answer.code == 0, answer.err
    wanted = [int(line["row"]) for line in bought if line["round"] == "2"]
    assert left[[int(line["row"]) for line in table(out)]].tolist() == wanted
    answer = calrun("select", str(run_folder()), str(tmp_path / "pool.npz"), "--acquisition", "entropy", *chosen)
    assert answer.code == 0, answer.err


def test_what_cannot_be_chosen_is_refused_in_one_sentence(
    moved: Run, refusal: Callable[..., str], arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder, out = moved(), tmp_path / "q.csv"
    np.savez(tmp_path / "pool.npz", x=arrays["x_train"])
    np.savez(tmp_path / "wide.npz", x=np.zeros((4, 9), np.float32))

    def refused(acquisition: str, *more: str, budget: int = 5, data: str = "pool.npz") -> str:
        words = ("--acquisition", acquisition, "--budget", str(budget), "--out", str(out), *more)
        return refusal("select", str(folder), str(tmp_path / data), *words)

    assert "--budget wants 1 to 60, the rows of" in refused("entropy", budget=61)
    assert "--budget wants 1 to 60" in refused("entropy", budget=0)
    assert "acquisition=entropi is no option, the nearest is entropy" in refused("entropi")
    assert "acquisition.bananas is no option" in refused("badge", "--", "+acquisition.bananas=1")
    assert "acquisition.first wants 'argmax_norm' or 'uniform', got 3" in refused("badge", "--", "acquisition.first=3")
    assert "takes acquisition.KEY=VALUE, got 'seed=3'" in refused("badge", "--", "seed=3")
    assert "wants a network with dropout" in refused("bald")
    assert "looks at the labels of all rows, which nobody has given" in refused("balanced_random")
    assert "(9,), but the network was trained on rows of shape (5,)" in refused("entropy", data="wide.npz")
    line = refused("coreset")
    assert (
        "acquisition=coreset looks at the run's own rows (labelled_features), which cannot be had here (no file" in line
    )
    assert "lies in a run folder" in refused("entropy", "--out", str(folder / "picks.csv"))
    assert "is DATA itself" in refused("entropy", "--out", str(tmp_path / "pool.npz"))
    assert not out.exists()


def test_data_that_has_changed_since_is_not_taken_for_the_runs_own(
    played: Run, refusal: Callable[..., str], arrays: dict[str, np.ndarray], archive: Path, tmp_path: Path
) -> None:
    folder = played()
    np.savez(archive, **(arrays | {"x_train": arrays["x_train"] + 1}))
    np.savez(tmp_path / "pool.npz", x=arrays["x_train"])
    words = ("--acquisition", "coreset", "--budget", "5", "--out", str(tmp_path / "q.csv"))
    line = refusal("select", str(folder), str(tmp_path / "pool.npz"), *words)
    assert "which cannot be had here (the data has changed: fingerprint" in line
