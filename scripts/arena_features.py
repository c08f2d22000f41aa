"""Stored features for `calrun arena`, made without labels and without a hub, from the data that its user has.

    python scripts/arena_features.py ../shared/data outputs/arena/features
    python scripts/arena_features.py ../shared/data outputs/arena/features --only fashion_mnist,cells

Pictures: the single layer of Coates, Lee and Ng 2011 ("An Analysis of Single-Layer Networks in Unsupervised Feature
Learning"): whitened patches, a k-means dictionary, the triangle activation summed over quadrants, then principal
components. Sentences: hashed TF-IDF of words and of letters, then truncated SVD. Cells: counts at one library size,
log(1 + x), the genes that vary most, then principal components. Everything is fitted to training rows alone, and looks
at no label. Each archive says its recipe; one that is there is left as it is.

Dimension key: N rows, P patches, V numbers of a patch, K words of the dictionary, D features.
"""

import argparse
import csv
import gzip
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import FeatureUnion, make_pipeline

from calrun.dataset.check.pixels import rgb
from calrun.dataset.source.picture import fit_square
from calrun.errors import MISTAKES, sentence
from calrun.machine.files import replace_file
from calrun.rng import numpy_rng

MOST_TRAIN, MOST_TEST = 6000, 2000  # rows that are kept of a data set, drawn at random
WORDS, PATCH, STRIDE = 256, 6, 1  # the dictionary, the side of a patch, the step between two
PATCHES = 40_000  # that the dictionary is fitted to
ROWS_AT_ONCE = 64
WIDTH = 128  # principal components that are kept
CONTRAST, WHITENING = 10 / 255, 0.1  # added to variances of patches
SIDE = 48  # of Caltech's pictures
GENES = 2000
LIBRARY = 1e4


@dataclass
class Split:
    """Rows to learn from and to test on, before they become features."""

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    def drawn(self) -> "Split":
        """Returns at most MOST_TRAIN and MOST_TEST rows, drawn at random."""
        kept = []
        for rows, labels, most in ((self.train, self.labels, MOST_TRAIN), (self.test, self.test_labels, MOST_TEST)):
            chosen = np.sort(numpy_rng(0, 0, "arena features", len(rows)).permutation(len(rows))[:most])
            kept += [rows[chosen], labels[chosen]]
        return Split(*kept)


def fashion_mnist(data: Path) -> Split:
    """Reads Fashion-MNIST's own files."""
    parts = []
    for name in ("train", "t10k"):
        with gzip.open(data / f"FashionMNIST/raw/{name}-images-idx3-ubyte.gz") as file:
            pictures = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
        with gzip.open(data / f"FashionMNIST/raw/{name}-labels-idx1-ubyte.gz") as file:
            parts += [pictures, np.frombuffer(file.read(), np.uint8, offset=8)]
    return Split(*parts).drawn()


