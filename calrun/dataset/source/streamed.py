"""Data sets too large for memory: picture files, decoded by worker processes, normalised on the device.

Dimension key: N rows of a split, B rows of a step (current, then replayed), M current rows, S side of a picture.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, Self
from zlib import crc32

import numpy as np
import torch
import torch.utils.data
from torch import Tensor

from calrun.dataset.base import Shot, Source, StepRows
from calrun.dataset.source.transform import Transform
from calrun.machine.children import heed_the_parent, signals_held
from calrun.parallel import world
from calrun.rng import numpy_rng

Key = tuple[int, tuple[int, int, int] | None]  # row; (seed, step, position) of its augmentation, or None for evaluation


class Reader(Protocol):
    """How a file becomes bytes (3, H, W): augmented by a generator, or as for evaluation without one."""

    def read(self, path: Path, rng: np.random.Generator | None) -> Tensor: ...


class Streamed(Source):
    """One split of picture files.

    Args:
        root: folder that `files` are relative to.
        files: N relative paths, also the stable names of the items.
        targets: int64 (N,).
        picture: how a file becomes bytes.
        transform: normalises the bytes; its crop and flip are not used, since `picture` has its own.
        num_workers: processes that decode; 0 decodes in this one. The pictures do not depend on it.
    """

    def __init__(
        self,
        root: Path,
        files: list[str],
        targets: np.ndarray,
        picture: Reader,
        transform: Transform,
        num_workers: int,
    ) -> None:
        self.files = Files(root, np.array([file.encode() for file in files]), picture)
        self.targets = targets
        self.transform = transform
        self.num_workers = num_workers
        self.device = torch.empty(0).device

    def __len__(self) -> int:
        return len(self.targets)

    def item_id(self, row: int) -> str:
        return self.files.name(row)

    def checksum(self, start: int) -> int:
        return crc32(b"\0".join(self.files.paths.tolist()), start)

    def to(self, device: torch.device) -> None:
        self.device = device
        self.transform.to(device)

    def divided(
        self, others: Sequence[Source], rows: Mapping[str, np.ndarray], item_ids: Sequence[str]
    ) -> dict[str, Source]:
        parts = [part for part in (self, *others) if isinstance(part, Streamed)]
        targets, files = np.concatenate([part.targets for part in parts]), self.files
        return {
            name: Streamed(
                *(files.root, [item_ids[row] for row in own.tolist()], targets[own]),
                *(files.picture, self.transform, self.num_workers),
            )
            for name, own in rows.items()
        }

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator["StreamedBlock"]:
        planned = [np.concatenate((step.current, step.replay)) for step in steps]
        shares = [decoded_by_each(len(rows)) for rows in planned]
        keys: Iterator[list[Key]] = (
            [(int(rows[position]), (seed, number, position)) for position in range(len(rows))[own]]
            for number, (rows, (own, _)) in enumerate(zip(planned, shares, strict=True))
        )
        for step, rows, (_, parts), own in zip(steps, planned, shares, self.loaded(keys), strict=True):
            yield self.block(torch.from_numpy(rows), of_all(own, parts), len(step.current))

    def block(self, rows_B: Tensor, pixels: Tensor, num_current: int) -> "StreamedBlock":
        """Returns a step from its rows and their bytes."""
        return StreamedBlock(rows_B, pixels, num_current, self.transform)

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        parts = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
        keys: Iterable[list[Key]] = ([(row, None) for row in part.tolist()] for part in parts)
        for part, pixels in zip(parts, self.decoded(keys), strict=True):
            yield part, self.transform.evaluate(pixels.to(self.device, non_blocking=True))

    def decoded(self, keys: Iterable[list[Key]]) -> Iterator[Tensor]:
        """Yields one (B, 3, S, S) tensor of bytes per list of keys.

        Raises:
            ValueError: if a picture cannot be read.
        """
        for pixels in self.loaded(keys):
            if isinstance(pixels, str):
                raise ValueError(pixels)
            yield pixels

    def loaded(self, keys: Iterable[list[Key]]) -> Iterator[Tensor | str]:
        """Yields the same, or what is wrong with a picture."""
        loader: torch.utils.data.DataLoader[Tensor | str] = torch.utils.data.DataLoader(
            self.files,
            batch_sampler=keys,
            num_workers=self.num_workers,
            collate_fn=stacked,
            pin_memory=torch.accelerator.is_available(),
            generator=torch.Generator(),  # or the loader would draw from the global one
            worker_init_fn=partial(begin_worker, os.getpid()),
        )
        with signals_held():
            batches = iter(loader)  # forks the workers
        yield from batches


def decoded_by_each(num_rows: int) -> tuple[slice, list[int]]:
    """Returns which rows of a step this process decodes, and how many each does; nobody shares fewer than there are."""
    parts = world.shares(num_rows)
    return (world.own(parts), parts) if min(parts) else (slice(None), [])


def of_all(own: Tensor | str, parts: list[int]) -> Tensor:
    """Returns the bytes of a step's rows from those that each process has decoded.

    Args:
        own: this process's, or what is wrong with one of its pictures.
        parts: how many rows each process has; none where each has all of them.

    Raises:
        ValueError: in all processes, if one cannot read a picture.
    """
    if wrong := world.said_by_any(own if isinstance(own, str) else ""):
        raise ValueError(wrong)
    assert isinstance(own, Tensor)
    if len(parts) < 2:
        return own
    pixels = world.gathered(own, parts)
    return pixels.pin_memory() if torch.accelerator.is_available() else pixels


@dataclass(frozen=True)
class StreamedBlock:
    """One step, decoded.

    Args:
        rows_B: the current rows, then the replayed ones.
        pixels: their pictures as bytes (B, 3, S, S).
        num_current: M.
        transform: normalises on the device.
    """

    rows_B: Tensor
    pixels: Tensor
    num_current: int
    transform: Transform

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        rows_B = self.rows_B.to(device, non_blocking=non_blocking)
        return type(self)(rows_B, self.pixels.to(device, non_blocking=True), self.num_current, self.transform)

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        x, split = self.transform.evaluate(self.pixels), self.num_current
        replay = Shot(self.rows_B[split:], x[split:]) if split < len(x) else None
        yield Shot(self.rows_B[:split], x[:split]), replay


class Files(torch.utils.data.Dataset[Tensor | str]):
    """What the worker processes hold: paths as one array of bytes, so that forked copies share its memory."""

    def __init__(self, root: Path, paths: np.ndarray, picture: Reader) -> None:
        self.root, self.paths, self.picture = root, paths, picture

    def name(self, row: int) -> str:
        path: bytes = self.paths[row]
        return path.decode()

    def __getitem__(self, key: Key) -> Tensor | str:
        """Returns the picture, or what is wrong with it: an error here would reach the user as a worker's traceback."""
        row, augmentation = key
        seed, step, position = augmentation or (0, 0, 0)
        rng = numpy_rng(seed, step, "augmentation", position) if augmentation else None
        try:
            return self.picture.read(self.root / self.name(row), rng)
        except ValueError as error:
            return str(error)


def begin_worker(parent: int, number: int) -> None:
    """Makes a worker process obey its parent alone."""
    heed_the_parent(parent)


def stacked(pictures: list[Tensor | str]) -> Tensor | str:
    """Returns the pictures as a batch, or the first error message among them."""
    message = next((picture for picture in pictures if isinstance(picture, str)), None)
    return message or torch.stack([picture for picture in pictures if isinstance(picture, Tensor)])
