"""A label for each pixel: pictures and masks that are flipped together, and what a prediction of pixels is worth."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from zlib import crc32

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calrun.dataset.base import Dataset, Shot, Source, StepRows
from calrun.model.base import Classifier, Output
from calrun.task.base import Task

CLASSES, SIDE, BORDER = 3, 6, -1


@dataclass(frozen=True)
class Step:
    shots: tuple[Shot, Shot | None]

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        return self

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        yield self.shots


class Masks(Source):
    def __init__(self, pictures: Tensor, targets: np.ndarray) -> None:
        self.pictures, self.targets = pictures, targets

    def __len__(self) -> int:
        return len(self.targets)

    def checksum(self, start: int) -> int:
        return crc32(self.pictures.numpy().tobytes(), start)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Step]:
        generator = torch.Generator().manual_seed(seed)
        for step in steps:
            replay = self._flipped(step.replay, generator) if len(step.replay) else None
            yield Step((self._flipped(step.current, generator), replay))

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size], self.pictures[rows[start : start + batch_size]]

    def _flipped(self, rows: np.ndarray, generator: torch.Generator) -> Shot:
        flip = torch.rand(len(rows), generator=generator) < 0.5
        x, y = self.pictures[rows], torch.from_numpy(self.targets[rows])
        return Shot(
            torch.from_numpy(rows),
            torch.where(flip[:, None, None, None], x.flip(3), x),
            torch.where(flip[:, None, None], y.flip(2), y),
        )


def load() -> Dataset:
    """Stripes whose brightness is their class; one column of each picture is nobody's."""
    sources, rng = [], np.random.default_rng(0)
    for count in (60, 30):
        masks = np.repeat(rng.integers(0, CLASSES, (count, SIDE, 1)), SIDE, axis=2)
        pictures = torch.from_numpy(masks[:, None] + 0.3 * rng.standard_normal((count, 1, SIDE, SIDE))).float()
        masks[:, :, 0] = BORDER
        sources.append(Masks(pictures, masks))
    return Dataset(sources[0], {"test": sources[1]}, CLASSES, ["low", "middle", "high"], (1, SIDE, SIDE))


class PixelNet(Classifier):
    """The head looks at the features of each pixel."""

    def forward(self, x: Tensor) -> Output:
        maps = self.backbone(x)
        logits = self.head(maps.movedim(1, 3)).movedim(3, 1)
        return Output(logits, maps.mean(dim=(2, 3)), {})


def pixel_net(num_classes: int, width: int) -> Classifier:
    return PixelNet(nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU()), width, num_classes)


class Segmentation(Task):
    def loss(self, logits: Tensor, y: Tensor, weights_C: Tensor | None = None) -> Tensor:
        return F.cross_entropy(logits, y, weights_C, ignore_index=BORDER)

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(logits, y, reduction="none", ignore_index=BORDER).mean(dim=(1, 2))

    def correct(self, logits: Tensor, y: Tensor) -> Tensor:
        inside = y != BORDER
        return ((logits.argmax(1) == y) & inside).flatten(1).sum(1) / inside.flatten(1).sum(1)

    def reduced(self, logits: Tensor) -> Tensor:
        return logits.log_softmax(1).mean(dim=(2, 3))

    def kept(self, logits: Tensor, y: Tensor) -> Tensor:
        return logits.argmax(1).to(torch.uint8)

    def metrics(self, kept_N: Tensor, targets: np.ndarray, num_classes: int) -> dict[str, float]:
        predicted, inside = kept_N.numpy(), targets != BORDER
        both = [((predicted == c) & (targets == c)).sum() for c in range(num_classes)]
        either = [(((predicted == c) | (targets == c)) & inside).sum() for c in range(num_classes)]
        iou = [b / e for b, e in zip(both, either, strict=True) if e]
        return {"accuracy": float(sum(both) / inside.sum()), "mean_iou": float(np.mean(iou))}

    def class_counts(self, targets: np.ndarray, num_classes: int) -> np.ndarray:
        return np.bincount(targets[targets != BORDER], minlength=num_classes)
