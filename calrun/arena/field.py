"""Plays the cells that a bank lacks, in processes of one thread each; what fails is told, and the others go on."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import torch

from calrun.arena.bank import Bank
from calrun.arena.entrants import Entrant
from calrun.arena.player import Ground, play
from calrun.arena.sets import FeatureSet, load_set
from calrun.arena.settings import Settings
from calrun.machine.children import heed_the_parent, signals_held

FEWEST_EACH = 8  # cells below which another process is not worth its start
AHEAD = 4  # cells that wait for each process
TOLD_SECONDS = 20.0


@dataclass(frozen=True)
class Cell:
    """One cell to be played: an acquisition on a data set, with a budget and a seed.

    Args:
        entrant: the acquisition.
        name: of the data set.
        place: its archive.
        budget: its name.
        sizes: labels of each round.
        seed: of the cell.
        identity: see calrun/arena/identity.py.
    """

    entrant: Entrant
    name: str
    place: Path | None
    budget: str
    sizes: tuple[int, ...]
    seed: int
    identity: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """A cell that could not be played, and why."""

    acquisition: str
    name: str
    budget: str
    seed: int
    why: str

    def said(self) -> str:
        return f"{self.acquisition} failed on {self.name} ({self.budget} budget, seed {self.seed}) {self.why}"


@lru_cache(maxsize=16)
def loaded(name: str, place: Path | None) -> FeatureSet:
    """Returns a data set; a process reads it once."""
    return load_set(name, place)


@lru_cache(maxsize=4)
def ground_of(name: str, place: Path | None, seed: int, settings: Settings) -> Ground:
    """Returns the ground of a seed."""
    return Ground.of(loaded(name, place), seed, settings)


def play_cell(cell: Cell, folder: Path, settings: Settings) -> Failure | None:
    """Plays a cell and keeps it in the bank, or says why it cannot be played."""
    try:
        ground = ground_of(cell.name, cell.place, cell.seed, settings)
        played = play(ground, cell.entrant.made(), list(cell.sizes), cell.seed, settings)
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        return Failure(cell.entrant.name, cell.name, cell.budget, cell.seed, why)
    Bank(folder).write(cell.identity, played)
    return None


def play_cells(
    cells: Sequence[Cell], folder: Path, settings: Settings, processes: int, tell: Callable[[str], None]
) -> list[Failure]:
    """Plays cells; each is in the bank as soon as it is played.

    Raises:
        ValueError: if a process ends in the middle of a cell.
    """
    workers = max(1, min(processes, len(cells) // FEWEST_EACH))
    answers = alone(cells, folder, settings) if workers == 1 else together(cells, folder, settings, workers)
    failures, started, told = [], time.monotonic(), time.monotonic()
    for number, answer in enumerate(answers, start=1):
        failures += [answer] if answer is not None else []
        if time.monotonic() - told > TOLD_SECONDS:
            told = time.monotonic()
            left = (told - started) / number * (len(cells) - number)
            tell(f"{number:,} of {len(cells):,} cells played, about {left / 60:.0f} min left")
    return failures


def alone(cells: Sequence[Cell], folder: Path, settings: Settings) -> Iterator[Failure | None]:
    """Plays cells in this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for cell in cells:
            yield play_cell(cell, folder, settings)
    finally:
        torch.set_num_threads(before)


def together(cells: Sequence[Cell], folder: Path, settings: Settings, workers: int) -> Iterator[Failure | None]:
    """Plays cells in several processes, which die with this one."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # for the processes: this one has read them already
    waiting = list(reversed(cells))
    executor = ProcessPoolExecutor(workers, get_context("spawn"), initializer=begin, initargs=(os.getpid(),))
    try:
        running = set[Future[Failure | None]]()
        while waiting or running:
            with signals_held():
                while waiting and len(running) < AHEAD * workers:
                    running.add(executor.submit(play_cell, waiting.pop(), folder, settings))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise ValueError(
            "a process of the arena has ended in the middle of a cell, perhaps for want of memory; the same command "
            "goes on from what is in the bank (--processes 1 takes half the memory)"
        ) from error
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in active_children():
            child.terminate()


def begin(parent: int) -> None:
    """Begins a process: one thread, and it ends with its parent."""
    heed_the_parent(parent)
    torch.set_num_threads(1)
