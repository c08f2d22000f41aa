"""Cells of an AnnData file: normalised by the formula, split, and refused in one sentence where something is wrong."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from calrun.dataset.base import Dataset
from calrun.dataset.h5ad import load

BLADDER = Path(__file__).parents[2].parent / "shared" / "data" / "scrna_mouse_bladder_2100.h5ad"


def counts(num_cells: int = 60, num_genes: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.poisson(1.0, (num_cells, num_genes)).astype(np.float32) + (np.arange(num_genes) == 0)


def cells(path: Path, values: np.ndarray | None = None, names: list[str] | None = None, **columns: Any) -> Path:
    values = counts() if values is None else values
    number = len(values)
    obs = {"kind": [f"type {row % 3}" for row in range(number)], "part": ["train"] * number, **columns}
    index = [f"cell-{row}" for row in range(number)] if names is None else names
    frame = pd.DataFrame(obs, index=pd.Index(index, dtype=object), dtype=object)  # what anndata can write
    genes = pd.DataFrame(index=pd.Index([f"gene-{number}" for number in range(values.shape[1])], dtype=object))
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # names that are not unique
        anndata.AnnData(csr_matrix(values), obs=frame, var=genes).write_h5ad(path)
    return path


def read(path: Path, **options: Any) -> Dataset:
    defaults: dict[str, Any] = {"split": None, "test_fraction": 0.2, "library_size": 1e4, "log1p": True}
    return load(str(path), **({"label": "kind"} | defaults | options))


def test_values_are_log_of_the_share_of_ten_thousand(tmp_path: Path) -> None:
    data = read(cells(tmp_path / "x.h5ad"))
    raw = counts()
    wanted = np.log1p(raw / raw.sum(axis=1, keepdims=True) * 1e4)
    rows = [int(data.train.item_id(row).removeprefix("cell-")) for row in range(len(data.train))]
    ((_, x),) = data.train.batches(np.arange(len(rows)), 100)
    np.testing.assert_allclose(x.numpy(), wanted[rows], rtol=1e-5)
    assert data.class_names == ["type 0", "type 1", "type 2"]
    assert data.input_shape == (12,)


def test_values_stay_where_nothing_is_asked(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(60, 12)).astype(np.float32)
    data = read(cells(tmp_path / "x.h5ad", values), library_size=None, log1p=False)
    ((_, x),) = data.tests["test"].batches(np.arange(1), 1)
    row = int(data.tests["test"].item_id(0).removeprefix("cell-"))
    np.testing.assert_array_equal(x[0].numpy(), values[row])


def test_the_test_set_is_a_share_of_each_type_and_the_same_every_time(tmp_path: Path) -> None:
    path = cells(tmp_path / "x.h5ad")
    first, second = read(path), read(path)
    assert len(first.tests["test"]) == 12
    assert np.bincount(first.tests["test"].targets).tolist() == [4, 4, 4]
    assert [first.train.item_id(row) for row in range(48)] == [second.train.item_id(row) for row in range(48)]


def test_cells_without_a_type_are_in_the_pool(tmp_path: Path) -> None:
    data = read(cells(tmp_path / "x.h5ad", kind=[None, *["a", "b"] * 29, "a"]))
    assert data.class_names == ["a", "b"]
    assert [data.train.item_id(row) for row in np.flatnonzero(data.train.targets < 0)] == ["cell-0"]


def test_a_column_splits_the_cells(tmp_path: Path) -> None:
    part = ["test" if row < 6 else "val" if row < 12 else "train" for row in range(60)]
    data = read(cells(tmp_path / "x.h5ad", part=part), split="part")
    assert data.val is not None
    assert (len(data.train), len(data.tests["test"]), len(data.val)) == (48, 6, 6)
    assert data.tests["test"].item_id(0) == "cell-0"


@pytest.mark.parametrize(
    ("written", "options", "message"),
    [
        ({}, {"label": "type"}, "names the column 'type', but .* has: kind, part"),
        ({"kind": [""] * 60}, {}, "column 'kind' is empty in all 60 rows"),
        ({"names": ["same"] * 60}, {}, "1 names stand for several cells"),
        ({"values": counts() - 1}, {}, "holds negative values"),
        ({"values": counts() / 2}, {}, "which are no raw counts; give raw counts, or set dataset.library_size=null"),
        ({"values": counts() * np.nan}, {}, "NaN or infinite"),
        (
            {"values": counts() * (np.arange(60) > 1)[:, None]},
            {},
            r"2 cells have no count .*: \['cell-0', ",
        ),
        ({}, {"split": "part"}, "names no row of test"),
        ({"part": ["train"] * 59 + ["rest"]}, {"split": "part"}, r"names 1 others \(first: \['rest'\]\)"),
        ({"kind": ["a"] * 59 + ["b"], "part": ["train"] * 59 + ["test"]}, {"split": "part"}, "in no training row"),
        ({}, {"test_fraction": 1.5}, "dataset.test_fraction wants a share"),
        ({}, {"test_fraction": 0.001}, "is no row; raise it"),
    ],
)
def test_what_is_wrong_is_said(written: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(cells(tmp_path / "x.h5ad", **written), **options)


def test_no_file_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file .*; an AnnData file"):
        read(tmp_path / "x.h5ad")
    whole = cells(tmp_path / "x.h5ad").read_bytes()
    (tmp_path / "half.h5ad").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is no sound AnnData file"):
        read(tmp_path / "half.h5ad")


def test_a_run_of_cells_is_resumed_and_named_by_content(calrun: Callable[..., Any], tmp_path: Path) -> None:
    path = cells(tmp_path / "x.h5ad")
    words = (
        "run", "dataset=h5ad", f"dataset.path={path}", "dataset.label=kind", "trainer=cpu", "trainer.max_epochs=2",
        "trainer.cal_epochs=2", "trainer.batch_size=8", "budget=counts", "budget.start=9", "budget.step=9",
        "method=cal_der", "acquisition=badge",
    )  # fmt: skip
    assert calrun(*words, "budget.rounds=1").code == 0
    assert calrun(*words, "budget.rounds=2").code == 0
    (lines,) = (tmp_path / "outputs").rglob("rounds.jsonl")
    assert len(lines.read_text().splitlines()) == 2
    assert "cell-" in (lines.parent / "picks.csv").read_text()
    cells(path, counts() + 1)
    answer = calrun(*words, "budget.rounds=3")
    assert answer.code == 2
    assert "was begun on other data" in answer.err


@pytest.mark.realdata
@pytest.mark.skipif(not BLADDER.is_file(), reason=f"{BLADDER} is absent")
def test_bladder_cells_load() -> None:
    data = read(BLADDER, label="cell_type")
    assert (len(data.train) + len(data.tests["test"]), data.num_classes, data.input_shape) == (2_100, 16, (20_670,))
