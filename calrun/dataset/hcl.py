"""The Human Cell Landscape (Han et al. 2020): 562,977 cells of 63 unequal types, 28,832 genes."""

from calrun.dataset import h5ad
from calrun.dataset.base import Dataset
from calrun.dataset.h5ad import rows as rows

NUM_GENES, NUM_TYPES = 28_832, 63


def load(
    path: str, label: str, split: str | None, test_fraction: float, library_size: float | None, log1p: bool
) -> Dataset:
    """Reads the cells as `calrun.dataset.h5ad.load` does.

    Raises:
        ValueError: as it does, and if genes or types are not as many as in Das et al. 2023, App. C.
    """
    found = h5ad.load(path, label, split, test_fraction, library_size, log1p)
    if (found.input_shape, found.num_classes) != ((NUM_GENES,), NUM_TYPES):
        raise ValueError(
            f"{path} has {found.input_shape[0]:,} genes and {found.num_classes} types, but the Human Cell Landscape "
            f"has {NUM_GENES:,} and {NUM_TYPES}; choose dataset=h5ad for cells of your own"
        )
    return found
