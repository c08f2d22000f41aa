"""Reading .npz archives and joined JPEG bytes; every fault becomes one sentence.

Dimension key: N pictures, H W height and width.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np

from calrun.dataset.check.pixels import rgb
from calrun.dataset.source.picture import fit_square


def read_npz(path: str | Path, wanted: list[str], optional: list[str] | None = None) -> dict[str, np.ndarray]:
    """Returns the arrays `wanted`, and those of `optional` that are there, without ever unpickling.

    Raises:
        ValueError: if the file is missing or corrupt, or lacks a wanted array.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        there = "a folder is at" if path.is_dir() else "no file"
        raise ValueError(
            f"{there} {path}; a .npz archive{' with ' if wanted else ''}{', '.join(wanted)} is wanted there"
        )
    found, arrays, reading = [], {}, ""
    try:
        refuse_other_kinds(path)
        with np.load(path, allow_pickle=False) as archive:
            found = list(archive.files)
            for reading in [name for name in [*wanted, *(optional or [])] if name in found]:
                arrays[reading] = archive[reading]
    except (BadZipFile, ZlibError, EOFError, OSError, RuntimeError, ValueError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if "allow_pickle" in reason:
            reason = f"{reading} holds Python objects, such as rows of different lengths or a list of texts"
        raise ValueError(
            f"{path} is no sound .npz archive ({reason}); save it again, as arrays of numbers with np.savez"
        ) from error
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise ValueError(f"{path} holds {sorted(found)} but not {missing}; save the arrays under these names")
    return arrays


def first_array(path: str | Path, names: Sequence[str]) -> tuple[str, np.ndarray]:
    """Returns the first of these arrays that an archive holds, after its name; no other is read.

    Raises:
        ValueError: if it holds none of them, or is no sound archive.
    """
    read_npz(path, [])
    with ZipFile(Path(path).expanduser()) as archive:
        there = [name.removesuffix(".npy") for name in archive.namelist()]
    found = [name for name in names if name in there]
    if not found:
        raise ValueError(f"{path} holds {sorted(there)} but not {' or '.join(names)}; save the rows under such a name")
    return found[0], read_npz(path, found[:1])[found[0]]


def refuse_other_kinds(path: Path) -> None:
    """Raises a ValueError if a file does not begin like an archive."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"\x93NUMPY"):
        raise ValueError("it is one array, as np.save writes it")
    if not start.startswith(b"PK"):
        raise ValueError(f"it begins with {start!r}" if start else "it is empty")


def decode_jpeg(source: str, joined: np.ndarray, offsets: np.ndarray, rows: np.ndarray, size: int | None) -> np.ndarray:
    """Returns pictures joined[offsets[row]:offsets[row + 1]] as bytes (N, 3, H, W), cut to `size` unless `None`.

    Raises:
        ValueError: if offsets and bytes disagree, a picture is unreadable or sizes differ; it names `source`.
    """
    if offsets[0] != 0 or offsets[-1] != len(joined) or (np.diff(offsets) < 0).any():
        raise ValueError(f"{source}: offsets must rise from 0 to {len(joined)}, the number of bytes of all pictures")
    decoded = [decode_one(source, row, joined[offsets[row] : offsets[row + 1]], size) for row in rows.tolist()]
    height, width, _ = decoded[0].shape
    other = next((position for position, picture in enumerate(decoded) if picture.shape != decoded[0].shape), None)
    if other is not None:
        raise ValueError(
            f"{source}: picture {rows[other]} is {' x '.join(map(str, decoded[other].shape[:2]))} pixels, "
            f"the first is {height} x {width}; set dataset.size to bring all to one size"
        )
    return np.ascontiguousarray(np.stack(decoded).transpose(0, 3, 1, 2))


def decode_one(source: str, row: int, jpeg: np.ndarray, size: int | None) -> np.ndarray:
    """Returns one picture as bytes (H, W, 3)."""
    try:
        picture = rgb(BytesIO(jpeg.tobytes()))
    except ValueError as error:
        raise ValueError(f"{source}: picture {row} cannot be read ({error}); replace it or drop it") from error
    return np.asarray(picture if size is None else fit_square(picture, size))
