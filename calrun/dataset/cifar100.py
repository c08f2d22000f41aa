"""CIFAR-100 (Krizhevsky 2009): 60,000 colour pictures of 32x32 pixels, 100 classes (the fine labels)."""

from torchvision.datasets import CIFAR100

from calrun.dataset.base import Dataset
from calrun.dataset.cifar10 import read
from calrun.dataset.cifar10 import rows as rows
from calrun.dataset.source.transform import Transform


def load(root: str, transform: Transform, download: bool) -> Dataset:
    """Reads cifar-100-python under `root`, torchvision's layout, and unpickles only files of the right checksum.

    Args:
        root: folder of data sets.
        transform: for pixels scaled to 0..1.
        download: unpacks cifar-100-python.tar.gz under `root`, fetching it if it is absent.

    Raises:
        ValueError: if files are absent or incomplete, and the download failed or is off.
    """
    return read(CIFAR100, root, transform, download)
