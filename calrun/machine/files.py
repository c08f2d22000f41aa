"""Reads texts as users write them, and replaces files so that a kill at any moment leaves the old or the new one."""

import codecs
import io
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar

from calrun.text.say import warn

Content = TypeVar("Content")
BROKEN = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    EOFError,
    RuntimeError,
    UnpicklingError,
    zipfile.BadZipFile,
)


def replace_file(path: Path, write: Callable[[Path], object], durable: bool = True, shared: bool = False) -> None:
    """Lets `write` make a file beside `path`, then renames it; on any failure `path` is as it was.

    Args:
        path: the file to replace.
        write: is called with the path beside it.
        durable: whether to wait until the disk has the file.
        shared: whether other processes may write the same file meanwhile; the last to finish wins.

    Raises:
        OSError: if the disk is full or read-only; the name of the file is in the error.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part" if shared else f".{path.name}.part")
    try:
        write(beside)
        if durable:
            _sync(beside)
        beside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a library may have named a file of its own beside it
        raise
    if durable:
        with suppress(OSError):  # not every file system can sync a folder
            _sync(path.parent)


def replace_text(path: Path, text: str, durable: bool = True) -> None:
    """Replaces a text file."""
    replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8"), durable)


def replace_tensors(path: Path, state: dict[str, Any]) -> None:
    """Replaces a file of tensors and numbers, through memory, because torch hides a full disk in a RuntimeError."""
    import torch  # not above: reading folders needs no torch

    packed = io.BytesIO()
    torch.save(state, packed)

    def write(beside: Path) -> None:  # not write_bytes: in its traceback a view would outlive the buffer
        with packed.getbuffer() as view, beside.open("wb") as file:
            file.write(view)

    replace_file(path, write)


def replace_if_possible(path: Path, text: str) -> None:
    """Replaces a text file that nothing depends on, or says why not: it never stops a run."""
    try:
        replace_text(path, text, durable=False)
    except OSError as error:
        warn(f"{path} cannot be written ({error.strerror or error}); going on without it")


def make_folder(path: Path) -> None:
    """Makes a folder and those above it; each lets its group write if the folder above it does."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(exist_ok=True)
    mode, above = path.stat().st_mode, path.parent.stat().st_mode
    if above & stat.S_IWGRP and not mode & stat.S_IWGRP:
        with suppress(OSError):  # another user's process may have made it meanwhile
            path.chmod(stat.S_IMODE(mode) | stat.S_IWGRP)


def remove_parts(folder: Path) -> None:
    """Removes the half-written files that a killed process has left anywhere in a folder that this process holds."""
    for path in folder.rglob(".*.part"):
        if path.is_file():
            path.unlink(missing_ok=True)


def load_tensors(path: Path) -> dict[str, Any]:
    """Reads a file of tensors and numbers; checks every byte, because torch itself accepts altered tensors.

    Raises:
        BadZipFile: if a byte has changed.
    """
    import torch  # as above

    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise zipfile.BadZipFile
    loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def readable(path: Path, load: Callable[[Path], Content], instead: str = "going on without it") -> Content | None:
    """Returns what `load` makes of a file that a run can do without; `None` if it is missing or damaged.

    Args:
        path: the file.
        load: reads it.
        instead: what happens if it is damaged, as the user is told.
    """
    try:
        return load(path)
    except FileNotFoundError:
        return None
    except (OSError, *BROKEN) as error:
        warn(f"{path} cannot be read ({type(error).__name__}); {instead}")
        return None


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Names the file in the errors that arise while it is read.

    Raises:
        ValueError: if the file is missing, and in place of errors about broken text, numbers or tensors.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; {_advice(path)}") from error
    except BROKEN as error:
        raise damaged(path, type(error).__name__) from error


def damaged(path: Path, why: str) -> ValueError:
    """Returns the refusal of a file that a run cannot do without."""
    return ValueError(f"{path} is damaged ({why}); {_advice(path)}")


def _advice(path: Path) -> str:
    return f"put back a copy that is whole, or add --fresh to move {path.parent} aside and play the run anew"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def decoded(content: bytes) -> str:
    """Returns the text of a file, in UTF-8 or, if its byte order mark says so, UTF-16; the mark is left out."""
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if utf_16 else "utf-8-sig")
