"""Checks the pictures of a folder before anything is trained on them, and reports all unusable ones together."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from rich.console import Console

from calrun.dataset.check.pixels import WHITE_16, eight_bit, is_16_bit, loaded, reason
from calrun.dataset.check.verdicts import Verdict, Verdicts
from calrun.machine.process import num_cpus
from calrun.rng import numpy_rng

Level = Literal["all", "sample", "off"]

SAMPLE = 1_000  # pictures that `sample` decodes
FILES_PER_TASK = 32  # files that a thread still finishes when the check is interrupted
KEEP_SECONDS = 30.0  # time between two saves of the verdicts, so that a kill does not lose them all
DARK = 8  # 16-bit pictures that stay below white / 8 would use 5 of their 8 bits or fewer


def faulty(root: Path, files: Sequence[str], white: float | None, level: Level) -> dict[str, str]:
    """Returns the files that cannot be used, each with the reason.

    Decoding runs in threads, which end with the process; verdicts are kept, even if the check is interrupted.

    Args:
        root: the folder that `files` are relative to.
        files: names with slashes.
        white: see `calrun.dataset.source.picture.Picture`.
        level: `all` decodes every file, `sample` decodes 1,000 and reads the headers of the others, `off` reads none.

    Raises:
        ValueError: if the 16-bit pictures are nearly black.
    """
    if level == "off":
        return {}
    whole = decoded_files(files, level)
    verdicts = Verdicts.of(root, white)
    known, open_questions = verdicts.known, []
    for name in files:
        stat = stat_of(root / name)
        verdict = known.get(name)
        if verdict is None or not verdict.covers(*stat, name in whole):
            open_questions.append((name, stat))
    if open_questions:
        examine(root, open_questions, whole, white, verdicts)
    if white is None:
        refuse_dark(root, [known[name].peak for name in files])
    return {name: fault for name in files if (fault := known[name].fault) is not None}


def decoded_files(files: Sequence[str], level: Level) -> set[str]:
    """Returns the files whose pixels are read: all, or the same sample at every start."""
    if level == "all" or len(files) <= SAMPLE:
        return set(files)
    return {files[row] for row in numpy_rng(0, 0, "checked pictures").choice(len(files), SAMPLE, replace=False)}


def examine(
    root: Path,
    questions: Sequence[tuple[str, tuple[int, int]]],
    whole: set[str],
    white: float | None,
    verdicts: Verdicts,
) -> None:
    """Fills in the verdicts on files about which nothing is known, and keeps them whatever ends the check."""

    def task(part: Sequence[tuple[str, tuple[int, int]]]) -> dict[str, Verdict]:
        return {name: verdict_on(root / name, stat, name in whole, white) for name, stat in part}

    parts = [questions[start : start + FILES_PER_TASK] for start in range(0, len(questions), FILES_PER_TASK)]
    with counting(len(questions)) as count, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of decoders, about faults that do not keep them from reading
        pool, kept = ThreadPoolExecutor(num_cpus()), time.monotonic()
        try:
            for future in as_completed([pool.submit(task, part) for part in parts]):
                verdicts.known.update(future.result())
                count(len(future.result()))
                if time.monotonic() - kept > KEEP_SECONDS:
                    verdicts.keep()
                    kept = time.monotonic()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            verdicts.keep()


def verdict_on(path: Path, stat: tuple[int, int], decode: bool, white: float | None) -> Verdict:
    """Returns the verdict on a file, from all of it or from its header alone."""
    peak = None
    try:
        if path.exists() and not path.is_file():  # a pipe would never answer
            raise ValueError("it is no regular file")
        if not decode:
            with Image.open(path):
                return Verdict(*stat, decoded=False)
        picture = loaded(path)
        if white is None and is_16_bit(picture):
            peak = int(np.asarray(picture).max())
        eight_bit(picture, white)
    except Exception as error:  # decoders answer damaged bytes with errors of many kinds
        return Verdict(*stat, decode, reason(error, path))
    return Verdict(*stat, decode, peak=peak)


def stat_of(path: Path) -> tuple[int, int]:
    """Returns the bytes and the time of modification (ns) of a file, or (-1, -1) if it cannot be reached."""
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def refuse_dark(root: Path, peaks: Sequence[int | None]) -> None:
    """Refuses 16-bit pictures that fill so little of their range that 8 bits would lose them."""
    deep = [peak for peak in peaks if peak is not None]
    if deep and DARK * max(deep) < WHITE_16:
        raise ValueError(
            f"the {len(deep)} 16-bit pictures below {root} hold values up to {max(deep)} of {WHITE_16} and would be "
            f"nearly black; set dataset.picture.white to the value that is to be white, {max(1, max(deep))} or more"
        )


@contextmanager
def counting(total: int) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many pictures have been checked; elsewhere it shows nothing."""
    console, done = Console(highlight=False), [0]
    if not console.is_terminal or os.environ.get("CALRUN_QUIET") == "1":
        yield lambda number: None
        return
    with console.status("checking pictures") as status:

        def count(number: int) -> None:
            done[0] += number
            status.update(f"checking pictures  {done[0]:,} of {total:,}")

        yield count
