"""An oracle that errs: each row has one answer, right or wrong, whoever asks and whenever.

Angluin and Laird 1988 (symmetric noise); Patrini et al. 2017, "Making Deep Neural Networks Robust to Label Noise"
(pairs of classes, and any matrix of transitions).

Dimension key: N rows, B rows whose labels are asked for, C classes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from calrun.dataset.base import Source
from calrun.oracle.simulated import Simulated
from calrun.rng import numpy_rng
from calrun.text.legal import at_least, one_of, share

KINDS = ("symmetric", "pair", "matrix")
ROUNDING = 1e-6  # by which the sum of a row of probabilities may miss 1


class Noisy(Simulated):
    """Answers with the data set's own labels, of which some are changed; tests keep their true labels.

    A row of none of the classes is never mistaken for one.

    Args:
        targets: the true label of every row of the training set (N,).
        kind: `symmetric`, a wrong answer is any other class; `pair`, it is the next class (the first after the last);
            `matrix`, by probabilities of your own.
        rate: share of wrong answers in [0, 1], or a list of one for each class; for symmetric and pair.
        matrix: for `matrix`: C rows of C probabilities, of the answers (columns) to each true class (rows).
        matrix_file: a file that holds them in its place, .csv or .npy.
        seed: of the errors, the same for all seeds of runs.

    Raises:
        ValueError: if an argument is missing or out of range.
    """

    def __init__(
        self,
        targets: np.ndarray,
        kind: Literal["symmetric", "pair", "matrix"],
        rate: float | Sequence[float],
        matrix: Sequence[Sequence[float]] | None,
        matrix_file: str | None,
        seed: int,
    ) -> None:
        super().__init__(targets)
        one_of("oracle.kind", kind, KINDS)
        at_least(0, "oracle", seed=seed)
        rates = [float(one) for one in np.atleast_1d(np.asarray(rate, dtype=float))]
        for one in rates:
            share("oracle.rate", one)
        num_given = (matrix is not None) + (matrix_file is not None)
        if num_given != (kind == "matrix"):
            raise ValueError(
                "oracle=noisy wants either oracle.matrix or oracle.matrix_file with oracle.kind=matrix, and neither "
                f"with another kind, but came oracle.kind={kind} and {num_given} of the two"
            )
        self.kind, self.rates, self.seed = kind, rates, seed
        self.given = matrix_in(matrix, matrix_file) if num_given else None
        self.answers: np.ndarray | None = None

    def problems(self) -> list[str]:
        """Returns what is wrong with the labels, and with the numbers of rates or probabilities."""
        found = super().problems()
        if self._targets.ndim > 1:
            return [*found, "oracle=noisy wants one class a row, but labels are pixels; choose oracle=simulated"]
        num_classes = int(self._targets.max(initial=-1)) + 1
        if self.given is None and len(self.rates) not in (1, num_classes):
            found.append(
                f"oracle.rate wants one number, or one for each of {num_classes} classes, got {len(self.rates)}"
            )
        if self.given is not None and len(self.given) < num_classes:
            found.append(f"oracle.matrix wants a row for each of {num_classes} classes, got {len(self.given)}")
        return found

    def begin(self, train: Source, class_names: list[str], folder: Path) -> None:
        """Decides every answer, of all rows at once, so that it depends on nothing but the row."""
        matrix_CC = self.transitions(len(class_names))
        drawn_N = numpy_rng(self.seed, 0, "noisy oracle").random(len(self._targets))
        self.answers = answers_of(self._targets, matrix_CC, drawn_N)

    def transitions(self, num_classes: int) -> np.ndarray:
        """Returns the probability of each answer (columns) to each true class (rows).

        Raises:
            ValueError: if the matrix has another number of classes.
        """
        if self.given is not None:
            if len(self.given) != num_classes:
                raise ValueError(f"oracle.matrix wants {num_classes} classes, got {len(self.given)}")
            return self.given
        rate_C = np.resize(np.asarray(self.rates), num_classes)
        return symmetric(rate_C) if self.kind == "symmetric" else pairs(rate_C)

    def truth(self, rows: np.ndarray) -> np.ndarray:
        """Returns what this oracle answers, which is all that an acquisition that cheats may see.

        Raises:
            ValueError: if it has not been told the classes yet.
        """
        if self.answers is None:
            raise ValueError("oracle=noisy wants to be told the classes, by `begin`, before it answers")
        found: np.ndarray = self.answers[rows]
        return found


def answers_of(targets_N: np.ndarray, matrix_CC: np.ndarray, drawn_N: np.ndarray) -> np.ndarray:
    """Returns the answer to each row (N,): the first whose cumulative probability is above the number drawn for it."""
    answers_N: np.ndarray = targets_N.astype(np.int64)
    for c, probabilities_C in enumerate(matrix_CC):
        own = np.flatnonzero(targets_N == c)
        above = np.searchsorted(np.cumsum(probabilities_C), drawn_N[own], side="right")
        answers_N[own] = np.minimum(above, np.flatnonzero(probabilities_C)[-1])  # where a sum falls short of 1
    return answers_N


def symmetric(rate_C: np.ndarray) -> np.ndarray:
    """Returns the matrix in which a wrong answer is any other class alike; one class alone is never mistaken."""
    num_classes = len(rate_C)
    if num_classes == 1:
        return np.ones((1, 1))
    matrix_CC = np.repeat(rate_C[:, None] / (num_classes - 1), num_classes, axis=1)
    np.fill_diagonal(matrix_CC, 1 - rate_C)
    return matrix_CC


def pairs(rate_C: np.ndarray) -> np.ndarray:
    """Returns the matrix in which a wrong answer is the next class."""
    matrix_CC: np.ndarray = np.diag(1 - rate_C) + np.roll(np.diag(rate_C), 1, axis=1)
    return matrix_CC


def matrix_in(given: Sequence[Sequence[float]] | None, file: str | None) -> np.ndarray:
    """Returns a matrix that is given, or lies in a file.

    Raises:
        ValueError: if it cannot be read, is not square, or its rows are no probabilities.
    """
    where = "oracle.matrix" if file is None else f"oracle.matrix_file {file}"
    try:
        matrix_CC = np.asarray([[*row] for row in given or ()] if file is None else loaded(file), dtype=float)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{where} cannot be read as rows of numbers ({error})") from error
    if matrix_CC.ndim != 2 or len(matrix_CC) != matrix_CC.shape[1]:
        raise ValueError(f"{where} wants as many numbers in each row as rows, but has the shape {matrix_CC.shape}")
    sums_C = matrix_CC.sum(axis=1)
    wrong = np.flatnonzero(~((np.abs(sums_C - 1) <= ROUNDING) & (matrix_CC >= 0).all(axis=1)))
    if len(wrong):
        raise ValueError(
            f"{where} wants probabilities whose sum is 1 in each row, but {len(wrong)} rows have others (first: row "
            f"{wrong[0]}, sum {sums_C[wrong[0]]:g})"
        )
    return matrix_CC


def loaded(name: str) -> np.ndarray:
    path = Path(name).expanduser()
    found: np.ndarray = np.load(path) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", ndmin=2)
    return found
