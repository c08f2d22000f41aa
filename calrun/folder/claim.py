"""Who holds a folder: one process at a time, on any file system, local or shared.

A claim is a file `.claim-N` that only one process can make; the time of its last change is its holder's heartbeat. A
process that finds the newest claim dead makes number N + 1, which again only one can do, so that one of two takers
wins. The newest claim is the one that counts.
"""

import errno
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from calrun.machine.files import BROKEN
from calrun.machine.job import Job, this_job
from calrun.machine.process import began, machine

STALE_SECONDS = 300.0  # silence after which a holder has lost its claim
BEATS = 10  # heartbeats in that time
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # errors of a file system without hard links


@dataclass(frozen=True)
class Holder:
    """The process that made a claim.

    Args:
        token: tells this claim from every other.
        machine: where the process is; processes with the same text can find each other by number.
        pid: its process number.
        began: when the process began, in its kernel's units, so that a number used again is not taken for it.
        job: the cluster job that it is part of.
        sweep: the multirun that it is part of; empty outside one.
    """

    token: str
    machine: str
    pid: int
    began: str
    job: Job
    sweep: str

    @classmethod
    def this_process(cls, sweep: str = "") -> "Holder":
        """Returns this process as a holder."""
        pid = os.getpid()
        return cls(secrets.token_hex(8), machine(), pid, began(pid) or "", this_job(), sweep)

    @classmethod
    def parsed(cls, text: str) -> "Holder | None":
        """Returns the holder that a claim names; `None` if it is damaged or not yet written."""
        try:
            said = json.loads(text)
            return cls(**{**said, "pid": int(said["pid"]), "job": Job(**said["job"])})
        except BROKEN:
            return None

    def __str__(self) -> str:
        job = f" of job {self.job.id}" if self.job.id else ""
        return f"process {self.pid} on {self.machine.split()[0]}{job}"

    def is_over(self) -> bool:
        """Tells whether the holder is known to have ended, without waiting for its heartbeat to fail."""
        mine = this_job()
        if self.job.id and self.job.id == mine.id and self.job.attempt < mine.attempt:
            return True  # a job is requeued only after its attempt has ended
        if self.machine != machine():
            return False
        now = began(self.pid)
        return now is not None and now != self.began


@dataclass(frozen=True)
class Found:
    """A claim as it was found in a folder.

    Args:
        holder: who made it; `None` if the file cannot be read.
        beat: time of the holder's last heartbeat, by the file system's clock.
    """

    path: Path
    number: int
    holder: Holder | None
    beat: float

    def is_dead(self, now: float, stale_seconds: float = STALE_SECONDS) -> bool:
        """Tells whether the claim may be taken over."""
        return now - self.beat > stale_seconds or (self.holder is not None and self.holder.is_over())

    def __str__(self) -> str:
        """Returns who holds the claim, and what shows whether it is alive."""
        if self.holder is not None and self.holder.is_over():
            return f"{self.holder} is gone"
        last = datetime.fromtimestamp(self.beat, UTC).isoformat(timespec="seconds")
        return f"last heartbeat {last} from {self.holder or 'an unknown process'}"


class HeldError(ValueError):
    """Another process holds the folder."""

    def __init__(self, folder: Path, found: Found, stale_seconds: float) -> None:
        self.found = found
        super().__init__(
            f"another process is running in {folder} ({found}); wait for it, stop it, or change the configuration "
            f"(a process that is silent for {stale_seconds:g} s has lost the folder)"
        )


class LostError(ValueError):
    """This process held the folder and no longer does."""


