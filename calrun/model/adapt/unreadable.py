"""Why a file is no checkpoint that can be read, from what it begins and ends with: readers' own words seldom say it."""

import re
import zipfile
from pathlib import Path

from calrun.model.adapt.adapter import first_line

ZIP, PICKLE, NUMPY = b"PK\x03\x04", b"\x80", b"\x93NUMPY"  # what files begin with
WEIGHTS_IN_ZIP = "data.pkl"  # of torch.save
SHOWN_BYTES = 8
READ_BYTES = 2**24  # of a record at a time
COPY = "copy or save it again"
OBJECTS = (
    "holds Python objects, such as a whole network, which loading would run; where they came from, save "
    "net.state_dict() alone with torch.save"
)


def unreadable(path: Path, error: Exception) -> str:
    """Returns what is wrong with a file and what to do about it, as the end of a sentence about it.

    Args:
        path: of the file, which a reader has refused.
        error: what the reader said.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(max(SHOWN_BYTES + 1, len(NUMPY)))
    if not size:
        return f"is empty (0 bytes); {COPY}"
    if is_safetensors(path):
        return f"is a truncated or damaged safetensors file of {size:,} bytes ({said(error)}); {COPY}"
    if start.startswith(ZIP):
        return in_zip(path, error)
    if re.search(r"Unsupported (global|class)|GLOBAL |TorchScript", str(error)) or start.startswith(PICKLE):
        return OBJECTS
    if start.startswith(NUMPY):
        return "is an array of NumPy; save weights by name with torch.save or safetensors"
    return (
        f"begins with {start[:SHOWN_BYTES]!r}, as no file of torch.save or safetensors does; give the file of weights"
    )


def in_zip(path: Path, error: Exception) -> str:
    """Returns what is wrong with a file that begins as a zip, which files of torch.save are."""
    if not zipfile.is_zipfile(path):
        return f"is truncated: it has {path.stat().st_size:,} bytes and lacks its end; {COPY}"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if not any(name.endswith(WEIGHTS_IN_ZIP) for name in names):
            return f"is a zip of something else (first: {', '.join(names[:3])}); give the file of weights in it"
        if re.search(r"Unsupported (global|class)|GLOBAL |TorchScript", str(error)):  # a pickle of more than tensors
            return OBJECTS
    return f"is damaged ({said(error)}); {COPY}"


def changed_records(path: Path) -> str:
    """Returns which records of a file of torch.save have not the checksum that was written with them, in words.

    A file in which no record has one was written without them (torch.serialization.set_crc32_options).
    """
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        changed = [name for name in names if not has_checksum(archive, name)]
    if not changed or len(changed) == len(names):
        return ""
    return f"{len(changed)} of its {len(names)} records have changed since it was written (first: {changed[0]})"


def has_checksum(archive: zipfile.ZipFile, name: str) -> bool:
    """Tells whether the bytes of a record are those that it was written with."""
    try:
        with archive.open(name) as record:
            while record.read(READ_BYTES):
                pass
    except zipfile.BadZipFile:
        return False
    return True


def is_safetensors(path: Path) -> bool:
    """Tells whether a file is one of safetensors: 8 bytes of length, then a header in JSON; or its name says so."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" or (path.suffix == ".safetensors" and not start.startswith((ZIP, PICKLE)))


def said(error: Exception) -> str:
    """Returns the first sentence of an error, without terminal colours; what torch adds to it is unsafe advice."""
    text = re.sub(r"\x1b\[[0-9;]*m|[\x00-\x1f\x7f]", " ", first_line(error))
    return f"{type(error).__name__}: {' '.join(text.split()).split('. ')[0]}"
