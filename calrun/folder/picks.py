"""picks.csv: which rows were bought for which round, in which order; reading it checks whether somebody has cut it."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calrun.machine.files import damaged, replace_text, whole

if TYPE_CHECKING:
    from calrun.experiment import Experiment

HEADER = ["round", "order", "row", "item_id", "class"]


def write_picks(path: Path, exp: "Experiment") -> None:
    """Replaces the file with everything that the pool has bought."""
    lines = (line for number, rows in exp.pool.bought.items() for line in _lines(exp, number, rows))
    replace_text(path, csv_text(HEADER, lines))


def refuse_short(exp: "Experiment", number: int) -> None:
    """Refuses to commit a round after which fewer or more rows were bought than the budget says.

    Raises:
        ValueError: in that case.
    """
    if number < len(exp.sizes):
        exp.pool.require(number + 1, exp.sizes[number] - exp.sizes[number - 1], "acquisition")


def restore_picks(path: Path, exp: "Experiment", labelled: list[int]) -> None:
    """Buys the rows that the file names.

    Args:
        labelled: how many rows are labelled in rounds 1, 2, ...; what the file holds of later rounds is ignored,
            because a killed process may have written it before its commit.

    Raises:
        ValueError: lines are missing, repeated or damaged, or name another item or class than the data set has there.
    """
    with whole(path):
        header, *found = csv.reader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
    if header != HEADER:
        raise damaged(path, f"line 1 is {','.join(header)!r} instead of {','.join(HEADER)!r}")
    if len(found) < labelled[-1]:
        raise damaged(
            path, f"it ends after {len(found)} rows of the {labelled[-1]} that rounds 1 to {len(labelled)} have"
        )
    for number, (start, end) in enumerate(pairwise([0, *labelled]), start=1):
        _restore_round(path, exp, number, found[start:end], start + 2)
    if any(fields[:1] == [str(number)] for fields in found[labelled[-1] :] for number in range(1, len(labelled) + 1)):
        raise damaged(path, f"line {labelled[-1] + 2} and later ones repeat a round that is complete before them")


def csv_text(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Returns a table as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _restore_round(path: Path, exp: "Experiment", number: int, found: list[list[str]], first_line: int) -> None:
    rows: dict[int, None] = {}  # an ordered set
    for line, fields in enumerate(found, start=first_line):
        row = int(fields[2]) if len(fields) == len(HEADER) and fields[2].isdecimal() else -1
        if not 0 <= row < len(exp.pool.round_of):
            raise damaged(path, f"line {line} is {','.join(fields)!r}, which names no row of the data set")
        if exp.pool.round_of[row] != 0 or row in rows:
            raise damaged(path, f"line {line} names row {row}, which an earlier line names too or which is held out")
        rows[row] = None
    bought = np.array(list(rows), dtype=np.int64)
    exp.pool.label(bought, number)
    unlabelled = all(fields[-1] == "" for fields in found)  # a round's labels come all at once, perhaps only later
    for order, (came, wanted) in enumerate(zip(found, _lines(exp, number, bought), strict=True)):
        if came != wanted and not (unlabelled and came == [*wanted[:-1], ""]):
            raise damaged(path, f"line {first_line + order} is {','.join(came)!r} instead of {','.join(wanted)!r}")


def _lines(exp: "Experiment", number: int, rows: np.ndarray) -> Iterator[list[str]]:
    names = [""] * len(rows)  # until somebody has given the labels
    if exp.pool.is_answered(number):
        names = exp.task.names(exp.pool.targets_of(rows), exp.data.class_names)
    for order, (row, name) in enumerate(zip(rows.tolist(), names, strict=True)):
        yield [str(number), str(order), str(row), exp.data.train.item_id(row), name]
