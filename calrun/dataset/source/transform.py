"""Turns stored pixels into what a network reads: crop with padding and flip on whole batches, then normalisation.

Dimension key: N rows, B batch, ch channels, H W height and width, D entries of a flat vector.
"""

from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_PER_PASS = 4096  # rows that `fitted` holds in double precision at a time
TINY = 2.0**-20  # smallest std, as a share of the mean: less is rounding, which float32 would turn into noise
MOST_OF_UNIT_SCALE = 2.0  # pixels above this are not scaled to 0..1


class Transform:
    """Turns stored inputs (B, ch, H, W) or (B, D) into float32, in training after a random crop and flip.

    Padding is zero in stored values, before normalisation, as torchvision pads pictures. Flat vectors are not cropped.

    Args:
        mean: subtracted, one number per channel or vector entry, or one for all; bytes are scaled to 0..1 first.
            `None` leaves it to be measured on the training inputs by `fitted`.
        std: the divisor, likewise.
        crop_padding: pixels added on each side before a crop back to H x W at a uniform offset; 0 crops nothing.
        flip: mirrors left and right with probability 0.5.
    """

    def __init__(
        self,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        crop_padding: int = 0,
        flip: bool = False,
    ) -> None:
        if (mean is None) != (std is None):
            raise ValueError(
                "dataset.transform gives one of mean and std without the other; give both, or null for both"
            )
        if std is not None and min(std) <= 0:
            raise ValueError(f"dataset.transform.std must be positive, came {list(std)}")
        if crop_padding < 0:
            raise ValueError(f"dataset.transform.crop_padding must be 0 or more pixels, came {crop_padding}")
        self.mean = None if mean is None else torch.tensor(list(mean), dtype=torch.float32)
        self.std = None if std is None else torch.tensor(list(std), dtype=torch.float32)
        self.crop_padding, self.flip = crop_padding, flip
        self.is_measured = False

    def to(self, device: torch.device) -> Self:
        """Moves mean and std."""
        if self.mean is not None and self.std is not None:
            self.mean, self.std = self.mean.to(device), self.std.to(device)
        return self

    def seen_shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape that a network sees of a row that is stored in shape `stored`."""
        return stored

    def statistics(self) -> dict[str, list[float]]:
        """Returns mean and std, if they are known."""
        if self.mean is None or self.std is None:
            return {}
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    def fitted(self, inputs: Tensor) -> "Transform":
        """Returns the transform with mean and std of `inputs` if none were given; constant entries keep std 1.

        Raises:
            ValueError: if mean or std has neither one number nor one per channel or entry, or is of another scale than
                the inputs.
        """
        if self.mean is not None and self.std is not None:
            self._check(inputs.shape[1])
            self._check_numbers(inputs)
            return self
        mean, std = moments(inputs)
        std[std <= TINY * mean.abs()] = 1.0
        found = Transform(mean.tolist(), std.tolist(), self.crop_padding, self.flip)
        found.is_measured = True
        return found

    def anew(self, inputs: Tensor) -> "Transform":
        """Returns the transform with mean and std of other training inputs, unless they were given."""
        return Transform(None, None, self.crop_padding, self.flip).fitted(inputs) if self.is_measured else self

    def check_given_for_bytes(self) -> None:
        """Refuses a mean or std that cannot be that of bytes, which are scaled to 0..1 first.

        Raises:
            ValueError: if there is none, or it is on the scale 0..255.
        """
        if self.mean is None or self.std is None:
            raise ValueError(
                "dataset.transform has no mean and std; pictures that are streamed cannot be measured, give both"
            )
        if self.mean.max() > 1 or self.std.max() > 1:
            raise ValueError(
                f"dataset.transform wants mean and std of pixels scaled to 0..1, came {shown(self.mean)} and "
                f"{shown(self.std)}; divide both by 255"
            )

    def _check_numbers(self, inputs: Tensor) -> None:
        if self.mean is None or self.std is None:
            return
        if inputs.dtype == torch.uint8:
            self.check_given_for_bytes()
            return
        for_unit_scale = 0 < self.mean.max() <= 1 and self.std.max() < 1
        if inputs.ndim == 4 and for_unit_scale and len(inputs) and inputs.max() > MOST_OF_UNIT_SCALE:
            raise ValueError(
                f"dataset.transform has mean {shown(self.mean)} and std {shown(self.std)}, which are for pixels scaled "
                f"to 0..1, but the training inputs hold values up to {inputs.max():g}; save them as bytes (uint8), "
                "which are scaled, or divide them yourself"
            )

    def _check(self, num_channels: int) -> None:
        for name, given in (("mean", self.mean), ("std", self.std)):
            if given is not None and len(given) not in (1, num_channels):
                raise ValueError(
                    f"dataset.transform.{name} has {len(given)} numbers, but the inputs have {num_channels} channels "
                    "or entries; give one for each, or one for all"
                )

    def train(self, stored: Tensor, generator: torch.Generator) -> Tensor:
        """Returns `stored` cropped, flipped and normalised; `generator` lives on the device of `stored`."""
        if stored.ndim == 4 and (self.crop_padding or self.flip):
            stored = crop_and_flip(stored, self.crop_padding, self.flip, generator)
        return self.evaluate(stored)

    def evaluate(self, stored: Tensor) -> Tensor:
        """Returns `stored` as normalised float32.

        Raises:
            ValueError: if there is no mean and std.
        """
        if self.mean is None or self.std is None:
            raise ValueError(
                "dataset.transform has neither mean and std nor training inputs to measure them on; give both"
            )
        shape = (1, -1, *[1] * (stored.ndim - 2))
        scale = pixel_scale(stored) / self.std
        shift = -self.mean / self.std
        return stored.to(torch.float32, copy=True).mul_(scale.view(shape)).add_(shift.view(shape))


def shown(numbers: Tensor) -> list[float]:
    """Returns numbers as a user would write them."""
    return [round(number, 4) for number in numbers.tolist()]


def crop_and_flip(stored: Tensor, padding: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Pads with zeros, crops each picture at its own uniform offset and mirrors half of them, in one gather.

    Equal in distribution to torchvision's RandomCrop(padding=padding), then RandomHorizontalFlip(0.5): mirrored
    pictures lie beside the others, and a window is an index (mirrored, picture, offset) into both.
    """
    batch, _, height, width = stored.shape
    device = stored.device
    sides = torch.stack((stored, stored.flip(-1))) if flip else stored.unsqueeze(0)
    windows = F.pad(sides, (padding,) * 4).unfold(3, height, 1).unfold(4, width, 1)
    mirrored_B = torch.randint(len(sides), (batch,), generator=generator, device=device)
    top_B, left_B = torch.randint(2 * padding + 1, (2, batch), generator=generator, device=device)
    cropped: Tensor = windows[mirrored_B, torch.arange(batch, device=device), :, top_B, left_B]
    return cropped


def pixel_scale(stored: Tensor) -> float:
    """Returns what stored values are multiplied by: bytes are scaled to 0..1, anything else stays."""
    return 1 / 255 if stored.dtype == torch.uint8 else 1.0


def moments(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Returns mean and standard deviation per channel, or per entry of flat vectors, in double precision."""
    axes = [0, *range(2, inputs.ndim)]
    count = inputs.numel() / inputs.shape[1]
    parts = torch.split(inputs, ROWS_PER_PASS)
    scale = pixel_scale(inputs)
    mean = sum((part.double().sum(axes) for part in parts), torch.zeros(())) * scale / count
    shape = (1, -1, *[1] * (inputs.ndim - 2))
    squares = sum(((part.double() * scale - mean.view(shape)).square().sum(axes) for part in parts), torch.zeros(()))
    return mean, (squares / count).sqrt()
