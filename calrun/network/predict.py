"""`calrun predict`: the class and the probability of each class for rows without labels, as a table.

Dimension key: N rows of a chunk, C classes.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from calrun.dataset.base import Source
from calrun.experiment import made
from calrun.folder.status import RUN_FILES
from calrun.machine.files import replace_file
from calrun.network.load import Trained, load
from calrun.network.masks import Masks, has_masks, masks_folder
from calrun.network.run_files import RunFiles
from calrun.report.table.plain import neutral
from calrun.task.base import Task
from calrun.text.say import say, warn
from calrun.training.trainer import silence_lightning

CHUNK_BATCHES = 128  # batches whose probabilities are held at a time
SPLITS = ("", "test", "train", "val")
DIGITS = 6
Probabilities = Callable[[Trained, Source, np.ndarray], Tensor]  # of rows, (N, C)


def predict(run: Path, place: str, out: Path, number: int | None = None, split: str | None = None) -> None:
    """Writes item_id, class and the probability of each class, a line for each row.

    Of a run with a class for each pixel these are means over pixels, and OUT-masks/ITEM.png holds the class of each.

    Args:
        run: the run folder.
        place: of the rows.
        out: the table; it is replaced when all lines are there.
        number: of the round whose network predicts; `None` is the last that is committed.
        split: which rows are read where there are several; `None` prefers those of no split, then test.

    Raises:
        ValueError: if the run has no such network, or the rows are of another kind than its own.
    """
    silence_lightning()
    refuse_out(out, place)
    found = load(run, number)
    source = found.rows(place, SPLITS if split is None else (split,))
    task = made(found.run.cfg, "task", Task)
    names = [source.item_id(row) for row in range(len(source))] if has_masks(task) else []
    say_unfinished(found.run, number)
    if names:
        with Masks(masks_folder(out), names) as masks:
            replace_file(out, lambda beside: write(beside, found, source, partial(masks.written, task), 1))
    else:
        replace_file(out, lambda beside: write(beside, found, source, Trained.probabilities))
    beside = f" and {masks_folder(out)}/*.png" if names else ""
    classes = f"{len(found.class_names)} classes"
    where = f"round {found.run.number} of {found.run.folder}"
    say(f"{out}{beside}  {len(source):,} rows, {classes}, by the network of {where}")


def refuse_out(out: Path, place: str) -> None:
    """Refuses a table that would replace the rows themselves, or a file of a run.

    Raises:
        ValueError: if it would.
    """
    if out.resolve() == Path(place).expanduser().resolve():
        raise ValueError(f"--out {out} is DATA itself; choose another file")
    if any((out.parent / name).exists() for name in RUN_FILES):
        raise ValueError(f"--out {out} lies in a run folder, whose files are the run's own; choose another place")


def say_unfinished(run: RunFiles, number: int | None) -> None:
    """Says that a run has not played all its rounds, where none was asked for."""
    if number is None and run.number < run.num_rounds:
        warn(
            f"{run.folder} is not finished: round {run.number} of {run.num_rounds} is the last that is committed, and "
            "its network is used"
        )


def write(path: Path, found: Trained, source: Source, look: Probabilities, batches: int = CHUNK_BATCHES) -> None:
    """Writes the table, a chunk of rows at a time."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["item_id", "class", *(f"p_{name}" for name in found.class_names)])
        for rows in chunks(len(source), found.predictor.batch_size, batches):
            table.writerows(lines(found, source, rows, look))


def lines(found: Trained, source: Source, rows: np.ndarray, look: Probabilities) -> Iterator[Sequence[str]]:
    """Yields the line of each row; of several equally probable classes the first is its class."""
    p_NC = look(found, source, rows).numpy()
    for row, p_C in zip(rows.tolist(), p_NC, strict=True):
        name = found.class_names[int(p_C.argmax())]
        yield [neutral(source.item_id(row)), neutral(name), *(f"{p:.{DIGITS}g}" for p in p_C.tolist())]


def chunks(num_rows: int, batch_size: int, batches: int = CHUNK_BATCHES) -> Iterator[np.ndarray]:
    """Yields the rows in order, whole batches of them."""
    size = batches * batch_size
    for start in range(0, num_rows, size):
        yield np.arange(start, min(start + size, num_rows))
