"""Corrupted test sets: five severities of one corruption, one after the other, read or made when they are asked for.

Dimension key: N pictures of the clean test set, M = 5 N of a corrupted one, B of a batch.
"""

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Block, Source, StepRows
from calrun.dataset.corruption.severities import MADE, NUM_SEVERITIES, PUBLISHED
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.rng import numpy_rng

BLOCK = 500  # pictures that are made together, with one seed
ROUNDING = 1e-3  # of a byte: what was a whole number stays one
LABELS = "labels"
GROUP, GROUP_MADE = "cifar10_c", "cifar10_c_made"  # what results are recorded under
SHAPE = (3, 32, 32)


class Corrupted(Source):
    """Pictures that are looked at and never trained on.

    Args:
        name: of the corruption.
        targets: int64 (M,).
        transform: normalises bytes.
    """

    def __init__(self, name: str, targets: np.ndarray, transform: Transform) -> None:
        self.name, self.targets, self.transform = name, targets, transform
        self.device = torch.empty(0).device

    def __len__(self) -> int:
        return len(self.targets)

    def item_id(self, row: int) -> str:
        severity, picture = divmod(row, len(self) // NUM_SEVERITIES)
        return f"{self.name}-{severity + 1}-{picture}"

    def to(self, device: torch.device) -> None:
        self.device = device
        self.transform.to(device)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        raise NotImplementedError("corrupted pictures are looked at, not trained on")

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, self.transform.evaluate(self.stored(part).to(self.device))

    def stored(self, rows: np.ndarray) -> Tensor:
        """Returns pictures as bytes (B, 3, H, W), on the host."""
        raise NotImplementedError


class Made(Corrupted):
    """Makes the pictures of one corruption from the clean ones, the same at every look, a block at a time.

    Args:
        name: of the corruption.
        clean: the test set, bytes from 0 to 255.
    """

    def __init__(self, name: str, clean: Resident) -> None:
        super().__init__(name, np.tile(clean.targets, NUM_SEVERITIES), clean.transform)
        self.clean = clean
        self.last: tuple[tuple[int, int], Tensor] | None = None

    def checksum(self, start: int) -> int:
        return crc32(self.name.encode(), self.clean.checksum(start))

    def stored(self, rows: np.ndarray) -> Tensor:
        severities, pictures = np.divmod(rows, len(self.clean))
        found = torch.empty(len(rows), *self.clean.inputs.shape[1:], dtype=torch.uint8)
        blocks = np.stack((severities, pictures // BLOCK), axis=1)
        for severity, block in np.unique(blocks, axis=0).tolist():
            here = np.flatnonzero((blocks == (severity, block)).all(axis=1))
            inside = torch.from_numpy(pictures[here] - block * BLOCK)
            found[torch.from_numpy(here)] = self.block(severity, block)[inside]
        return found

    def block(self, severity: int, block: int) -> Tensor:
        """Returns one block of one severity, from 0; the last one is kept for the next batch."""
        if self.last is None or self.last[0] != (severity, block):
            clean = self.clean.inputs[block * BLOCK : (block + 1) * BLOCK].cpu().float() / 255
            corrupt, options = MADE[self.name]
            made = corrupt(clean, options[severity], numpy_rng(severity, block, f"corruption {self.name}"))
            self.last = (severity, block), (made.clamp(0, 1) * 255 + ROUNDING).to(torch.uint8)
        return self.last[1]


class Published(Corrupted):
    """Reads the pictures of one published file, which stays on disk.

    Args:
        path: a .npy file of bytes (M, 32, 32, 3).
        targets: int64 (M,).
        transform: normalises bytes.

    Raises:
        ValueError: if it is none.
    """

    def __init__(self, path: Path, targets: np.ndarray, transform: Transform) -> None:
        super().__init__(path.stem, targets, transform)
        self.pictures = array_in(path)
        wanted = (len(targets), *SHAPE[1:], SHAPE[0])
        if self.pictures.shape != wanted or self.pictures.dtype != np.uint8:
            raise ValueError(
                f"{path} holds {self.pictures.dtype} of shape {self.pictures.shape}; wanted are bytes of shape "
                f"{wanted}, a picture for each label of labels.npy"
            )

    def checksum(self, start: int) -> int:
        return crc32(np.ascontiguousarray(self.pictures[:: len(self) // NUM_SEVERITIES]).data, start)

    def stored(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(self.pictures[rows]).permute(0, 3, 1, 2)


def made_sets(clean: Source) -> dict[str, Source]:
    """Returns what can be made of a test set of colour pictures of 32 x 32 bytes, by name; nothing of any other."""
    if not isinstance(clean, Resident) or clean.inputs.dtype != torch.uint8 or tuple(clean.inputs.shape[1:]) != SHAPE:
        return {}
    return {f"{GROUP_MADE}/{name}": Made(name, clean) for name in MADE}


def published_sets(folder: Path, clean: Source) -> dict[str, Source]:
    """Returns the published test sets of a folder, by name.

    Args:
        folder: holds labels.npy and a file for each corruption.
        clean: the test set that they were made of, which lies in memory.

    Raises:
        ValueError: if a file is missing or is no such one.
    """
    assert isinstance(clean, Resident)
    missing = [f"{name}.npy" for name in (*PUBLISHED, LABELS) if not (folder / f"{name}.npy").is_file()]
    if missing:
        raise ValueError(
            f"{folder} lacks {len(missing)} files of CIFAR-10-C ({', '.join(missing[:5])}); put all 19 corruptions and "
            "labels.npy there, or set dataset.corruptions_folder=null, which makes corruptions from the clean test set"
        )
    targets = array_in(folder / f"{LABELS}.npy").astype(np.int64)
    if not np.array_equal(targets, np.tile(clean.targets, NUM_SEVERITIES)):
        raise ValueError(
            f"{folder / LABELS}.npy wants the {len(clean):,} labels of the test set five times over, but holds others "
            f"({targets.shape}); take the published file"
        )
    return {f"{GROUP}/{name}": Published(folder / f"{name}.npy", targets, clean.transform) for name in PUBLISHED}


def array_in(path: Path) -> np.ndarray:
    """Returns an array that stays on disk, never unpickled.

    Raises:
        ValueError: if the file is no .npy file.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no sound .npy file ({error}); fetch it again") from error
