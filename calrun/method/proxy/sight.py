"""What a proxy network sees of the rows: their pictures, or features of a larger network that are computed once.

Dimension key: N rows of the training set, B batch, C classes, D features.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from calrun.dataset.base import Block, Source, StepRows
from calrun.method.composed import Composed, on_host
from calrun.method.fit.one_row import first_row
from calrun.model.adapt.own import classifier
from calrun.model.base import Classifier
from calrun.part.setup import Setup
from calrun.round import Round
from calrun.text.legal import at_least


class Sight(ABC):
    """Gives the proxy network its rows and its shape."""

    seconds: float = 0.0  # that computing what the proxy sees has taken in this round

    @abstractmethod
    def setup(self, setup: Setup, full: Composed, first_phase: int) -> Setup:
        """Returns what the proxy is trained with.

        Args:
            setup: what the run gives its method.
            full: the network that is evaluated.
            first_phase: number of the proxy's first fit among those of a round.
        """

    def begin_round(self, full: Composed, this_round: Round) -> None:
        """Makes the rows ready for a round."""
        self.seconds = 0.0
        self.open(full, this_round)

    def open(self, full: Composed, this_round: Round) -> None:  # noqa: B027 - pictures need nothing
        """Makes the rows ready to be seen, if they are not."""

    def num_computed(self, number: int) -> int:
        """Returns how many rows pass through the full network for the proxy in a round, if nothing is updated."""
        return 0

    def notes(self) -> dict[str, float]:
        """Returns what a round's line should say about it."""
        return {}

    def carried(self, full: Composed) -> dict[str, Any]:
        """Returns what the next round needs."""
        return {}

    def restore(self, carried: dict[str, Any], full: Composed) -> None:  # noqa: B027 - nor do they carry anything
        """Takes back what `carried` returned."""


class Pictures(Sight):
    """The proxy sees the rows themselves. Coleman et al. 2020 (SVP): a smaller network, or the same trained for less.

    Args:
        model: makes the proxy network, as an option of model with `_partial_`; without a class, it is the run's model.
    """

    def __init__(self, model: Callable[..., nn.Module] | Mapping[str, Any] | None = None) -> None:
        self.model = model if callable(model) else None

    def setup(self, setup: Setup, full: Composed, first_phase: int) -> Setup:
        make = self.model
        if make is None:
            return replace(setup, first_phase=first_phase)
        x = first_row(setup.train).expand(2, *[-1] * (first_row(setup.train).dim() - 1))
        known = {"num_classes": setup.num_classes, "input_shape": tuple(x.shape[1:]), "vocabulary": None}
        told = {name: value for name, value in known.items() if name in signature(make).parameters}

        def build_net() -> Classifier:
            return classifier(make(**told), "method.sight.model", setup.num_classes, x)

        return replace(setup, build_net=build_net, first_phase=first_phase)


class StoredFeatures(Sight):
    """The proxy sees the penultimate features of the full network before it is trained, computed in one pass.

    Wen et al. 2024 (ASVP), Sec. 3.1: a perceptron d-d-C with BatchNorm on features of the pre-trained network. The
    network that they come from is carried with the run, so that a killed run sees the same ones.

    Args:
        batch_size: rows of a step of the proxy; 2048 in the paper.
    """

    def __init__(self, batch_size: int) -> None:
        at_least(2, "method.sight", batch_size=batch_size)
        self.batch_size = batch_size
        self.backbone: Classifier | None = None
        self.version = 0
        self.precomputed = 0
        self.is_open = False

    def setup(self, setup: Setup, full: Composed, first_phase: int) -> Setup:
        width, num_classes = full.net.head.in_features, setup.num_classes
        self.run = setup
        self.own = replace(
            setup,
            build_net=lambda: feature_mlp(width, num_classes),
            train=Awaited(setup.train, width),
            val=None if setup.val is None else Awaited(setup.val, width),
            batch_size=self.batch_size,
            first_phase=first_phase,
        )
        return self.own

    def open(self, full: Composed, this_round: Round) -> None:
        if self.is_open:
            return
        if self.backbone is None:
            self.backbone = full.fresh_net(this_round)
            full.start.first(self.backbone, full.fresh_net(this_round))
            self.precomputed = 1
        started, run = time.perf_counter(), self.run
        if run.channels_last:
            self.backbone.to(memory_format=torch.channels_last)
        self.own.train = run.feature_store.source(self.backbone, run.train, run.predictor)
        if run.val is not None:
            self.own.val = run.feature_store.source(self.backbone, run.val, run.predictor)
        self.is_open = True
        self.seconds += time.perf_counter() - started

    def update(self, net: Classifier, this_round: Round, full: Composed) -> None:
        """Computes the features anew with another network, in whose place they are from now on."""
        self.backbone, self.is_open = deepcopy(net), False
        self.version, self.precomputed = self.version + 1, self.precomputed + 1
        self.open(full, this_round)

    def features_of(self, rows: np.ndarray) -> Tensor:
        """Returns the features of rows on the host, once they are open (N, D)."""
        return torch.cat([x.cpu() for _, x in self.own.train.batches(rows, self.batch_size)])

    def all_features(self) -> Iterator[Tensor]:
        """Yields the features of all rows of the pool, some rows at a time (B, D)."""
        for _, x in self.own.train.batches(np.arange(len(self.own.train)), self.batch_size):
            yield x.cpu()

    def num_computed(self, number: int) -> int:
        return self.num_rows if number == 1 else 0

    @property
    def num_rows(self) -> int:
        """The rows that pass through the full network for one set of features: those of the pool and of validation."""
        return len(self.run.train) + (0 if self.run.val is None else len(self.run.val))

    def notes(self) -> dict[str, float]:
        return {"features_computed": float(self.precomputed)}

    def carried(self, full: Composed) -> dict[str, Any]:
        backbone = full.net if self.backbone is None else self.backbone
        return {"backbone": on_host(backbone), "version": self.version, "precomputed": self.precomputed}

    def restore(self, carried: dict[str, Any], full: Composed) -> None:
        self.backbone, self.is_open = deepcopy(full.net), False
        self.backbone.load_state_dict(carried["backbone"])
        self.version, self.precomputed = carried["version"], carried["precomputed"]


class Awaited(Source):
    """Rows whose features have not been computed yet: as many and as wide, and all zero.

    Args:
        of: the rows.
        width: D.
    """

    def __init__(self, of: Source, width: int) -> None:
        self.targets, self.of, self.width = of.targets, of, width

    def __len__(self) -> int:
        return len(self.of)

    def checksum(self, start: int) -> int:
        return self.of.checksum(start)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        raise NotImplementedError

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, torch.zeros(len(part), self.width)


def feature_mlp(width: int, num_classes: int) -> Classifier:
    """Returns the proxy of Wen et al. 2024, Sec. 6.1: linear d to d, BatchNorm, ReLU, linear d to C."""
    layers = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU())
    return Classifier(layers, width, num_classes)
