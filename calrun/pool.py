"""Who is labelled since when. The pool is the only oracle: nobody else reads the targets of unlabelled rows."""

import numpy as np


class Pool:
    """The rows of the training set and the round in which each was labelled.

    Args:
        targets: the true classes, int64 (N,), shown only through `targets_of` and the `oracle` of declared cheats.
        num_classes: C.
        held_out: rows that are never offered or labelled (a validation split).
    """

    def __init__(self, targets: np.ndarray, num_classes: int, held_out: np.ndarray | None = None) -> None:
        self._targets = targets
        self.num_classes = num_classes
        self.round_of = np.zeros(len(targets), dtype=np.int32)  # 0: unlabelled, -1: held out
        if held_out is not None:
            self.round_of[held_out] = -1
        self.bought: dict[int, np.ndarray] = {}  # the rows of each round, in the order of choice

    def __len__(self) -> int:
        return int((self.round_of >= 0).sum())

    @property
    def unlabelled(self) -> np.ndarray:
        return np.flatnonzero(self.round_of == 0)

    @property
    def labelled(self) -> np.ndarray:
        return np.flatnonzero(self.round_of > 0)

    @property
    def nothing(self) -> np.ndarray:
        return np.empty(0, dtype=np.int64)

    def labelled_in(self, number: int) -> np.ndarray:
        """Returns D_t: the rows bought for round `number`."""
        return np.flatnonzero(self.round_of == number)

    def history(self, number: int) -> np.ndarray:
        """Returns H_t: the rows bought before round `number`."""
        return np.flatnonzero((self.round_of > 0) & (self.round_of < number))

    def known_targets(self) -> np.ndarray:
        """Returns the classes of all rows, int64 (N,), with -1 where the label has not been bought."""
        return np.where(self.round_of > 0, self._targets, -1)

    def targets_of(self, rows: np.ndarray) -> np.ndarray:
        """Returns the classes of labelled rows.

        Raises:
            ValueError: if a row is not labelled.
        """
        hidden = rows[self.round_of[rows] <= 0]
        if len(hidden):
            raise ValueError(
                f"the labels of {len(hidden)} rows are asked for before they are bought (first: "
                f"{hidden[:5].tolist()}); "
                "only an acquisition that declares `oracle` in its `needs` may see them"
            )
        targets: np.ndarray = self._targets[rows]
        return targets

    def oracle(self, rows: np.ndarray) -> np.ndarray:
        """Returns the true classes of any rows, for acquisitions that declare that they cheat."""
        targets: np.ndarray = self._targets[rows]
        return targets

    def label(self, rows: np.ndarray, number: int) -> None:
        """Buys the labels of `rows` for round `number`.

        Raises:
            ValueError: if a row is no number, repeated, labelled already, held out or outside the pool; nothing is
                labelled then.
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
