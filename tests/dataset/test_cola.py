"""CoLA: the split by the run's seed, the authors' files to the letter, runs that are killed, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.dataset.base import Dataset
from calrun.dataset.cola import FILES, load, read

REAL = Path(__file__).parents[3] / "shared" / "data" / "cola_public"
GOOD, BAD = "a very good cat.", "bad a very cat."


@pytest.fixture
def folder(tmp_path: Path, empty_cache: Path) -> Path:
    """60 training sentences and 8 of each other file; quotation marks stand alone, as in the real files."""
    (tmp_path / "raw").mkdir()
    for file, count in zip(FILES.values(), (60, 8, 8), strict=True):
        texts = [f'"{"x" * (n % 7)} {GOOD if n % 2 else BAD}' for n in range(count)]
        lines = [f"gj04\t{n % 2}\t{'' if n % 2 else '*'}\t{text}" for n, text in enumerate(texts)]
        (tmp_path / "raw" / file).write_text("\n".join(lines) + "\n")
    return tmp_path


def loaded(root: Path, seed: int = 0, **more: Any) -> Dataset:
    given = {
        "num_train": 40,
        "split_seed": None,
        "tokenizer": "characters",
        "max_length": 30,
        "pad_to": None,
        "length_buckets": None,
    } | more
    return load(str(root), seed=seed, **given)


def pool(data: Dataset) -> list[str]:
    return [data.train.item_id(row) for row in range(len(data.train))]


def test_the_runs_seed_draws_the_pool_unless_another_is_named(folder: Path) -> None:
    first, again, other = (pool(loaded(folder, seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert pool(loaded(folder, 0, split_seed=1)) == pool(loaded(folder, 5, split_seed=1)) == other
    data = loaded(folder)
    test = [data.tests["test"].item_id(row) for row in range(20)]
    assert sorted(first + test) == sorted(f"in_domain_train.tsv:{line}" for line in range(1, 61))
    assert [*data.tests] == ["test", "in_domain", "out_of_domain"]


def test_quotation_marks_and_labels_are_read_to_the_letter(folder: Path) -> None:
    found = read(folder / "raw" / "in_domain_dev.tsv")
    assert found["text"][1] == f'"x {GOOD}'
    assert found["class"].tolist() == [0, 1] * 4


@pytest.mark.parametrize("method", ["al", "cal_mir", "cal_der"])
def test_a_run_learns_with_an_encoder_from_a_folder(
    calrun: Callable[..., Any], run_folder: Callable[[], Path], folder: Path, tiny_bert: Path, method: str
) -> None:
    words = ("dataset=cola", f"dataset.root={folder}", "dataset.num_train=40", f"method={method}", "trainer=cpu")
    sizes = ("budget.start=8", "budget.step=8", "budget.rounds=2", "trainer.batch_size=4", "optimizer.lr=0.01")
    answer = calrun("run", *words, *sizes, f"model.path={tiny_bert}", "dataset.max_length=40")
    assert answer.code == 0, answer.err
    lines = [json.loads(line) for line in (run_folder() / "rounds.jsonl").read_text().splitlines()]
    assert [*lines[1]["test"]] == ["test", "in_domain", "out_of_domain"]
    assert "in_domain_train.tsv:" in (run_folder() / "picks.csv").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda root: (root / "raw" / "in_domain_dev.tsv").unlink(),
            "has no in_domain_dev.tsv; get cola_public_1.1.zip",
        ),
        (
            lambda root: (root / "raw" / "in_domain_dev.tsv").write_text("gj04\t1\tone\ngj04\t2\t\ttwo\n"),
            r"wants 4 columns with tabs .* the second 0 or 1, but 2 lines of 2 are others \(first: \[1, 2\]\)",
        ),
        (lambda root: (root / "raw" / "in_domain_dev.tsv").write_text("gj04\t1\t\t \n"), "1 of 1 texts are empty"),
        (lambda root: (root / "raw" / "in_domain_dev.tsv").write_bytes(b"gj04\t1\t\t\xff\n"), "is not UTF-8"),
    ],
)
def test_files_of_another_kind_are_refused(folder: Path, change: Callable[[Path], object], said: str) -> None:
    change(folder)
    with pytest.raises(ValueError, match=said):
        loaded(folder)


@pytest.mark.parametrize("num_train", [0, 60])
def test_a_pool_that_leaves_nothing_is_refused(folder: Path, num_train: int) -> None:
    with pytest.raises(ValueError, match="num_train wants 1 to 59 of the 60 sentences"):
        loaded(folder, num_train=num_train)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/data")
def test_the_authors_files_have_their_sizes_and_shares(empty_cache: Path) -> None:
    data = loaded(REAL, num_train=7000)
    sizes = {name: len(source) for name, source in data.tests.items()}
    assert (len(data.train), sizes) == (7000, {"test": 1551, "in_domain": 527, "out_of_domain": 516})
    assert np.mean(data.train.targets) == pytest.approx(0.704, abs=0.01)
