"""Mask files as one class for each pixel: numbers or colours, of which some are nobody's.

Dimension key: H W height and width of a mask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from calrun.dataset.check.pixels import loaded

NOBODYS = 255  # a pixel without a class, in bytes
STRANGER = 254  # a number or colour that means nothing, in bytes
MOST_CLASSES = STRANGER
NUMBERS, COLOURS = 2**16, 2**24  # how many different numbers or colours a pixel can have
SHOWN = 5  # numbers or colours that an error names


@dataclass(frozen=True)
class MaskCode:
    """What the pixels of mask files mean.

    Args:
        names: of the classes, in the order of their numbers.
        classes: the class of each number, or of each colour (red * 65,536 + green * 256 + blue); 255 is nobody's.
        is_colours: whether pixels are colours.
    """

    names: tuple[str, ...]
    classes: Mapping[int, int]
    is_colours: bool

    @cached_property
    def table(self) -> np.ndarray:
        """The class of every number or colour, as bytes."""
        table = np.full(COLOURS if self.is_colours else NUMBERS, STRANGER, dtype=np.uint8)
        table[list(self.classes)] = list(self.classes.values())
        return table

    def read(self, path: Path) -> np.ndarray:
        """Returns the classes of a mask file's pixels, bytes (H, W), 255 where they have none.

        Raises:
            ValueError: if the file cannot be read, or holds what means nothing, with the reason alone.
        """
        stored = colours_in(loaded(path)) if self.is_colours else numbers_in(loaded(path))
        classes: np.ndarray = self.table[stored]
        if (classes == STRANGER).any():
            strangers = np.unique(stored[classes == STRANGER])
            kind = "colours" if self.is_colours else "class numbers"
            first = ", ".join(shown(int(each), self.is_colours) for each in strangers[:SHOWN])
            raise ValueError(f"it holds {len(strangers)} {kind} that stand for nothing (first: {first})")
        return classes


def mask_code(
    classes: Sequence[str], palette: Sequence[Sequence[int]] | None, ignored: Sequence[int | Sequence[int]]
) -> MaskCode:
    """Returns what the pixels of masks mean: class numbers, or the colours of a palette.

    Args:
        classes: C names, in the order of their numbers.
        palette: red, green and blue of each class, 0 to 255; `None` if pixels are class numbers.
        ignored: numbers of pixels that are nobody's; with a palette their colours, a number n being grey n, n, n.

    Raises:
        ValueError: if there are too many classes or two of one name, or a colour is none or stands for two things.
    """
    names, is_colours = tuple(str(name) for name in classes), palette is not None
    refuse_names(names)
    codes = [*range(len(names))] if palette is None else [packed("palette", each) for each in palette]
    nobodys = [packed("ignored", each) if is_colours else number_of(each) for each in ignored]
    if len(codes) != len(names) or len({*codes, *nobodys}) != len(codes) + len({*nobodys}):
        first = ", ".join(shown(each, is_colours) for each in nobodys[:SHOWN])
        raise ValueError(
            f"dataset.mask wants a number or colour for each of {len(names)} classes and others in ignored, each for "
            f"one thing, but came {len(codes)}, and to be ignored {first or 'none'}; correct palette or ignored"
        )
    of_classes = dict(zip(codes, range(len(names)), strict=True))
    return MaskCode(names, of_classes | dict.fromkeys(nobodys, NOBODYS), is_colours)


def refuse_names(names: Sequence[str]) -> None:
    """Raises a ValueError if there are too few or too many classes, or two of one name."""
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"dataset.mask.classes wants 2 to {MOST_CLASSES} names, got {len(names)}; correct it")
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(
            f"dataset.mask.classes names {len(twins)} classes twice (first: {twins[:SHOWN]}); name each once"
        )


def number_of(ignored: int | Sequence[int]) -> int:
    """Returns a number of pixels that are nobody's."""
    if not isinstance(ignored, int) or not 0 <= ignored < NUMBERS:
        raise ValueError(
            f"dataset.mask.ignored wants numbers from 0 to {NUMBERS - 1:,}, got {ignored}; correct it, or give "
            "dataset.mask.palette"
        )
    return ignored


def packed(key: str, colour: int | Sequence[int]) -> int:
    """Returns a colour as one number."""
    parts = [colour] * 3 if isinstance(colour, int) else list(colour)
    if len(parts) != 3 or not all(isinstance(part, int) and 0 <= part <= 255 for part in parts):
        raise ValueError(f"dataset.mask.{key} wants red, green and blue from 0 to 255 for each colour, got {colour}")
    red, green, blue = parts
    return red << 16 | green << 8 | blue


def shown(code: int, is_colour: bool) -> str:
    """Returns a number or colour as a user would write it."""
    return f"[{code >> 16}, {code >> 8 & 255}, {code & 255}]" if is_colour else str(code)


def numbers_in(picture: Image.Image) -> np.ndarray:
    """Returns the numbers of a mask's pixels (H, W); of a picture with a palette their places in it.

    Raises:
        ValueError: if the mask is a picture of colours, or its numbers are no class numbers.
    """
    numbers = np.asarray(picture)
    if numbers.ndim != 2:
        raise ValueError(f"it is a picture of colours (mode {picture.mode}), so that dataset.mask.palette is wanted")
    if numbers.dtype == bool:
        return numbers.astype(np.uint8)
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= NUMBERS:
        raise ValueError(f"its numbers (mode {picture.mode}) are no whole numbers from 0 to {NUMBERS - 1:,}")
    return numbers


def colours_in(picture: Image.Image) -> np.ndarray:
    """Returns the colours of a mask's pixels as one number each (H, W)."""
    colours = np.asarray(picture.convert("RGB")).astype(np.int32)
    packed_: np.ndarray = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
    return packed_
