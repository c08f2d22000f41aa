"""DermaMNIST (Yang et al. 2023, MedMNIST v2): 10,015 colour pictures of skin lesions, 28x28, 7 unequal classes."""

from collections.abc import Sequence

from calrun.dataset import medmnist
from calrun.dataset.base import Dataset
from calrun.dataset.medmnist import rows as rows
from calrun.dataset.source.transform import Transform


def load(path: str, transform: Transform, class_names: Sequence[str]) -> Dataset:
    """Reads the three splits.

    Args:
        path: MedMNIST's dermamnist.npz, or a file in its layout.
        transform: for pixels scaled to 0..1.
        class_names: in the order of the labels.

    Raises:
        ValueError: if the file is missing, corrupt or in another layout.
    """
    return medmnist.read(path, transform, class_names, "dermamnist.npz")
