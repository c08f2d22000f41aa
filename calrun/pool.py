"""Which rows are labelled, and since which round. Labels come from the oracle alone, once they are bought.

A row that the oracle finds to be of none of the classes has cost a label, and is not among those that are labelled.
"""

from contextlib import suppress
from typing import Self

import numpy as np

from calrun.dataset.base import NO_CLASS, with_class
from calrun.oracle.base import Oracle
from calrun.oracle.simulated import Simulated
from calrun.oracle.wanted import LabelsWanted


class Pool:
    """The rows of the training set and the round in which each was labelled.

    Args:
        oracle: gives the labels.
        num_rows: N.
        num_classes: C.
        held_out: rows that are never offered or labelled (a validation split).
    """

    def __init__(self, oracle: Oracle, num_rows: int, num_classes: int, held_out: np.ndarray | None = None) -> None:
        self._oracle = oracle
        self.num_classes = num_classes
        self.round_of = np.zeros(num_rows, dtype=np.int32)  # 0: unlabelled, -1: held out
        if held_out is not None:
            self.round_of[held_out] = -1
        self.without_class = np.zeros(num_rows, dtype=bool)  # bought in vain, as far as the oracle has answered
        self.bought: dict[int, np.ndarray] = {}  # the rows of each round, in the order of choice
        self._answered: dict[int, np.ndarray] = {}  # their labels, in the same order

    @classmethod
    def simulated(cls, targets: np.ndarray, num_classes: int, held_out: np.ndarray | None = None) -> Self:
        """Returns a pool whose oracle knows all labels."""
        return cls(Simulated(targets), len(targets), num_classes, held_out)

    def __len__(self) -> int:
        return int((self.round_of >= 0).sum())

    @property
    def unlabelled(self) -> np.ndarray:
        return np.flatnonzero(self.round_of == 0)

    @property
    def labelled(self) -> np.ndarray:
        return np.flatnonzero((self.round_of > 0) & ~self.without_class)

    @property
    def num_bought(self) -> int:
        """How many labels were bought, those of rows without a class included."""
        return int((self.round_of > 0).sum())

    @property
    def nothing(self) -> np.ndarray:
        return np.empty(0, dtype=np.int64)

    def labelled_in(self, number: int) -> np.ndarray:
        """Returns D_t: the rows bought for round `number`."""
        return np.flatnonzero((self.round_of == number) & ~self.without_class)

    def history(self, number: int) -> np.ndarray:
        """Returns H_t: the rows bought before round `number`."""
        return np.flatnonzero((self.round_of > 0) & (self.round_of < number) & ~self.without_class)

    def known_targets(self) -> np.ndarray:
        """Returns the labels of all rows (N, ...): -1 where none has been given, -2 for a row without a class."""
        first = next(iter(self._answered.values()), np.empty(0, dtype=np.int64))
        known = np.full((len(self.round_of), *first.shape[1:]), -1, dtype=first.dtype)
        for number, answers in self._answered.items():
            known[self.bought[number]] = answers
        return known

    def targets_of(self, rows: np.ndarray) -> np.ndarray:
        """Returns the labels of bought rows; -2 for one without a class.

        Raises:
            ValueError: if a row is not bought.
        """
        hidden = rows[~np.isin(self.round_of[rows], list(self._answered))]
        if len(hidden):
            raise ValueError(
                f"the labels of {len(hidden)} rows are asked for before they are bought (first: "
                f"{hidden[:5].tolist()}); "
                "only an acquisition that declares `oracle` in its `needs` may see them"
            )
        first = next(iter(self._answered.values()), np.empty(0, dtype=np.int64))
        targets = np.empty((len(rows), *first.shape[1:]), dtype=first.dtype)
        for number, answers in self._answered.items():
            at = np.flatnonzero(self.round_of[rows] == number)
            order = np.argsort(self.bought[number])
            targets[at] = answers[order[np.searchsorted(self.bought[number], rows[at], sorter=order)]]
        return targets

    def truth(self, rows: np.ndarray) -> np.ndarray:
        """Returns the labels of any rows, for acquisitions that declare that they cheat."""
        return self._oracle.truth(rows)

    def is_answered(self, number: int) -> bool:
        """Tells whether the labels bought for a round are there."""
        return number in self._answered

    def ask(self, number: int) -> None:
        """Takes the labels bought for a round from the oracle, unless they are there already.

        Raises:
            LabelsWanted: if the oracle has none yet.
            ValueError: if it answers with anything other than one label per row.
        """
        if number in self._answered or number not in self.bought:
            return
        rows = self.bought[number]
        answers = np.asarray(self._oracle.answer(rows, number))
        if len(answers) != len(rows) or answers.dtype.kind not in "iu" or not _within(answers, self.num_classes):
            raise ValueError(
                f"round {number} wants {len(rows)} labels from 0 to {self.num_classes - 1} from "
                f"{type(self._oracle).__name__}, but came {answers.dtype} of shape {answers.shape}; correct the oracle"
            )
        self.without_class[rows[~with_class(answers)]] = True
        self._answered[number] = answers if answers.ndim > 1 else answers.astype(np.int64)  # many pixels stay narrow

    def label(self, rows: np.ndarray, number: int) -> None:
        """Buys the labels of `rows` for round `number`, and takes those that the oracle gives at once.

        Raises:
            ValueError: if a row is not a number, or is repeated, labelled already, held out or outside the pool; then
                nothing is labelled.
        """
        if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "iu" or rows.ndim != 1:
            came = f"{rows.dtype} of shape {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
            raise ValueError(
                f"round {number} wants the rows to label as one numpy array of whole numbers, but came {came}; "
                "an acquisition must return rows of candidates.rows"
            )
        if len(rows) and (rows.min() < 0 or rows.max() >= len(self.round_of)):
            raise ValueError(
                f"round {number} wants to label rows {rows.min()} to {rows.max()}, but the pool has rows 0 to "
                f"{len(self.round_of) - 1}; an acquisition must return rows of candidates.rows"
            )
        labelled = rows[self.round_of[rows] != 0]
        repeated = len(rows) - len(np.unique(rows))
        if len(labelled) or repeated:
            raise ValueError(
                f"round {number} wants to label {len(rows)} rows, but {len(labelled)} are labelled already or held out "
                f"(first: {labelled[:5].tolist()}) and {repeated} are repeats; "
                "an acquisition must return distinct rows of candidates.rows"
            )
        self.round_of[rows] = number
        if len(rows):
            self.bought[number] = rows
            with suppress(LabelsWanted):  # whoever plays the round asks again
                self.ask(number)

    def require(self, number: int, wanted: int, group: str) -> None:
        """Refuses fewer or more rows than the budget buys for round `number`.

        Args:
            number: the round.
            wanted: how many rows it buys.
            group: what has chosen them, such as the acquisition.

        Raises:
            ValueError: if there are fewer or more.
        """
        came = len(self.bought.get(number, ()))
        if came != wanted:
            raise ValueError(
                f"round {number} wants {wanted} rows from the {group}, but came {came}; an acquisition must return as "
                "many rows of candidates.rows as its budget says"
            )


def _within(labels: np.ndarray, num_classes: int) -> bool:
    """Tells whether labels are classes, or say that a row has none.

    Where a row has several, -1 marks what has no class (a segment's border).
    """
    if labels.ndim == 1:
        labels = labels[labels != NO_CLASS]
    least = -1 if labels.ndim > 1 else 0
    return not labels.size or (labels.min() >= least and labels.max() < num_classes)
