"""Plays one cell of the arena: an acquisition on a data set's stored features, with one seed and one budget.

Everything but the fit is that of a run: pool, columns, Monte-Carlo masks and the seeds of each purpose; the head is
fitted in closed loop (calrun/arena/head.py) instead of by steps.

Dimension key: N rows of the pool, M test rows, L labelled rows, C classes, D features.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.random import RandomRows
from calrun.arena.head import fit_head
from calrun.arena.sets import FeatureSet
from calrun.arena.settings import Settings
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.look.candidates import gather
from calrun.look.predict import Predictor
from calrun.look.view import View
from calrun.model.base import Classifier
from calrun.pool import Pool
from calrun.rng import numpy_rng, torch_seed
from calrun.round import Round

PASS_ROWS = 4096  # rows of one pass through the head
PARTS = ("fit", "score", "select")


@dataclass
class Played:
    """What a cell has given, round by round.

    Args:
        labelled: labels of each round.
        accuracy: share of the test rows that the head classifies.
        balanced_accuracy: mean over the classes of the test rows.
        seconds: of this process's time, by part of the work.
    """

    labelled: list[int] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    balanced_accuracy: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    @contextmanager
    def time(self, part: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds[part] += time.process_time() - started

    def add(self, labelled: int, predicted_M: np.ndarray, targets_M: np.ndarray) -> None:
        """Adds a round."""
        right_M = predicted_M == targets_M
        by_class = [right_M[targets_M == c].mean() for c in np.unique(targets_M)]
        self.labelled.append(labelled)
        self.accuracy.append(float(right_M.mean()))
        self.balanced_accuracy.append(float(np.mean(by_class)))


@dataclass(frozen=True)
class Ground:
    """What a seed plays on: its own pool of the training rows, and the test rows of all seeds, on one scale.

    Features are centred on the pool and divided by one number, so that an entry's mean square is 1 and directions keep
    their share.
    """

    features_ND: np.ndarray
    targets_N: np.ndarray
    test_MD: np.ndarray
    test_targets_M: np.ndarray
    num_classes: int

    @classmethod
    def of(cls, data: FeatureSet, seed: int, settings: Settings) -> "Ground":
        """Returns the ground of a seed."""
        size = settings.pool_size(len(data.features_ND))
        rows = np.sort(numpy_rng(seed, 0, "arena pool").permutation(len(data.features_ND))[:size])
        test = np.sort(numpy_rng(0, 0, "arena test").permutation(len(data.test_MD))[: settings.test_rows])
        pool_ND = data.features_ND[rows].astype(np.float64)
        mean_D = pool_ND.mean(axis=0)
        scale = np.sqrt(np.square(pool_ND - mean_D).mean()) or 1.0
        scaled = [((part - mean_D) / scale).astype(np.float32) for part in (pool_ND, data.test_MD[test])]
        return cls(scaled[0], data.targets_N[rows], scaled[1], data.test_targets_M[test], data.num_classes)


@cache
def host_predictor() -> Predictor:
    """Returns what passes rows through the head; a process makes it once."""
    return Predictor("cpu", "32-true", PASS_ROWS)


def play(ground: Ground, acquisition: Acquisition, sizes: list[int], seed: int, settings: Settings) -> Played:
    """Plays all rounds of a cell.

    Raises:
        ValueError: if the acquisition cannot choose, or chooses other rows than it may; it names the round.
    """
    played, pool = Played(), Pool.simulated(ground.targets_N, ground.num_classes)
    initial = Candidates(np.arange(len(pool)))
    pool.label(RandomRows().select(initial, sizes[0], numpy_rng(seed, 0, "initial rows")), 1)
    train = Resident(torch.from_numpy(ground.features_ND), ground.targets_N, Transform([0.0], [1.0]))
    net, looks_back = new_net(ground, seed, settings.dropout), any(column.previous for column in acquisition.wanted())
    with TemporaryDirectory(prefix="calrun-arena-") as folder:
        for number, size in enumerate(sizes, start=1):
            budget = sizes[number] - size if number < len(sizes) else 0
            this_round = Round(number, len(sizes), budget, seed, pool, Path(folder, f"round-{number}"))
            previous = deepcopy(net) if looks_back else None
            with played.time("fit"):
                fit(net, ground, pool, settings)
            played.add(size, predicted(net, ground.test_MD), ground.test_targets_M)
            if not this_round.is_last:
                view = View(net, train, None, host_predictor(), this_round, previous)
                buy(view, acquisition, played)
    return played


def buy(view: View, acquisition: Acquisition, played: Played) -> None:
    """Scores the candidates and labels those that the acquisition chooses.

    Raises:
        ValueError: as `play`.
    """
    this_round = view.this_round
    try:
        with played.time("score"):
            candidates = gather(view, acquisition.wanted(), acquisition.num_mc_samples)
        with played.time("select"):
            rows = acquisition.select(candidates, this_round.budget, this_round.rng("acquisition"))
        this_round.pool.label(rows, this_round.number + 1)
        this_round.pool.require(this_round.number + 1, this_round.budget, "acquisition")
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ValueError(f"after round {this_round.number}, {kind}{error}") from error


def new_net(ground: Ground, seed: int, dropout: float) -> Classifier:
    """Returns a head behind dropout, which only Monte-Carlo samples apply, with the seed's random weights."""
    width = ground.features_ND.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, 1, "model"))
        return Classifier(nn.Sequential(nn.Flatten(), nn.Dropout(dropout)), width, ground.num_classes)


def fit(net: Classifier, ground: Ground, pool: Pool, settings: Settings) -> None:
    """Fits the head to what is labelled."""
    rows = pool.labelled
    weight_CD, bias_C = fit_head(
        ground.features_ND[rows], pool.targets_of(rows), ground.num_classes, settings.l2, settings.tolerance
    )
    with torch.no_grad():
        net.head.weight.copy_(torch.from_numpy(weight_CD))
        net.head.bias.copy_(torch.from_numpy(bias_C))


def predicted(net: Classifier, features_MD: np.ndarray) -> np.ndarray:
    """Returns the class of each row (M,)."""
    with torch.no_grad():
        logits_MC = net.head(torch.from_numpy(features_MD))
    classes: np.ndarray = logits_MC.argmax(dim=1).numpy()
    return classes
