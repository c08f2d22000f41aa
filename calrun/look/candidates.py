"""Fills the columns that an acquisition needs, with one pass over the rows that each concerns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Sizes
from calrun.dataset.base import Source
from calrun.look.columns import Column, Split
from calrun.look.predict import Predictor, mc_seeds
from calrun.model.base import Classifier
from calrun.round import Round

if TYPE_CHECKING:
    from calrun.method.part.setup import Setup


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
        setup: what the run has given its method.
        this_round: after which rows are chosen.
        previous: the network of the round before, where a column looks at it.
    """

    net: Classifier
    setup: "Setup"
    this_round: Round
    previous: Classifier | None = None

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
        """Returns the labels of the candidates, for acquisitions that declare that they cheat."""
        return torch.from_numpy(self.this_round.pool.truth(self.rows))

    def images(self) -> PoolImages:
        """Returns the pictures of the training set."""
        return PoolImages(self.setup.predictor, self.setup.train)

    def split(self, name: Split | None) -> tuple[Source, np.ndarray]:
        """Returns where the rows of a split are, and which they are; without a validation split it has none."""
        if name == "validation":
            val = self.setup.val
            return (self.setup.train, self.rows[:0]) if val is None else (val, np.arange(len(val)))
        return self.setup.train, self.labelled if name == "labelled" else self.rows


def gather(view: View, acquisition: Acquisition) -> Candidates:
    """Returns the unlabelled rows with the columns that `acquisition.needs` names, and nothing else."""
    wanted, made = acquisition.wanted(), dict[str, Any]()
    if view.setup.val is None:
        wanted = [column for column in wanted if column.split != "validation"]
    for split, previous in dict.fromkeys((column.split, column.previous) for column in wanted if column.of is not None):
        together = [column for column in wanted if column.of and (column.split, column.previous) == (split, previous)]
        made |= _passed(view, split, previous, together, acquisition.num_mc_samples)
    made |= {column.name: column.make(view) for column in wanted if column.make is not None}
    splits = {column.name: column.split for column in wanted}
    return Candidates(view.rows, view.setup.predictor.place(made), splits)


def _passed(
    view: View, split: Split | None, previous: bool, columns: Iterable[Column], num_samples: int
) -> dict[str, Tensor]:
    """Returns columns that one pass over a split gives."""
    net = view.previous if previous else view.net
    assert net is not None  # the method keeps it where a column says so
    source, rows = view.split(split)
    of = {column.name: column.of for column in columns if column.of is not None}
    if not len(rows):
        return _empty(view, columns)
    sampled = split == "candidates" and "mc_log_probs" in of
    seeds = mc_seeds(view.this_round.rng("dropout masks"), num_samples) if sampled else []
    return view.setup.predictor(net, source, rows, of, seeds)


def _empty(view: View, columns: Iterable[Column]) -> dict[str, Tensor]:
    """Returns columns of no rows, as wide as those of one would be."""
    num_classes, num_features = view.net.head.weight.shape
    one = Sizes(candidates=1, labelled=1, classes=num_classes, features=num_features, budget=1, validation=1)
    return {column.name: torch.empty(0, round(column.num_bytes(one)) // 4) for column in columns}
