"""Worker processes: whom they heed, and when they die."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.source.picture import Picture
from calrun.dataset.source.streamed import Streamed
from calrun.dataset.source.transform import Transform
from calrun.machine.children import run_bound, signals_held

FORK = get_context("fork")
SECONDS = 10.0


class Slow(Picture):
    """Takes its time, so that workers are at work when a signal comes."""

    def read(self, *arguments: Any) -> Any:
        time.sleep(0.02)
        return super().read(*arguments)


def decode(folder: Path, pause: float) -> None:
    """Reads pictures with two new workers over and over; every signal that is heard, and every round, makes a file.

    `pause` is the time that a batch takes, while workers wait for more to do.
    """
    for signum in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda number, _: (folder / f"heard {number} {os.getpid()}").touch())
    names = [f"{number}.png" for number in range(12)]
    transform = Transform([0.0] * 3, [1.0] * 3)
    source = Streamed(folder, names, np.zeros(12, dtype=int), Slow(8, 8, 1.0, False), transform, num_workers=2)
    for number in range(1000):
        for _, x in source.batches(np.arange(12), 2):
            assert len(x) == 2
            time.sleep(pause)
        (folder / f"read {number}").touch()


def wait_for(condition: Callable[[], object], seconds: float = SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def decoding(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[BaseProcess, Path]]:
    """A process in a group of its own that reads pictures, with two workers."""
    for number in range(12):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")

    def begin() -> None:
        os.setpgid(0, 0)
        decode(tmp_path, request.param)

    process = FORK.Process(target=begin)
    process.start()
    assert process.pid is not None
    assert wait_for(lambda: len(children_of(process.pid)) == 2)
    yield process, tmp_path
    process.kill()
    process.join()


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@linux
@pytest.mark.parametrize("decoding", [0.0], indirect=True)
@pytest.mark.parametrize("name", ["SIGUSR2", "SIGTERM", "SIGINT"])
def test_workers_are_deaf_to_what_their_parents_group_is_sent(name: str, decoding: tuple[BaseProcess, Path]) -> None:
    process, folder = decoding
    assert process.pid is not None
    for _ in range(10):  # at some of these moments workers are being forked
        os.killpg(process.pid, getattr(signal, name))
        time.sleep(0.03)
    before = len(list(folder.glob("read *")))
    assert wait_for(lambda: len(list(folder.glob("read *"))) > before + 1)
    assert {path.name for path in folder.glob("heard *")} == {f"heard {int(getattr(signal, name))} {process.pid}"}


@linux
@pytest.mark.parametrize("decoding", [60.0], indirect=True)
def test_workers_that_wait_for_work_die_with_their_parent(decoding: tuple[BaseProcess, Path]) -> None:
    process, _ = decoding
    assert process.pid is not None
    workers = children_of(process.pid)
    time.sleep(0.5)  # until they have nothing to do
    process.kill()
    process.join()
    assert wait_for(lambda: not any(lives(worker) for worker in workers), seconds=3)  # torch's own watch takes 5


@linux
def test_a_command_dies_with_the_process_that_runs_it() -> None:
    process = FORK.Process(target=run_bound, args=(["sleep", "60"],))
    process.start()
    assert process.pid is not None
    assert wait_for(lambda: children_of(process.pid))
    (command,) = children_of(process.pid)
    process.kill()
    process.join()
    assert wait_for(lambda: not lives(command), seconds=3)
    assert run_bound(["sh", "-c", "exit 3"]) == 3


def test_a_signal_waits_until_all_workers_are_there_whichever_thread_it_reaches() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: heard.append(number))
    done = threading.Event()
    other = threading.Thread(target=done.wait)  # the mask of one thread sends a signal to another
    other.start()
    try:
        with signals_held():
            os.kill(os.getpid(), signal.SIGUSR2)
            time.sleep(0.01)
            assert heard == []
        assert heard == [signal.SIGUSR2]
    finally:
        done.set()
        other.join()
        signal.signal(signal.SIGUSR2, before)
