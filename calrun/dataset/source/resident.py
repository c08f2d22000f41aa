"""Data sets that live in memory: batches are gathered by row and augmented several steps at a time, on the device.

Dimension key: N rows of a split, K steps of a block, B rows of a step (the current M, then replayed), V values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from math import prod
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import UNKNOWN, Dataset, Inputs, Shot, Source, StepRows
from calrun.dataset.check.inputs import check_alike, check_inputs, check_known, scale_of
from calrun.dataset.check.labels import check_targets
from calrun.dataset.source.checksum import checksum_of
from calrun.dataset.source.transform import Transform
from calrun.rng import torch_seed

CHUNK_BYTES = 8 * 2**20  # float32 inputs made at a time: several small steps share one gather, yet stay in cache


class Resident(Source):
    """One split in memory.

    Args:
        inputs: (N, ch, H, W) or (N, D); bytes stay bytes until a batch is made.
        targets: int64 (N,).
        transform: how stored values become x.
        item_ids: N stable names; `None` takes the row numbers.
        steps_per_block: optimizer steps whose rows travel to the device together.
        known: what else other rows cannot be read without, see `Source.measured`.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: np.ndarray,
        transform: Transform,
        item_ids: Sequence[str] | None = None,
        steps_per_block: int = 32,
        known: Mapping[str, Any] | None = None,
    ) -> None:
        self.inputs = inputs.contiguous()
        self.targets = targets
        self.transform = transform
        self.item_ids = item_ids
        self.steps_per_block = steps_per_block
        self.known = known or {}

    def __len__(self) -> int:
        return len(self.inputs)

    def item_id(self, row: int) -> str:
        return str(row) if self.item_ids is None else self.item_ids[row]

    def checksum(self, start: int) -> int:
        return checksum_of([self.inputs.cpu().numpy().reshape(len(self), -1)], start)

    def measured(self) -> dict[str, Any]:
        return {**scale_of(self.inputs), "transform": self.transform.statistics(), **self.known}

    def to(self, device: torch.device) -> None:
        self.inputs = self.inputs.to(device)
        self.transform.to(device)

    def divided(
        self, others: Sequence[Source], rows: Mapping[str, np.ndarray], item_ids: Sequence[str]
    ) -> dict[str, Source]:
        parts = [part for part in (self, *others) if isinstance(part, Resident)]
        inputs, targets = torch.cat([part.inputs for part in parts]), np.concatenate([part.targets for part in parts])
        new = {name: (inputs[torch.from_numpy(own)], targets[own]) for name, own in rows.items()}
        transform = self.transform.anew(new["train"][0])
        ids = {name: [item_ids[row] for row in own.tolist()] for name, own in rows.items()}
        return {name: Resident(*own, transform, ids[name], known=self.known) for name, own in new.items()}

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator["ResidentBlock"]:
        number = 0
        for (num_current, _), alike in groupby(steps, key=lambda step: (len(step.current), len(step.replay))):
            while together := list(islice(alike, self.steps_per_block)):
                rows = np.stack([np.concatenate((step.current, step.replay)) for step in together])
                yield ResidentBlock(self, torch.from_numpy(rows), num_current, torch_seed(seed, number, "augmentation"))
                number += 1

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        on_device_N = moved(torch.from_numpy(np.ascontiguousarray(rows, dtype=np.int64)), self.inputs.device)
        for start in range(0, len(rows), batch_size):
            part = slice(start, start + batch_size)
            yield rows[part], self.transform.evaluate(self.inputs.index_select(0, on_device_N[part]))


