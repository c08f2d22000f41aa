"""Picture files with a class for each pixel: masks travel with their pictures, cropped and mirrored alike.

Dimension key: N rows of a split, B rows of a step (current, then replayed), M current rows, H W height and width.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from calrun.dataset.base import UNKNOWN, Shot, Source
from calrun.dataset.read.mask_file import NOBODYS, MaskCode
from calrun.dataset.source.paired import Paired
from calrun.dataset.source.streamed import Files, Key, Streamed, StreamedBlock
from calrun.dataset.source.transform import Transform
from calrun.rng import numpy_rng


@dataclass(frozen=True)
class Pairs:
    """Pictures and their masks.

    Args:
        root: folder that the files are relative to.
        pictures: N relative paths, also the stable names of the items.
        masks: N relative paths.
    """

    root: Path
    pictures: list[str]
    masks: list[str]

    def at(self, rows: Sequence[int]) -> "Pairs":
        """Returns the pairs at some places."""
        return Pairs(self.root, [self.pictures[row] for row in rows], [self.masks[row] for row in rows])

    def __add__(self, other: "Pairs") -> "Pairs":
        return Pairs(self.root, self.pictures + other.pictures, self.masks + other.masks)


class Masked(Streamed):
    """One split of pictures with masks.

    Args:
        pairs: the files.
        targets: classes of pixels at the size of evaluation, int8 or int16 (N, H, W), UNKNOWN where there is none.
        code: what the pixels of mask files mean.
        picture: how a picture and its mask become bytes.
        transform: normalises the bytes.
        num_workers: processes that decode; 0 decodes in this one.
    """

    brings_labels = True

    def __init__(
        self,
        pairs: Pairs,
        targets: np.ndarray,
        code: MaskCode,
        picture: Paired,
        transform: Transform,
        num_workers: int,
    ) -> None:
        super().__init__(pairs.root, pairs.pictures, targets, picture, transform, num_workers)
        self.pairs, self.code, self.picture = pairs, code, picture
        self.files = PairFiles(pairs, code, picture)

    def block(self, rows_B: Tensor, pixels: Tensor, num_current: int) -> "MaskedBlock":
        return MaskedBlock(rows_B, pixels, num_current, self.transform)

    def divided(
        self, others: Sequence[Source], rows: Mapping[str, np.ndarray], item_ids: Sequence[str]
    ) -> dict[str, Source]:
        parts = [part for part in (self, *others) if isinstance(part, Masked)]
        pairs, targets = sum((part.pairs for part in parts[1:]), self.pairs), [part.targets for part in parts]
        starts = np.cumsum([0, *map(len, targets)])
        new = dict[str, Source]()
        for name, own in rows.items():
            places = np.searchsorted(starts, own, side="right") - 1
            masks = np.stack([targets[place][row - starts[place]] for place, row in zip(places, own, strict=True)])
            new[name] = Masked(pairs.at(own.tolist()), masks, self.code, self.picture, self.transform, self.num_workers)
        return new


class MaskedBlock(StreamedBlock):
    """One step, decoded: the fourth channel of its bytes holds the classes."""

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        x, split = self.transform.evaluate(self.pixels[:, :3]), self.num_current
        y = self.pixels[:, 3].long()
        y[y == NOBODYS] = UNKNOWN
        replay = Shot(self.rows_B[split:], x[split:], y[split:]) if split < len(x) else None
        yield Shot(self.rows_B[:split], x[:split], y[:split]), replay


class PairFiles(Files):
    """What the worker processes hold of pictures and masks."""

    def __init__(self, pairs: Pairs, code: MaskCode, picture: Paired) -> None:
        super().__init__(pairs.root, np.array([file.encode() for file in pairs.pictures]), picture)
        self.masks, self.code, self.both = np.array([file.encode() for file in pairs.masks]), code, picture

    def __getitem__(self, key: Key) -> Tensor | str:
        row, augmentation = key
        if augmentation is None:
            return super().__getitem__(key)
        seed, step, position = augmentation
        rng, mask = numpy_rng(seed, step, "augmentation", position), self.masks[row].decode()
        try:
            return self.both.read_both(self.root / self.name(row), self.root / mask, self.code, rng)
        except ValueError as error:
            return str(error)
