"""Draws a data set of pictures and masks for dataset=mask_folder: discs, squares, triangles and stripes on grey ground.

    python scripts/make_shapes.py FOLDER
    calrun run dataset=mask_folder dataset.root=FOLDER "dataset.mask.classes=[ground,disc,square,triangle,stripe]" \
        model=small_fcn "dataset.picture.size=[48,48]"

Dimension key: S side of a picture, P pixels of the edge of a shape.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ground", "disc", "square", "triangle", "stripe")
SIDE = 48
COUNTS = {"train": 256, "test": 64}
COLOURS = ((200, 70, 70), (70, 170, 80), (80, 100, 200), (200, 180, 60))  # about which those of a shape vary
COLOUR_NOISE, PIXEL_NOISE = 45, 25  # standard deviations, of 255
MOST_SHAPES = 3  # in a picture
NOBODYS = 255  # a line of pixels around each picture


def main() -> None:
    """Draws the splits into a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=COUNTS["train"], help="pictures to choose from")
    parser.add_argument("--test", type=int, default=COUNTS["test"])
    given = parser.parse_args()
    draw_shapes(given.folder, {"train": given.train, "test": given.test}, given.seed)


def draw_shapes(folder: Path, counts: dict[str, int], seed: int = 0) -> None:
    """Writes folder/<split>/pictures and folder/<split>/masks."""
    rng = np.random.default_rng(seed)
    for split, count in counts.items():
        for kind in ("pictures", "masks"):
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture, mask = drawn(rng)
            Image.fromarray(picture).save(folder / split / "pictures" / f"{number:04d}.png")
            Image.fromarray(mask).save(folder / split / "masks" / f"{number:04d}.png")


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns a picture, bytes (S, S, 3), and its mask, bytes (S, S)."""
    picture = np.full((SIDE, SIDE, 3), rng.uniform(90, 160))
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for _ in range(int(rng.integers(1, MOST_SHAPES + 1))):
        c = int(rng.integers(1, len(CLASSES)))
        inside = SHAPES[c - 1](*np.mgrid[:SIDE, :SIDE], *rng.uniform(8, SIDE - 8, 2), rng.uniform(6, 11))
        picture[inside], mask[inside] = COLOURS[c - 1] + rng.normal(0, COLOUR_NOISE, 3), c
    picture += rng.normal(0, PIXEL_NOISE, picture.shape)
    mask[[0, -1]] = mask[:, [0, -1]] = NOBODYS
    return picture.clip(0, 255).astype(np.uint8), mask


def disc(row: np.ndarray, column: np.ndarray, top: float, left: float, size: float) -> np.ndarray:
    """Returns which pixels lie in a disc around (top, left)."""
    inside: np.ndarray = (row - top) ** 2 + (column - left) ** 2 <= size**2
    return inside


def square(row: np.ndarray, column: np.ndarray, top: float, left: float, size: float) -> np.ndarray:
    """Returns which pixels lie in a square around (top, left)."""
    inside: np.ndarray = np.maximum(abs(row - top), abs(column - left)) <= 0.9 * size
    return inside


def triangle(row: np.ndarray, column: np.ndarray, top: float, left: float, size: float) -> np.ndarray:
    """Returns which pixels lie in a triangle that stands on its base."""
    inside: np.ndarray = (row - top <= size) & (2 * abs(column - left) <= row - top + size)
    return inside


def stripe(row: np.ndarray, column: np.ndarray, top: float, left: float, size: float) -> np.ndarray:
    """Returns which pixels lie in a slanted stripe right across the picture."""
    inside: np.ndarray = abs(row - top + (column - left) * (size - 8) / 4) <= 3
    return inside


SHAPES = (disc, square, triangle, stripe)

if __name__ == "__main__":
    main()