@dataclass(frozen=True)
class ResidentBlock:
    """Steps of equal size: one index tensor travels, the inputs wait on the device.

    Args:
        source: where the inputs are.
        rows_KB: the rows of each step, the current ones first.
        num_current: M; the other B - M are replayed.
        seed: decides the augmentation of this block.
    """

    source: Resident
    rows_KB: Tensor
    num_current: int
    seed: int

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        return type(self)(self.source, moved(self.rows_KB, torch.device(device)), self.num_current, self.seed)

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        inputs, rows_KB = self.source.inputs, self.rows_KB
        generator = torch.Generator(inputs.device).manual_seed(self.seed)
        bytes_per_step = 4 * rows_KB.shape[1] * prod(self.source.transform.seen_shape(tuple(inputs.shape[1:])))
        for part_KB in torch.split(rows_KB, max(1, CHUNK_BYTES // bytes_per_step)):
            stored = inputs.index_select(0, part_KB.flatten())
            x = self.source.transform.train(stored, generator)
            yield from shots(part_KB, x.view(*part_KB.shape, *x.shape[1:]), self.num_current)


def shots(rows_KB: Tensor, x_KBV: Tensor, num_current: int) -> Iterator[tuple[Shot, Shot | None]]:
    """Yields each step's current and replayed rows as views."""
    current = zip(rows_KB[:, :num_current].unbind(), x_KBV[:, :num_current].unbind(), strict=True)
    if num_current == rows_KB.shape[1]:
        for rows_M, x in current:
            yield Shot(rows_M, x), None
        return
    replay = zip(rows_KB[:, num_current:].unbind(), x_KBV[:, num_current:].unbind(), strict=True)
    for (rows_M, x), (replayed_rows, replayed_x) in zip(current, replay, strict=True):
        yield Shot(rows_M, x), Shot(replayed_rows, replayed_x)


def moved(index: Tensor, device: torch.device) -> Tensor:
    """Moves an index to a device, through pinned memory if it is not the host, which then need not wait."""
    if device.type == index.device.type:
        return index.to(device)
    return index.pin_memory().to(device, non_blocking=True)


def resident_dataset(
    splits: dict[str, tuple[Tensor, np.ndarray]],
    class_names: list[str],
    transform: Transform,
    item_ids: Mapping[str, Sequence[str]] | None = None,
) -> Dataset:
    """Checks tensors and labels and makes a data set of them.

    Args:
        splits: (inputs, labels) by split name: train, and test and val where there are such.
        class_names: C names; labels must be 0..C-1, each at least once in train.
        transform: shared by all splits; its mean and std are measured on train if it has none.
        item_ids: stable names of the rows, by split; a split without takes the row numbers.

    Raises:
        ValueError: if inputs are not finite or differ in kind between splits, labels disagree with them or with the
            classes, or the transform does not fit.
    """
    sources: dict[str, Source] = {}
    transform = transform.fitted(check_inputs("train", splits["train"][0]))
    for name, (inputs, labels) in splits.items():
        check_inputs(name, inputs)
        check_alike(name, inputs, splits["train"][0])
        targets = check_targets(name, labels, len(inputs), len(class_names))
        sources[name] = Resident(inputs, targets, transform, (item_ids or {}).get(name))
    tests = {name: sources[name] for name in sources if name == "test"}
    shape = transform.seen_shape(tuple(splits["train"][0].shape[1:]))
    return Dataset(sources["train"], tests, len(class_names), class_names, shape, sources.get("val"))


def resident_rows(
    name: str, stored: Tensor, inputs: Inputs, transform: Transform, item_ids: Sequence[str] | None = None
) -> Resident:
    """Returns rows without labels for a network that is trained.

    Args:
        name: of the rows, for errors.
        stored: (N, ch, H, W) or (N, D).
        inputs: what the network takes.
        transform: with mean and std.
        item_ids: N stable names; `None` gives the row numbers.

    Raises:
        ValueError: if the rows are not finite, or stored in another way than the training rows were.
    """
    check_inputs(name, stored)
    check_known(name, stored, inputs, transform.seen_shape(tuple(stored.shape[1:])))
    return Resident(stored, np.full(len(stored), UNKNOWN), transform, item_ids)
