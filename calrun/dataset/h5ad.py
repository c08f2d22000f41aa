"""The user's own cells in an AnnData file (.h5ad): raw counts of genes, and the type of each cell.

scanpy brings counts to one library size and then to log(1 + x), as for the Human Cell Landscape in Das et al. 2023.

Dimension key: N cells, C types.
"""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from scipy.sparse import csr_matrix

from calrun.dataset.base import UNKNOWN, Dataset, Inputs, Source
from calrun.dataset.check.labels import named
from calrun.dataset.check.split import refuse_unseen, split_rows
from calrun.dataset.read.frame import class_column
from calrun.dataset.source.sparse import Sparse
from calrun.dataset.source.subset import Subset

CHECKED_COUNTS = 1_000_000  # of each file, evenly spread: counts are whole numbers or not


def load(
    path: str, label: str, split: str | None, test_fraction: float, library_size: float | None, log1p: bool
) -> Dataset:
    """Reads the cells.

    Args:
        path: the .h5ad file.
        label: the column of `obs` that holds the type of a cell, text or whole numbers. A cell where it is empty has
            none yet, and belongs to train.
        split: the column of `obs` that says train, test or val; `None` draws the test set, the same for every seed.
        test_fraction: the share of each type that is drawn for the test set where no column says so.
        library_size: the sum that the counts of each cell are brought to; `None` leaves them.
        log1p: whether log(1 + x) is taken after that.

    Raises:
        ValueError: if the file or a column is missing, two cells have one name, values are no raw counts, a type occurs
            in no training cell, or a split is empty.
    """
    cells = read_cells(path)
    classes, targets = class_column(path, cells.obs, label)
    rows = split_rows(
        targets, None if split is None else column(path, cells, split), test_fraction, where=f"{path}, dataset.split"
    )
    ids = unique_names(path, cells.obs_names.astype(str).tolist())
    known = {"genes": genes_of(cells)}
    source = Sparse(prepared(path, cells, library_size, log1p), targets, ids, known)
    splits: dict[str, Source] = {name: Subset(source, rows[name]) for name in rows}
    refuse_unseen(path, classes, targets, rows)
    shape = (source.table.shape[1],)
    return Dataset(splits["train"], {"test": splits["test"]}, len(classes), named(classes), shape, splits.get("val"))


def rows(place: str, inputs: Inputs, library_size: float | None, log1p: bool) -> Source:
    """Reads the cells of another file, without their types.

    Raises:
        ValueError: as `load`, and if the file has other genes than the training cells, or has them in another order.
    """
    cells = read_cells(place)
    genes = genes_of(cells)
    if (cells.n_vars, genes) != (*inputs.shape, inputs.measured.get("genes", genes)):
        raise ValueError(
            f"{place} has {cells.n_vars:,} genes, which are not the {inputs.shape[0]:,} that the network was trained "
            "on, or stand in another order; give the same genes in the same order"
        )
    ids = unique_names(place, cells.obs_names.astype(str).tolist())
    return Sparse(prepared(place, cells, library_size, log1p), np.full(cells.n_obs, UNKNOWN), ids)


def genes_of(cells: Any) -> str:
    """Returns a digest of the names of the genes in their order."""
    names = "\0".join(cells.var_names.astype(str))
    return f"{crc32(names.encode()):08x}"


def read_cells(path: str) -> Any:
    """Returns the AnnData of a file."""
    place = Path(path).expanduser()
    if not place.is_file():
        raise ValueError(f"no file {path}; an AnnData file (.h5ad) with raw counts is wanted there")
    import anndata

    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of names, which are refused here
            return anndata.read_h5ad(place)
    except Exception as error:  # h5py and anndata raise whatever a damaged file makes them
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is no sound AnnData file ({reason}); save it with AnnData.write_h5ad") from error


def column(path: str, cells: Any, name: str) -> np.ndarray:
    """Returns a column of `obs` (N,).

    Raises:
        ValueError: if it is not there or has gaps.
    """
    if name not in cells.obs:
        raise ValueError(f"{path} has no column {name!r} of cells; it has: {', '.join(map(str, cells.obs.columns))}")
    values = cells.obs[name]
    missing = np.flatnonzero(values.isna())
    if len(missing):
        raise ValueError(
            f"{path}: column {name!r} is empty for {len(missing)} cells (first: {missing[:5].tolist()}); fill it or "
            "leave these cells out"
        )
    return np.asarray(values)


def unique_names(path: str, names: list[str]) -> list[str]:
    """Returns the names of the cells.

    Raises:
        ValueError: if two cells have one name: what was bought could not be told apart.
    """
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise ValueError(
            f"{path}: {len(twice)} names stand for several cells (first: {twice[:5]}); call obs_names_make_unique"
        )
    return names


def prepared(path: str, cells: Any, library_size: float | None, log1p: bool) -> csr_matrix:
    """Returns the values of all cells as float32, compressed by rows.

    Raises:
        ValueError: if counts are to be normalised that are no raw counts, or values are not finite.
    """
    cells.X = csr_matrix(cells.X, dtype=np.float32)
    refuse_other_values(path, cells.X.data, library_size is not None or log1p)
    if library_size is not None or log1p:
        import scanpy

        if library_size is not None:
            refuse_empty(path, cells)
            scanpy.pp.normalize_total(cells, target_sum=library_size)
        if log1p:
            scanpy.pp.log1p(cells)
    table: csr_matrix = cells.X
    table.sort_indices()
    return table


def refuse_empty(path: str, cells: Any) -> None:
    """Raises a ValueError if a cell has no count at all: no factor brings it to a library size."""
    empty = np.flatnonzero(np.asarray(cells.X.sum(axis=1)).ravel() == 0)
    if len(empty):
        first = [str(name) for name in cells.obs_names[empty[:5]]]
        raise ValueError(
            f"{path}: {len(empty)} cells have no count at all (first: {first}); leave them out, as "
            "scanpy.pp.filter_cells does, or set dataset.library_size=null"
        )


def refuse_other_values(path: str, values: np.ndarray, counts: bool) -> None:
    """Raises a ValueError if values are not finite, or are no counts where counts are wanted."""
    sample = values[:: max(1, len(values) // CHECKED_COUNTS)]
    if not np.isfinite(values).all():
        raise ValueError(f"{path} holds values that are NaN or infinite; replace them or leave these cells out")
    if not counts:
        return
    advice = "give raw counts, or set dataset.library_size=null and dataset.log1p=false if they are ready"
    if (values < 0).any():
        raise ValueError(f"{path} holds negative values (least: {values.min():g}), which are no counts; {advice}")
    if (sample != np.round(sample)).any():
        broken = sample[sample != np.round(sample)][:3].tolist()
        raise ValueError(f"{path} holds values such as {broken}, which are no raw counts; {advice}")
