"""UMAP of the cells in an AnnData file by their types, and each type's share (Das et al. 2023, App. D, Figure 14).

Counts are brought to one library size and to log(1 + x) as `dataset=hcl` does; then scanpy's 50 principal components,
15 neighbours and UMAP. Writes the picture and prints a Markdown table.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import scanpy
from anndata import AnnData
from matplotlib.figure import Figure

from calrun.dataset.h5ad import column, prepared, read_cells

COMPONENTS = 50
COLOURS = ("tab20", "tab20b", "tab20c")
MARKERS = "os^D"


def main() -> None:
    """Draws and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="raw counts, .h5ad")
    parser.add_argument("--label", default="cell_type", help="the column of obs with the type of each cell")
    parser.add_argument("--out", type=Path, default=Path("embedding.png"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cells = read_cells(str(given.path))
    types = column(str(given.path), cells, given.label).astype(str)
    points_N2 = embedded(AnnData(prepared(str(given.path), cells, 10_000, True)), given.seed)
    figure(points_N2, types).savefig(given.out, dpi=200)
    names, counts = np.unique(types, return_counts=True)
    print("| type | cells | share % |\n|---|---|---|")
    for place in np.argsort(-counts, kind="stable"):
        print(f"| {names[place]} | {counts[place]:,} | {100 * counts[place] / len(types):.2f} |")


def embedded(cells: AnnData, seed: int) -> np.ndarray:
    """Returns a point for each cell (N, 2)."""
    scanpy.pp.pca(cells, n_comps=min(COMPONENTS, min(cells.shape) - 1), random_state=seed)
    scanpy.pp.neighbors(cells, random_state=seed)
    scanpy.tl.umap(cells, random_state=seed)
    return np.asarray(cells.obsm["X_umap"])


def figure(points_N2: np.ndarray, types: np.ndarray) -> Figure:
    """Returns a scatter plot: a colour and marker for each type, the most frequent first."""
    names, counts = np.unique(types, return_counts=True)
    colours = [colour for name in COLOURS for colour in mpl.colormaps[name].colors]
    drawn = Figure(figsize=(9, 6), layout="constrained")
    field = drawn.subplots()
    for place, index in enumerate(np.argsort(-counts, kind="stable")):
        own = points_N2[types == names[index]]
        style = {"color": colours[place % len(colours)], "marker": MARKERS[place // len(colours) % len(MARKERS)]}
        field.scatter(*own.T, s=4, linewidths=0, label=names[index], **style)
    field.set(xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[])
    drawn.legend(loc="outside right upper", fontsize=6, markerscale=2, ncols=-(-len(names) // 40))
    return drawn


if __name__ == "__main__":
    main()
