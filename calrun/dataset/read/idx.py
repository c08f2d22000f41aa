"""The idx files of MNIST and its drop-ins (LeCun, Cortes and Burges 1998), gzipped or not, read where they are."""

import gzip
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from zlib import error as ZlibError

import numpy as np
import torch

from calrun.dataset.base import Dataset
from calrun.dataset.source.resident import resident_dataset
from calrun.dataset.source.transform import Transform

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def load_idx(
    folder: Path, class_names: list[str], transform: Transform, download: Callable[[], object] | None
) -> Dataset:
    """Reads the four files of `folder`, after `download` if some are absent.

    Raises:
        ValueError: if files are missing and the download failed or is off, or a file is corrupt.
    """
    if missing(folder) and download:
        absent = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            download()
        except (OSError, RuntimeError, HTTPException) as error:
            for path in absent:  # folders that the download made and left empty
                with suppress(OSError):
                    path.rmdir()
            raise ValueError(f"{wanted_files(folder)}; the download failed ({error})") from error
    if missing(folder):
        raise ValueError(f"{wanted_files(folder)}; missing: {', '.join(missing(folder))}")
    splits = {}
    for split, (images, labels) in FILES.items():
        inputs = torch.from_numpy(read_idx(present(folder, images))).unsqueeze(1)
        splits[split] = (inputs, read_idx(present(folder, labels)))
    return resident_dataset(splits, class_names, transform)


def wanted_files(folder: Path) -> str:
    """Returns the part of an error that says which files go where."""
    return f"put {', '.join(name for pair in FILES.values() for name in pair)} (as they are or as .gz) into {folder}"


def missing(folder: Path) -> list[str]:
    """Returns the names of FILES that `folder` has neither plain nor gzipped."""
    return [name for pair in FILES.values() for name in pair if not present(folder, name).is_file()]


def present(folder: Path, name: str) -> Path:
    """Returns the path of the plain file if it is there, else of the gzipped one."""
    plain = folder / name
    return plain if plain.is_file() else folder / f"{name}.gz"


def read_idx(path: Path) -> np.ndarray:
    """Returns the bytes of an idx file in its shape: 0, 0, type 8, rank, each dimension as big-endian int32, bytes.

    Raises:
        ValueError: if the file is anything else, or cannot be unpacked.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, ZlibError) as error:
        raise ValueError(f"{path} cannot be unpacked ({error}); fetch it again") from error
    rank = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    shape = np.frombuffer(content[4 : 4 + 4 * rank], ">i4").tolist()
    if not rank or len(content) != 4 + 4 * rank + int(np.prod(shape)):
        raise ValueError(f"{path} is no sound idx file of bytes ({len(content)} bytes, shape {shape}); fetch it again")
    return np.frombuffer(bytearray(content), np.uint8, offset=4 + 4 * rank).reshape(shape)
