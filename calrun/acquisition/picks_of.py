"""The picks of a finished run, bought again: whatever trains here trains on what another run has chosen.

With `initial=picks_of` and `acquisition=picks_of` a run has the labels of another one, round by round, and selects
nothing itself. `calrun transfer` makes such runs.
"""

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.folder.picks import HEADER
from calrun.look.columns import Column, given
from calrun.look.sizes import Sizes
from calrun.look.view import View
from calrun.machine.files import decoded

SAME_ITEMS = "same_items"
SHOWN = 5


class PicksOf(Acquisition):
    """Takes the rows that a file names next, in its order.

    Args:
        path: the picks.csv of a finished run, whose budgets must be those of this one; `None` takes the rows in their
            own order, which no run may ask for.
        whose: how reports call them; decides nothing.
    """

    def __init__(self, path: str | None, whose: str = "") -> None:
        self.path, self.whose = None if path is None else Path(path), whose
        self.needs = frozenset() if path is None else frozenset({"labelled_rows", SAME_ITEMS})

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        budget = max(0, min(budget, len(candidates)))
        if self.path is None:
            return np.sort(candidates.rows)[:budget].astype(np.int64)
        same, labelled = candidates.column(SAME_ITEMS), np.sort(candidates.labelled_rows)
        if strangers := int((~same).sum()):
            raise ValueError(
                f"{self.path} names {strangers} items that this data set has not in the same row (first: "
                f"{[self.picks.items[at] for at in (~same).nonzero()[:SHOWN, 0].tolist()]}); take picks of a run on "
                "this data"
            )
        number = len(labelled)
        if not np.array_equal(labelled, np.sort(self.picks.rows[:number])):
            raise ValueError(
                f"{self.path} wants its first {number} rows to be those that are labelled here, but others are; choose "
                "initial=picks_of and acquisition=picks_of with the same path"
            )
        rows = self.picks.rows[number : number + budget]
        rest = self.picks.rows[number:]  # of the later rounds too: said before the first fit
        held_out = rest[~np.isin(rest, candidates.rows)]
        if len(held_out) or len(rows) < budget:
            raise ValueError(
                f"{self.path} wants rows that can be labelled, {budget} after the first {number}, but it names "
                f"{len(rest)}, {len(held_out)} of them held out here (first: {held_out[:SHOWN].tolist()}); take the "
                "budget and the val_fraction of its run"
            )
        return rows

    def columns(self) -> dict[str, Column]:
        return {} if self.path is None else {SAME_ITEMS: given(SAME_ITEMS, self._same_items, self._bytes)}

    def cost(self, sizes: Sizes) -> Cost:
        """Returns next to nothing, and a refusal if the file's run has bought other numbers of rows."""
        read = Cost(2.0 * sizes.candidates, 16.0 * sizes.candidates, 8.0 * sizes.candidates, calls=10)
        return read + Cost(refusal=self._refusal(sizes.labelled, sizes.bought))

    @cached_property
    def picks(self) -> "Picks":
        """The file's rows."""
        assert self.path is not None
        return read_picks(self.path)

    def _refusal(self, labelled: int, bought: int) -> str:
        if self.path is None:
            return "picks_of has no path yet; add acquisition.path=RUN/picks.csv and initial.path=RUN/picks.csv"
        if {labelled, labelled + bought} <= {0, *self.picks.ends}:
            return ""
        return (
            f"{self.path} has {', '.join(map(str, self.picks.ends))} labels after its rounds, but this run wants "
            f"{labelled + bought} after {labelled}; give it the budget of that run"
        )

    def _same_items(self, view: View) -> torch.Tensor:
        """Returns whether each of the file's rows has the item there that the file names."""
        known = len(view.train)
        return torch.tensor(
            [
                row < known and view.train.item_id(row) == item
                for row, item in zip(self.picks.rows.tolist(), self.picks.items, strict=True)
            ],
            dtype=torch.bool,
        )

    def _bytes(self, sizes: Sizes) -> float:
        return float(len(self.picks.rows))


@dataclass(frozen=True)
class Picks:
    """What a run has bought.

    Args:
        rows: in the order of choice, of all rounds.
        items: the name of each.
        ends: how many there are after rounds 1, 2, ...
    """

    rows: np.ndarray
    items: list[str]
    ends: list[int]


def read_picks(path: Path) -> Picks:
    """Reads the picks.csv of a run.

    Raises:
        ValueError: if it is missing or damaged.
    """
    try:
        whole = [*csv.reader(io.StringIO(decoded(path.read_bytes())), strict=True)]
        lines = whole[1:]
        if not lines or whole[0] != HEADER:
            raise ValueError(f"it has {len(lines)} rows below {','.join(whole[0]) if whole else 'nothing'!r}")
        numbers, rows = ([int(line[at]) for line in lines] for at in (0, 2))
        counts = [numbers.count(number) for number in range(1, max(numbers) + 1)]
        if numbers != sorted(numbers) or not all(counts) or min(numbers) < 1 or min(rows) < 0:
            raise ValueError("its rounds are not 1, 2, ... one after the other")
        if len({*rows}) < len(rows):
            raise ValueError("it names a row twice")
    except (OSError, ValueError, IndexError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ValueError(
            f"{path} cannot be read as the picks.csv of a run ({why}); name that of a finished one"
        ) from error
    return Picks(np.array(rows, dtype=np.int64), [line[3] for line in lines], [*accumulate(counts)])
