"""Output streams that never end the command, whatever their reader does.

A reader may go away (`| head`, a closed terminal), and may be unable to show every character (LC_ALL=C).
"""

import io
import os
import sys
from errno import EIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class PatientFile(io.FileIO):
    """A file that throws away what nobody is there to read."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Writes what the reader takes; once the reader is gone, nothing is written and nothing fails."""
        try:
            return super().write(data) or 0
        except OSError as error:
            if not isinstance(error, BrokenPipeError) and error.errno != EIO:  # EIO: the terminal is closed
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # so that processes started later find no closed pipe either
            os.close(nowhere)
            return memoryview(data).nbytes


def make_patient() -> None:
    """Gives this process streams that outlive their readers, and show ? for a character that the terminal cannot."""
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _patient(sys.stdout)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _patient(sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _patient(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    binary = io.BufferedWriter(PatientFile(stream.fileno(), "wb", closefd=False))
    return io.TextIOWrapper(
        binary, stream.encoding, newline="\n", line_buffering=stream.line_buffering, write_through=stream.write_through
    )
