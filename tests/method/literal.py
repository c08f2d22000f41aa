"""Active learning in plain PyTorch, written from the formulas: what calrun's methods have to equal, number for number.

It shares with calrun the streams of random numbers (calrun/rng.py) and nothing else. There is no augmentation, all is
in double precision, and every pass of the network goes through `Al.look`, which counts its rows.

Dimension key: N rows, B batch, C classes.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from calrun.rng import numpy_rng, torch_seed

SEED, NUM_TRAIN, CLASSES = 3, 120, 10
HIDDEN, DROPOUT = 12, 0.2
SIZES = (24, 41, 58)  # 17 rows are two batches: the row that is left over joins the second
BATCH, LR, MOMENTUM, DECAY = 8, 0.05, 0.9, 5e-4
EPOCHS, PROBE_EPOCHS = 3, 2
SHRINK, PERTURB = 0.4, 0.1


class Net(nn.Module):
    """A perceptron with BatchNorm and dropout, in double precision whatever it is given."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, hidden, dtype=torch.float64)
        self.norm = nn.BatchNorm1d(hidden, dtype=torch.float64)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(hidden, CLASSES, dtype=torch.float64)

    def features(self, x: Tensor) -> Tensor:
        return self.drop(F.relu(self.norm(self.hidden(x.double().flatten(1)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x))


class Played(NamedTuple):
    """What a run leaves: the last weights, and the rows bought and the (steps, forward, backward) of each round."""

    weights: list[Tensor]
    picks: list[list[int]]
    work: list[tuple[int, int, int]]


class Al:
    """New weights every round, cross-entropy of all labelled rows.

    Args:
        weighted: whether classes weigh one over their count among the labels.
    """

    def __init__(self, weighted: bool = False) -> None:
        self.weighted = weighted
        bundled = load_digits()
        rows, _ = train_test_split(
            np.arange(len(bundled.target)), train_size=NUM_TRAIN, stratify=bundled.target, random_state=0
        )
        self.x, self.y = torch.from_numpy(bundled.images[rows] / 16), torch.from_numpy(bundled.target[rows])
        self.net = Net(HIDDEN, DROPOUT)
        self.bought: list[np.ndarray] = []
        self.stored: dict[int, Tensor] = {}  # z' by row

    def play(self) -> Played:
        self.bought = [numpy_rng(SEED, 0, "initial rows").permutation(NUM_TRAIN)[: SIZES[0]]]
        work = []
        for number in range(1, len(SIZES) + 1):
            self.steps = self.forward = self.backward = 0
            self.number = number
            self.start(self.fresh())
            self.train()
            self.end()
            work.append((self.steps, self.forward, self.backward))
            if number < len(SIZES):
                self.bought.append(self.most_uncertain(SIZES[number] - SIZES[number - 1]))
        return Played(list(self.net.state_dict().values()), [rows.tolist() for rows in self.bought], work)

    # --- which rows ---

    @property
    def labelled(self) -> np.ndarray:
        return np.sort(np.concatenate(self.bought))

    @property
    def current(self) -> np.ndarray:
        """The rows that an epoch passes over."""
        return self.labelled

    @property
    def history(self) -> np.ndarray:
        return np.sort(np.concatenate([np.empty(0, np.int64), *self.bought[:-1]]))

    def most_uncertain(self, budget: int) -> np.ndarray:
        """The rows of the largest entropy, the largest first."""
        rows = np.setdiff1d(np.arange(NUM_TRAIN), self.labelled)
        p_NC = self.evaluated(rows).softmax(dim=1)
        entropy_N = -(p_NC * p_NC.log()).sum(dim=1)
        return rows[np.argsort(-entropy_N.numpy(), kind="stable")[:budget]]

    # --- a round ---

    def fresh(self) -> Net:
        torch.manual_seed(torch_seed(SEED, self.number, "model"))
        return Net(HIDDEN, DROPOUT)

    def start(self, fresh: Net) -> None:
        self.net = fresh

    def train(self) -> None:
        self.fit(0, EPOCHS)

    def end(self) -> None:
        """What is done once the round is trained."""

    def lr_factor(self) -> float:
        return 1.0

    def fit(self, phase: int, epochs: int, head_only: bool = False) -> None:
        """SGD with momentum and weight decay; a cosine from the full rate to 0, one step an epoch."""
        parameters = self.net.last.parameters() if head_only else self.net.parameters()
        self.optimizer = torch.optim.SGD(parameters, LR, momentum=MOMENTUM, weight_decay=DECAY)
        of_phase = f" of phase {phase}" if phase else ""
        for epoch in range(epochs):
            for group in self.optimizer.param_groups:
                group["lr"] = LR * self.lr_factor() * (1 + math.cos(math.pi * epoch / epochs)) / 2
            torch.manual_seed(torch_seed(SEED, self.number, "dropout", phase, epoch))
            self.epoch = epoch
            self.net.train()
            self.net.norm.train(not head_only)
            order = numpy_rng(SEED, self.number, f"batch order{of_phase}", epoch).permutation(self.current)
            draws = numpy_rng(SEED, self.number, f"replay{of_phase}", epoch)
            for batch in batches(order):
                loss = self.loss(batch, draws)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.steps += 1

    def loss(self, batch: np.ndarray, draws: np.random.Generator) -> Tensor:
        return self.cross_entropy(self.trained(batch), batch)

    def cross_entropy(self, logits_BC: Tensor, rows: np.ndarray) -> Tensor:
        """Mean over rows of -log p of the class, each weighed by its class."""
        weight_C = torch.ones(CLASSES)
        if self.weighted:
            counts_C = torch.bincount(self.y[self.labelled], minlength=CLASSES)
            weight_C = torch.where(counts_C > 0, counts_C.sum() / counts_C, torch.ones(()))
        y_B = self.y[rows]
        loss_B = logits_BC.logsumexp(dim=1) - logits_BC.gather(1, y_B[:, None]).squeeze(1)
        return (weight_C[y_B] * loss_B).sum() / weight_C[y_B].sum()

    # --- passes of the network ---

    def look(self, net: Net, rows: np.ndarray) -> Tensor:
        self.forward += len(rows)
        return net(self.x[rows])

    def trained(self, rows: np.ndarray) -> Tensor:
        self.backward += len(rows)
        return self.look(self.net, rows)

    def evaluated(self, rows: np.ndarray) -> Tensor:
        """Logits in evaluation mode; this is no training and not counted."""
        self.net.eval()
        with torch.no_grad():
            return self.net(self.x[rows])


class AlWs(Al):
    """The last round's weights and BatchNorm statistics go on; the optimizer is new."""

    def start(self, fresh: Net) -> None:
        if self.number == 1:
            self.net = fresh


class ShrinkPerturb(Al):
    """Weights are shrink * old + perturb * new; BatchNorm's statistics are new."""

    def start(self, fresh: Net) -> None:
        if self.number > 1:
            with torch.no_grad():
                for new, old in zip(fresh.parameters(), self.net.parameters(), strict=True):
                    new.copy_(SHRINK * old + PERTURB * new)
        self.net = fresh


class LpFt(Al):
    """From new weights every round: the head alone under frozen BatchNorm, then everything."""

    def train(self) -> None:
        self.fit(0, PROBE_EPOCHS, head_only=True)
        self.fit(1, EPOCHS)


def batches(order: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the batches of an epoch; a single row that is left over joins the batch before it."""
    starts = range(0, len(order) - (len(order) % BATCH == 1), BATCH)
    for start in starts:
        yield order[start:] if start == starts[-1] else order[start : start + BATCH]
