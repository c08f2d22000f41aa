"""Memory and time of the Human Cell Landscape's shape: 562,977 cells x 28,832 genes, about 1,000 genes in each cell.

Writes a matrix of made-up counts, 20,000 different cells drawn again and again, and plays two short rounds of
`dataset=hcl` on it as a user types it. Prints a Markdown table.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from measured import alone
from scipy.sparse import csr_matrix

CELLS, GENES, TYPES = 562_977, 28_832, 63
DRAWS, DIFFERENT = 1_900, 20_000  # the first give a cell about 1,000 genes, as in Microwell-seq


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=CELLS)
    cells = parser.parse_args().cells
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cells.h5ad")
        alone(write, path, cells)
        begun = time.perf_counter()
        _, status, used = os.wait4(subprocess.Popen(command(path, Path(folder)), cwd=folder).pid, 0)
        if status:
            sys.exit("the run failed")
        seconds = time.perf_counter() - begun
        (lines,) = Path(folder, "outputs").glob("*/*/rounds.jsonl")
        first = json.loads(lines.read_text().splitlines()[0])
    spent = first["seconds"]
    peak = used.ru_maxrss / 2**20
    scored = cells - round(0.2 * cells) - first["labelled"]
    print("| cells | peak resident GiB | whole command s | fit s | cells scored a second |")
    print("|---|---|---|---|---|")
    print(f"| {cells:,} | {peak:.1f} | {seconds:.0f} | {spent['fit']:.1f} | {scored / spent['score']:,.0f} |")


def write(path: Path, cells: int) -> None:
    """Writes the matrix."""
    rng = np.random.default_rng(0)
    share_G = rng.pareto(1.0, GENES) + 0.01
    before_G = np.cumsum(share_G / share_G.sum())
    rows = []
    for _ in range(min(cells, DIFFERENT)):
        drawn = np.searchsorted(before_G, rng.random(int(rng.lognormal(np.log(DRAWS), 0.5))))
        rows.append(np.unique(np.minimum(drawn, GENES - 1)).astype(np.int32))
    again = rng.integers(0, len(rows), cells)
    indptr = np.concatenate(([0], np.cumsum([len(rows[row]) for row in again])))
    indices = np.concatenate([rows[row] for row in again])
    counts = rng.integers(1, 8, len(indices), dtype=np.int32).astype(np.float32)
    types = pd.Categorical.from_codes(again % TYPES, texts("type", TYPES))
    obs = pd.DataFrame({"cell_type": types}, index=texts("cell", cells))
    genes = pd.DataFrame(index=texts("gene", GENES))
    table = csr_matrix((counts, indices, indptr), (cells, GENES))
    anndata.AnnData(table, obs, genes).write_h5ad(path)
    print(f"{len(indices) / cells:,.0f} genes in a cell, {path.stat().st_size / 2**30:.1f} GiB", file=sys.stderr)


def texts(name: str, count: int) -> "pd.Index[str]":
    """Returns numbered names, of the only type that AnnData writes with this pandas."""
    return pd.Index([f"{name}{number}" for number in range(count)], dtype=object)


def command(path: Path, folder: Path) -> list[str]:
    """Returns what a user types."""
    own = ["dataset=hcl", f"dataset.path={path}", "method=cal_er", "acquisition=entropy", "trainer=cpu"]
    short = ["budget.start=0.01", "budget.step=0.01", "budget.rounds=2", "trainer.max_epochs=1", "trainer.cal_epochs=1"]
    return [sys.executable, "-m", "calrun", "run", *own, *short, f"paths.outputs={folder}/outputs"]


if __name__ == "__main__":
    main()
