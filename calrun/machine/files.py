"""Files that are either the old ones or the new ones, whenever a process is killed."""

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar
from zipfile import BadZipFile

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
    BadZipFile,
)


def replace_file(path: Path, write: Callable[[Path], object], durable: bool = True) -> None:
    """Lets `write` make a file beside `path`, then renames it; on any failure `path` is as it was.

    `durable` waits until the disk has it.

    Raises:
        OSError: if the disk is full or read-only; the name of the file is in the error.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.part")
    try:
        write(beside)
        if durable:
            _sync(beside)
        beside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
    if durable:
        with suppress(OSError):  # not every file system can
            _sync(path.parent)


def replace_text(path: Path, text: str, durable: bool = True) -> None:
    """Replaces a text file."""
    replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8"), durable)


def replace_tensors(path: Path, state: dict[str, Any]) -> None:
    """Replaces a file of tensors and numbers; through memory, because torch hides a full disk in a RuntimeError."""
    import torch  # not above: who reads folders needs no torch

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
    """Makes a folder and those above it; each lets the group write if the one that it is in does."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(exist_ok=True)
    mode, above = path.stat().st_mode, path.parent.stat().st_mode
    if above & stat.S_IWGRP and not mode & stat.S_IWGRP:
        with suppress(OSError):  # another process of another user may have made it meanwhile
            path.chmod(stat.S_IMODE(mode) | stat.S_IWGRP)


def remove_parts(folder: Path) -> None:
    """Removes the half-written files that a killed process has left anywhere in a folder that this process holds."""
    for path in folder.rglob(".*.part"):
        if path.is_file():
            path.unlink(missing_ok=True)


def readable(path: Path, load: Callable[[Path], Content]) -> Content | None:
    """Returns what `load` makes of a file that a run can do without, or `None`; says so if it is there but damaged."""
    try:
        return load(path)
    except FileNotFoundError:
        return None
    except (OSError, *BROKEN) as error:
        warn(f"{path} cannot be read ({type(error).__name__}); going on without it")
        return None


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Names the file that cannot be understood while it is read.

    Raises:
        ValueError: in place of what a reader says about broken text, numbers or tensors.
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
