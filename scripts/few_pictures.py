"""Makes a small data set for `dataset=npz` out of CIFAR-10's archive of JPEG pictures or Fashion-MNIST's idx files.

    python scripts/few_pictures.py ../shared/data/cifar10_jpeg.npz cifar10k.npz
    python scripts/few_pictures.py ../shared/data/FashionMNIST/raw fmnist10k.npz

1,000 training pictures of each class, in an order of seed 0, and 5,000 test pictures: of the archive drawn by the same
generator, of idx files the first ones.
"""

import argparse
import gzip
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

EACH, TEST = 1_000, 5_000
IDX = {"x_train": "train-images-idx3", "y_train": "train-labels-idx1", "x_test": "t10k-images-idx3",
       "y_test": "t10k-labels-idx1"}  # fmt: skip
SIDE, HEADS = 28, {"x": 16, "y": 8}  # bytes before the numbers


def main() -> None:
    """Reads, draws and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    if asked.source.is_dir():
        arrays = {name: idx(asked.source, name) for name in IDX}
        rows, test = drawn(arrays["y_train"], rng), np.arange(TEST)
        few = {name: array[rows if "train" in name else test] for name, array in arrays.items()}
    else:
        archive = np.load(asked.source, allow_pickle=False)
        rows = drawn(archive["train_labels"], rng)
        test = rng.permutation(len(archive["test_labels"]))[:TEST]
        few = {f"x_{split}": pictures(archive, split, own) for split, own in (("train", rows), ("test", test))}
        few |= {f"y_{split}": archive[f"{split}_labels"][own] for split, own in (("train", rows), ("test", test))}
    np.savez(asked.out, **{name: array if name[0] == "x" else array.astype(np.int64) for name, array in few.items()})


def drawn(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns rows, as many of each class, in a random order."""
    rows = np.concatenate([rng.choice(np.flatnonzero(labels == each), EACH, replace=False) for each in range(10)])
    rng.shuffle(rows)
    return rows


def pictures(archive: np.lib.npyio.NpzFile, split: str, rows: np.ndarray) -> np.ndarray:
    """Returns decoded pictures (N, 32, 32, 3)."""
    jpeg, ends = archive[f"{split}_jpeg"], archive[f"{split}_offsets"]
    files = (BytesIO(jpeg[ends[row] : ends[row + 1]].tobytes()) for row in rows)
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


def idx(folder: Path, name: str) -> np.ndarray:
    """Returns pictures (N, 28, 28, 1) or labels (N,) of a compressed idx file."""
    data = gzip.decompress((folder / f"{IDX[name]}-ubyte.gz").read_bytes())
    numbers = np.frombuffer(data, np.uint8, offset=HEADS[name[0]])
    return numbers.reshape(-1, SIDE, SIDE, 1) if name[0] == "x" else numbers


if __name__ == "__main__":
    main()
