"""DermaMNIST (Yang et al. 2023, MedMNIST v2): 10,015 colour pictures of skin lesions, 28x28 pixels, 7 unequal classes.

Any archive in MedMNIST's layout will do: {train,val,test}_images (N, H, W[, 3]) and {train,val,test}_labels (N, 1).
"""

from collections.abc import Sequence
from pathlib import Path

from calrun.dataset.base import Dataset
from calrun.dataset.npz import model_inputs
from calrun.dataset.read.archive import read_npz
from calrun.dataset.source.resident import resident_dataset
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
    if not Path(path).is_file():
        raise ValueError(f"no file {path}; put MedMNIST's dermamnist.npz there or set dataset.path to where it is")
    names = ("train", "val", "test")
    arrays = read_npz(path, [f"{name}_{kind}" for name in names for kind in ("images", "labels")])
    splits = {name: (model_inputs(name, arrays[f"{name}_images"], "last"), arrays[f"{name}_labels"]) for name in names}
    return resident_dataset(splits, [str(name) for name in class_names], transform)
