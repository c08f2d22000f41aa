"""A run that was killed after its last commit: finished, though it could no longer say so or tidy up."""

from contextlib import suppress
from pathlib import Path

from calrun.folder.begun import recorded_in
from calrun.folder.claim import HeldError, newest
from calrun.folder.status import run_status, said_state


def settle(folder: Path, keep_states: bool) -> None:
    """Says that such a run is finished and tidies it up; a folder that cannot be written stays as it is.

    Args:
        folder: the folder of a run that has nothing left to play.
        keep_states: whether every round's state stays on disk.
    """
    config = recorded_in(folder)
    if not config or run_status(folder).state != "finished":
        return
    if newest(folder) is None and said_state(folder) == "finished":
        return
    from calrun.folder.record import Record  # here: it imports numpy, and hardly any finished run comes this far

    with suppress(OSError, HeldError):
        record = Record(folder, config)
        try:
            number = len(record.rounds())
            record.tidy(number, keep_states)
            record.finish(number)
        finally:
            record.close()