class Claim:
    """This process's hold on a folder, kept alive by a thread, which no forked process inherits.

    Args:
        folder: must exist.
        name: part of the claim file's name; a folder may be held for several purposes.
        stale_seconds: how long a holder may be silent.
        sweep: the multirun that this process is part of.

    Raises:
        HeldError: if a living process holds the folder.
    """

    def __init__(
        self, folder: Path, name: str = "claim", stale_seconds: float = STALE_SECONDS, sweep: str = ""
    ) -> None:
        self.folder, self.name, self.stale_seconds = folder, name, stale_seconds
        self.holder = Holder.this_process(sweep)
        self.path = self._take()
        self.released = threading.Event()
        threading.Thread(target=self._live, name=f"heartbeat of {self.path}", daemon=True).start()

    def require(self) -> None:
        """Gives a heartbeat and makes sure that the claim still counts; called before anything is written.

        Raises:
            LostError: if another process has taken the folder over, or it was deleted.
        """
        if self._beat():
            return
        found = newest(self.folder, self.name) if self.folder.is_dir() else None
        if found is None:
            raise LostError(
                f"{self.folder} was deleted while this process held it, or its claim's file was; it ends here: the "
                "same command goes on from what is there"
            )
        raise LostError(
            f"{self.folder} was taken from this process, which had been silent too long ({found}); it ends here and "
            "leaves the folder as it is: the same command goes on if no other does"
        )

    def release(self) -> None:
        """Lets other processes have the folder; does nothing in a process that was forked off the holder."""
        if os.getpid() != self.holder.pid:
            return
        self.released.set()
        with suppress(OSError):
            if _holder(self.path) == self.holder:  # even if it no longer counts, or it would come back
                self.path.unlink()

    def _take(self) -> Path:
        beside = self.folder / f".{self.name}-{self.holder.token}.part"
        try:
            beside.write_text(json.dumps(asdict(self.holder)) + "\n")
            while True:
                dead = self._dead(beside)
                path = self.folder / f".{self.name}-{dead[-1].number + 1 if dead else 1}"
                if _made(beside, path):
                    break
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        self._clear(path, dead)
        return path

    def _dead(self, beside: Path) -> list[Found]:
        """Returns the claims that this process may replace, the newest last."""
        os.utime(beside)
        now = beside.stat().st_mtime  # the file system's clock, which also times heartbeats
        there = list(claims(self.folder, self.name))
        if there and not there[-1].is_dead(now, self.stale_seconds):
            raise HeldError(self.folder, there[-1], self.stale_seconds)
        return there

    def _clear(self, path: Path, dead: list[Found]) -> None:
        """Removes the dead claims, and gives way to one that came while this process looked."""
        for found in claims(self.folder, self.name):
            if found.path == path:
                continue
            if (found.path, found.holder) not in [(claim.path, claim.holder) for claim in dead]:
                path.unlink(missing_ok=True)
                raise HeldError(self.folder, found, self.stale_seconds)
            with suppress(OSError):  # another user's, where only owners may remove files: the newest counts anyway
                found.path.unlink()

    def _counts(self) -> bool:
        try:
            found = newest(self.folder, self.name)
        except FileNotFoundError:  # somebody has deleted the folder
            return False
        return found is not None and found.holder is not None and found.holder.token == self.holder.token

    def _beat(self) -> bool:
        """Gives a heartbeat, and tells whether the claim counts."""
        if not self._counts():
            return False
        with suppress(FileNotFoundError):
            os.utime(self.path)
        return self._counts()

    def _live(self) -> None:
        while not self.released.wait(self.stale_seconds / BEATS):
            with suppress(OSError):  # a shared file system may be away for a while
                if not self._beat():
                    return


def claims(folder: Path, name: str = "claim") -> Iterator[Found]:
    """Yields the claims in a folder, the newest last; changes nothing."""
    pattern = re.compile(rf"\.{re.escape(name)}-(\d+)")
    numbers = sorted(int(match[1]) for entry in folder.iterdir() if (match := pattern.fullmatch(entry.name)))
    for number in numbers:
        path = folder / f".{name}-{number}"
        with suppress(FileNotFoundError):  # released meanwhile
            yield Found(path, number, _holder(path), path.stat().st_mtime)


def newest(folder: Path, name: str = "claim") -> Found | None:
    """Returns the claim that counts, if there is one; changes nothing."""
    found = list(claims(folder, name))
    return found[-1] if found else None


def is_held(folder: Path) -> bool:
    """Tells whether a living process holds a folder, which need not exist; changes nothing."""
    found = newest(folder) if folder.is_dir() else None
    return found is not None and not found.is_dead(time.time())


def _holder(path: Path) -> Holder | None:
    try:
        return Holder.parsed(path.read_text(encoding="utf-8", errors="replace"))
    except PermissionError:  # another user's: its heartbeat can be seen all the same
        return None


def _made(beside: Path, path: Path) -> bool:
    """Makes a claim from a whole file; tells whether it did, or another process was faster."""
    try:
        os.link(beside, path)
    except FileExistsError:
        return path.exists() and path.samefile(beside)  # a network may repeat a link that has worked
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return _made_alone(beside, path)
    return True


def _made_alone(beside: Path, path: Path) -> bool:
    """Does the same without hard links; until the text is there, only the heartbeat shows that somebody holds it."""
    try:
        with path.open("x") as file:
            file.write(beside.read_text())
    except FileExistsError:
        return False
    return True
