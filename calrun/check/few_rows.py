"""What is worth knowing before a run: an epoch ends with a step of so few rows that BatchNorm normalises it badly."""

from collections.abc import Sequence

from calrun.method.base import Method
from calrun.method.fit.module import LEAST_ROWS
from calrun.part.setup import FitWork
from calrun.round import planned_rounds

FEW = (
    16  # rows of one process; a last step of 8 rows of 64 cost 2 points of accuracy, one of 2 rows 9 (MEASUREMENTS.md)
)


def few_rows(method: Method, sizes: Sequence[int], processes: int) -> list[str]:
    """Returns one sentence if some round's epochs end with such a step.

    Args:
        method: the run's, on what it trains on.
        sizes: labelled rows in each round.
        processes: that share each step.
    """
    found = [fewest(method.planned(this_round)) for this_round in planned_rounds(sizes)]
    own = [own_rows(rows, processes) for rows in found if rows is not None]
    few = [rows for rows in own if rows < FEW]
    if not few:
        return []
    each = " for each process" if processes > 1 else ""
    return [
        f"in {len(few)} of {len(sizes)} rounds an epoch ends with a step of fewer than {FEW} rows{each} (the smallest "
        f"has {min(few)}), which BatchNorm normalises by these alone; trainer.last_batch=even makes all steps alike "
        "large, drop leaves out the rows that fill no step"
    ]


def own_rows(num_rows: int, processes: int) -> int:
    """Returns how many rows of a step one process normalises: its share, or all of those that are too few to share."""
    return num_rows if num_rows < LEAST_ROWS * processes else num_rows // processes


def fewest(work: FitWork) -> int | None:
    """Returns the rows of the smallest such step of all networks of a round; `None` if there is none."""
    known = [work.least_normalised, None if work.proxy is None else work.proxy.least_normalised]
    return min((rows for rows in known if rows is not None), default=None)
