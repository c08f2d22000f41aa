"""What the columns of a choice are made from: a network, rows by split, and what is known about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Source
from calrun.look.predict import Predictor
from calrun.model.base import Classifier
from calrun.round import Round

Split = Literal["candidates", "labelled", "validation"]


class PoolImages:
    """The pool's pictures for acquisitions that look at them, on the model's device."""

    def __init__(self, predictor: Predictor, source: Source) -> None:
        self.predictor, self.source = predictor, source

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yields (rows, x) in the order of `rows`."""
        for chunk, x in self.source.batches(rows, batch_size):
            yield chunk, x.to(self.predictor.device)


@dataclass(frozen=True)
class View:
    """What columns are made from.

    Args:
        net: the network after the round's fit.
        train: the rows of the pool.
        val: the validation split; `None` if there is none.
        predictor: runs the passes of the network.
        this_round: the round after which rows are chosen.
        previous: the previous round's network, if a column looks at it.
        beside: the same rows through the network that is evaluated, where another one answers.
    """

    net: Classifier
    train: Source
    val: Source | None
    predictor: Predictor
    this_round: Round
    previous: Classifier | None = None
    beside: "View | None" = None

    @property
    def rows(self) -> np.ndarray:
        return self.this_round.pool.unlabelled

    @property
    def labelled(self) -> np.ndarray:
        return self.this_round.pool.labelled

    def labelled_targets(self) -> Tensor:
        """Returns the labels that have been bought (L,)."""
        return torch.from_numpy(self.this_round.pool.targets_of(self.labelled))

    def truth(self) -> Tensor:
        """Returns the labels of the candidates (N,), for acquisitions that declare that they cheat."""
        return torch.from_numpy(self.this_round.pool.truth(self.rows))

    def images(self) -> PoolImages:
        """Returns the pictures of the training set."""
        return PoolImages(self.predictor, self.train)

    def split(self, name: Split | None) -> tuple[Source, np.ndarray]:
        """Returns the source of a split, and its rows in it; no rows if there is no validation split."""
        if name == "validation":
            return (self.train, self.rows[:0]) if self.val is None else (self.val, np.arange(len(self.val)))
        return self.train, self.labelled if name == "labelled" else self.rows