def cifar10(data: Path) -> Split:
    """Decodes CIFAR-10's JPEG bytes, of the rows that are kept alone."""
    with np.load(data / "cifar10_jpeg.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    rows = [np.arange(len(arrays[f"{split}_labels"])) for split in ("train", "test")]
    kept = Split(rows[0], arrays["train_labels"], rows[1], arrays["test_labels"]).drawn()
    for split, name in (("train", "train"), ("test", "test")):
        joined, offsets = arrays[f"{name}_jpeg"], arrays[f"{name}_offsets"]
        setattr(kept, split, decoded(joined, offsets, getattr(kept, split), None))
    return kept


def caltech101(data: Path) -> Split:
    """Decodes Caltech-101, without its background class, cut to squares of SIDE pixels."""
    with np.load(data / "caltech101_s96_jpeg.npz", allow_pickle=False) as archive:
        jpeg, offsets, labels, split = (archive[name] for name in ("jpeg", "offsets", "labels", "split"))
    train, test = (np.flatnonzero((split == number) & (labels > 0)) for number in (0, 1))
    kept = Split(train, labels[train] - 1, test, labels[test] - 1).drawn()
    kept.train, kept.test = (decoded(jpeg, offsets, rows, SIDE) for rows in (kept.train, kept.test))
    return kept


def ham10000(data: Path) -> Split:
    """Reads HAM10000 at 28 x 28, with its own split by lesion."""
    with np.load(data / "derma28_ham10000.npz", allow_pickle=False) as archive:
        names = ("train_images", "train_labels", "test_images", "test_labels")
        train, labels, test, test_labels = (archive[name] for name in names)
    return Split(train, labels.ravel(), test, test_labels.ravel()).drawn()


def cola(data: Path) -> Split:
    """Reads CoLA's sentences; both development files are the test set."""
    parts = []
    for names in (("in_domain_train",), ("in_domain_dev", "out_of_domain_dev")):
        lines = [line for name in names for line in tabbed(data / f"cola_public/raw/{name}.tsv")]
        parts += [np.array([line[3] for line in lines]), np.array([int(line[1]) for line in lines])]
    return Split(*parts).drawn()


def cells(data: Path) -> Split:
    """Reads the counts of mouse cells; a quarter of each type is the test set."""
    import anndata

    read = anndata.read_h5ad(data / "scrna_mouse_bladder_2100.h5ad")
    names, labels = np.unique(np.asarray(read.obs["cell_type"], dtype=str), return_inverse=True)
    counts = read.X.toarray() if hasattr(read.X, "toarray") else np.asarray(read.X)
    order = numpy_rng(0, 0, "arena cells").permutation(len(labels))
    place = np.empty(len(order), dtype=int)
    for number in range(len(names)):
        own = order[labels[order] == number]
        place[own] = np.arange(len(own))
    test = place % 4 == 3
    return Split(counts[~test], labels[~test], counts[test], labels[test]).drawn()


def tabbed(path: Path) -> list[list[str]]:
    """Returns the cells of a file of tab-separated lines without quotes."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def decoded(joined: np.ndarray, offsets: np.ndarray, rows: np.ndarray, side: int | None) -> np.ndarray:
    """Returns pictures (N, H, W, 3) of joined JPEG bytes."""
    pictures = []
    for row in rows.tolist():
        picture = rgb(BytesIO(joined[offsets[row] : offsets[row + 1]].tobytes()))
        pictures.append(np.asarray(picture if side is None else fit_square(picture, side)))
    return np.stack(pictures)


def of_pictures(split: Split) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns the features of pictures (N, H, W, channels), and how they were made."""
    layer = Layer.fitted(split.train)
    train, test = layer.features(split.train), layer.features(split.test)
    kept = PCA(WIDTH, random_state=0).fit(train)
    said = f"{WORDS} k-means words on whitened patches of {PATCH} x {PATCH}, over quadrants (Coates et al. 2011), "
    return kept.transform(train), kept.transform(test), f"{said}{WIDTH} principal components"


@dataclass(frozen=True)
class Layer:
    """Coates, Lee and Ng's layer: whitened patches, distances to the words of a dictionary, sums over quadrants."""

    mean_V: torch.Tensor
    whitening_VV: torch.Tensor
    words_KV: torch.Tensor

    @classmethod
    def fitted(cls, pictures: np.ndarray) -> "Layer":
        """Returns the layer of random patches of some pictures."""
        rng = numpy_rng(0, 0, "arena patches")
        height, width = pictures.shape[1:3]
        rows = rng.integers(len(pictures), size=PATCHES)
        tops, lefts = rng.integers(height - PATCH + 1, size=PATCHES), rng.integers(width - PATCH + 1, size=PATCHES)
        across = np.arange(PATCH)
        patches = pictures[
            rows[:, None, None], (tops[:, None] + across)[:, :, None], (lefts[:, None] + across)[:, None]
        ]
        flat_PV = torch.from_numpy(patches.transpose(0, 3, 1, 2).reshape(PATCHES, -1) / 255).float()
        flat_PV = contrasted(flat_PV)
        mean_V = flat_PV.mean(dim=0)
        values_V, vectors_VV = torch.linalg.eigh(torch.cov(flat_PV.T))
        whitening_VV = vectors_VV @ torch.diag((values_V + WHITENING).rsqrt()) @ vectors_VV.T
        white_PV = (flat_PV - mean_V) @ whitening_VV
        means = MiniBatchKMeans(WORDS, batch_size=4096, n_init=1, random_state=0).fit(white_PV.numpy())
        return cls(mean_V, whitening_VV, torch.from_numpy(means.cluster_centers_).float())

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Returns the sums over quadrants (N, 4 K)."""
        parts = [self._part(pictures[start : start + ROWS_AT_ONCE]) for start in range(0, len(pictures), ROWS_AT_ONCE)]
        return np.concatenate(parts)

    def _part(self, pictures: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 255
        number, _, height, width = x.shape
        flat = contrasted(F.unfold(x, PATCH, stride=STRIDE).transpose(1, 2).reshape(-1, x.shape[1] * PATCH**2))
        distance_PK = torch.cdist((flat - self.mean_V) @ self.whitening_VV, self.words_KV)
        near_PK = F.relu(distance_PK.mean(dim=1, keepdim=True) - distance_PK)  # the triangle activation
        across = ((height - PATCH) // STRIDE + 1, (width - PATCH) // STRIDE + 1)
        maps = near_PK.view(number, *across, -1).permute(0, 3, 1, 2)
        summed: np.ndarray = F.adaptive_avg_pool2d(maps, 2).reshape(number, -1).numpy()
        return summed


def contrasted(flat_PV: torch.Tensor) -> torch.Tensor:
    """Returns patches with mean 0 and deviation 1 each, those without contrast near 0."""
    centred_PV = flat_PV - flat_PV.mean(dim=1, keepdim=True)
    return centred_PV / (centred_PV.var(dim=1, keepdim=True) + CONTRAST).sqrt()


def of_sentences(split: Split) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns the features of sentences, and how they were made."""
    words = partial(HashingVectorizer, n_features=2**18, alternate_sign=False, norm=None)
    both = FeatureUnion(
        [("words", words(ngram_range=(1, 2))), ("letters", words(analyzer="char_wb", ngram_range=(3, 5)))]
    )
    kept = make_pipeline(both, TfidfTransformer(sublinear_tf=True), TruncatedSVD(WIDTH, random_state=0))
    said = f"hashed TF-IDF of 1 to 2 words and 3 to 5 letters, {WIDTH} directions of a truncated SVD"
    return kept.fit_transform(split.train), kept.transform(split.test), said


def of_cells(split: Split) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns the features of counts, and how they were made."""
    logs = [np.log1p(rows / rows.sum(axis=1, keepdims=True) * LIBRARY) for rows in (split.train, split.test)]
    genes = np.sort(np.argsort(-logs[0].var(axis=0), kind="stable")[:GENES])
    kept = PCA(WIDTH // 2, random_state=0).fit(logs[0][:, genes])
    said = f"counts at a library size of {LIBRARY:g}, log(1 + x), {GENES:,} genes, {WIDTH // 2} principal components"
    return kept.transform(logs[0][:, genes]), kept.transform(logs[1][:, genes]), said


Features = Callable[[Split], tuple[np.ndarray, np.ndarray, str]]
SETS: dict[str, tuple[Callable[[Path], Split], Features]] = {
    "fashion_mnist": (fashion_mnist, of_pictures),
    "cifar10": (cifar10, of_pictures),
    "ham10000": (ham10000, of_pictures),
    "caltech101": (caltech101, of_pictures),
    "cola": (cola, of_sentences),
    "cells": (cells, of_cells),
}


def main() -> int:
    """Makes the archives that are missing; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of the data sets' files")
    parser.add_argument("out", type=Path, help="where the archives go")
    parser.add_argument("--only", default=",".join(SETS), help="data sets, joined by commas")
    given = parser.parse_args()
    torch.set_num_threads(1)
    try:
        for name in given.only.split(","):
            make(name, given.data, given.out / f"{name}.npz")
    except MISTAKES as error:
        print(f"arena_features: {sentence(error)}", file=sys.stderr)
        return 2
    return 0


def make(name: str, data: Path, out: Path) -> None:
    """Makes an archive, unless it is there.

    Raises:
        ValueError: if there is no data set of that name.
    """
    if name not in SETS:
        raise ValueError(f"--only names {name!r}; choose from {', '.join(SETS)}")
    if out.exists():
        print(f"{out}  is there")
        return
    read, features = SETS[name]
    split = read(data)
    train, test, recipe = features(split)
    arrays = {"features": train, "test_features": test}
    arrays = {key: array.astype(np.float32) for key, array in arrays.items()}
    labels = {"labels": split.labels.astype(np.int64), "test_labels": split.test_labels.astype(np.int64)}

    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            np.savez(file, **arrays, **labels, recipe=np.array(recipe))

    replace_file(out, write, durable=False)
    print(f"{out}  {len(train):,} rows to learn from, {len(test):,} to test on, {train.shape[1]} features: {recipe}")


if __name__ == "__main__":
    sys.exit(main())
