"""Files that name items: one a line (.txt, .csv), or as an array (.npy)."""

import csv
from io import StringIO
from pathlib import Path

import numpy as np

from calrun.machine.files import decoded

HEADINGS = ("item_id", "item", "id", "row", "index")  # of the column that names items, in order of preference


def read_items(option: str, path: Path) -> list[str]:
    """Returns the names of items in a file, numbers as text.

    Args:
        option: that names the file, for errors.
        path: of the file; lines of a .csv file with several columns are read by its heading.

    Raises:
        ValueError: if the file is missing, of another kind, cannot be read, or names nothing.
    """
    readers = {".txt": lines_in, ".csv": column_in, ".npy": array_in}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{option} wants a file that ends with {', '.join(readers)}, got {path}")
    try:
        items = reader(path)
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise ValueError(f"{option} {path} cannot be read as names of items, one a line ({error})") from error
    if not items:
        raise ValueError(f"{option} {path} names no item; give it some, or set the option to null")
    return items


def lines_in(path: Path) -> list[str]:
    return [line.strip() for line in decoded(path.read_bytes()).splitlines() if line.strip()]


def column_in(path: Path) -> list[str]:
    """Returns the one column of a .csv file, with or without a heading, or the one of several that names items."""
    lines = [line for line in csv.reader(StringIO(decoded(path.read_bytes()))) if any(map(str.strip, line))]
    if not lines:
        return []
    heading = [name.strip().lower() for name in lines[0]]
    known = [name for name in HEADINGS if name in heading]
    if len(heading) > 1 and not known:
        raise ValueError(f"its columns are {', '.join(heading)}, and none is called {', '.join(HEADINGS)}")
    column = heading.index(known[0]) if known else 0
    return [line[column].strip() for line in lines[bool(known) :] if len(line) > column]


def array_in(path: Path) -> list[str]:
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype.kind not in "iuU":
        kind = f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else "an archive"
        raise ValueError(f"it holds {kind}; whole numbers or texts in one row are wanted")
    return [str(item) for item in found.tolist()]
