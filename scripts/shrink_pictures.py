"""Makes small pictures for `dataset=npz` out of an archive of JPEG pictures (see calrun/dataset/jpeg_npz.py).

    python scripts/shrink_pictures.py caltech101_s96_jpeg.npz caltech32.npz --size 32 --drop BACKGROUND_Google

The centre square of each picture is reduced to the size that is asked for. Rows of split 0 are the training rows.
"""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    """Reads, reduces and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=32, help="side in pixels")
    parser.add_argument("--drop", nargs="*", default=[], help="classes that are left out")
    asked = parser.parse_args()
    arrays = np.load(asked.archive, allow_pickle=False)
    dropped = np.flatnonzero(np.isin(arrays["classes"], asked.drop))
    rows = np.flatnonzero(~np.isin(arrays["labels"], dropped))
    jpeg, ends = arrays["jpeg"], arrays["offsets"]
    x = np.stack([small(jpeg[ends[row] : ends[row + 1]].tobytes(), asked.size) for row in rows])
    _, y = np.unique(arrays["labels"][rows], return_inverse=True)
    train = arrays["split"][rows] == 0
    np.savez(asked.out, x_train=x[train], y_train=y[train], x_test=x[~train], y_test=y[~train])


def small(jpeg: bytes, size: int) -> np.ndarray:
    """Returns the centre square of a picture, reduced (size, size, 3)."""
    with Image.open(BytesIO(jpeg)) as file:
        picture = file.convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))


if __name__ == "__main__":
    main()
