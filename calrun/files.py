"""Files that are either the old ones or the new ones, whenever a process is killed."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch


def replace_file(path: Path, write: Callable[[Path], object], durable: bool = True) -> None:
    """Lets `write` make a file beside `path`, then renames it; on any failure `path` is as it was.

    `durable` waits until the disk has it.

    Raises:
        OSError: if the disk is full or read-only; the name of the file is in the error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    try:
        write(beside)
        if durable:
            with beside.open("rb") as file:
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise


def replace_text(path: Path, text: str, durable: bool = True) -> None:
    """Replaces a text file."""
    replace_file(path, lambda beside: beside.write_text(text), durable)


def replace_tensors(path: Path, state: dict[str, Any]) -> None:
    """Replaces a file of tensors and numbers; through memory, because torch hides a full disk in a RuntimeError."""
    packed = io.BytesIO()
    torch.save(state, packed)

    def write(beside: Path) -> None:  # not write_bytes: in its traceback a view would outlive the buffer
        with packed.getbuffer() as view, beside.open("wb") as file:
            file.write(view)

    replace_file(path, write)


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Names the file that cannot be understood while it is read.

    Raises:
        ValueError: in place of what a reader says about broken text, numbers or tensors.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, EOFError, RuntimeError, UnpicklingError) as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}); put back a copy that is whole, or remove {path.parent} to "
            "play the run anew"
        ) from error
