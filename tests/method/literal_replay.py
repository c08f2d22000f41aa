"""The replay methods of Das et al. 2023 in plain PyTorch, written from the formulas; see literal.py.

Dimension key: N rows, B batch, C classes, D features, A candidates of a step.
"""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.method.literal import BATCH, EPOCHS, AlWs

CAL_EPOCHS = 2
REPLAY, CANDIDATES = 10, 17
ALPHA, BETA = 0.3, 0.7
SIGMA, UNCERTAINTY_WEIGHT = 0.3, 0.5


class Er(AlWs):
    """The newest rows, and with each batch of them rows of the history; one loss over both.

    Args:
        joint: one pass over both, or one over the replayed rows and then one over the current.
        scaled: whether the rate is lr (m + r) / m.
    """

    def __init__(self, joint: bool = True, scaled: bool = True, weighted: bool = False) -> None:
        super().__init__(weighted)
        self.joint, self.scaled = joint, scaled

    @property
    def current(self) -> np.ndarray:
        return np.sort(self.bought[-1])

    def train(self) -> None:
        self.fit(0, EPOCHS if self.number == 1 else CAL_EPOCHS)

    def lr_factor(self) -> float:
        return (BATCH + REPLAY) / BATCH if self.scaled and self.number > 1 else 1.0

    def loss(self, batch: np.ndarray, draws: np.random.Generator) -> Tensor:
        if self.number == 1:
            return super().loss(batch, draws)
        replay = self.replayed(batch, draws)
        if self.joint:
            logits_BC = self.trained(np.r_[batch, replay])
            return self.both(logits_BC[: len(batch)], batch, logits_BC[len(batch) :], replay)
        replay_logits_BC = self.trained(replay)
        return self.both(self.trained(batch), batch, replay_logits_BC, replay)

    def replayed(self, batch: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        return self.drawn(draws, REPLAY)

    def drawn(self, draws: np.random.Generator, size: int) -> np.ndarray:
        """Rows of the history, uniformly and without replacement."""
        return self.history[draws.choice(len(self.history), size, replace=False, shuffle=False)]

    def both(self, logits_BC: Tensor, rows: np.ndarray, old_BC: Tensor, old_rows: np.ndarray) -> Tensor:
        return self.cross_entropy(torch.cat([logits_BC, old_BC]), np.r_[rows, old_rows])


class Mir(Er):
    """Replays the candidates whose loss a plain gradient step on the current batch raises most."""

    def replayed(self, batch: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        candidates = self.drawn(draws, CANDIDATES)
        stepped, still = copy.deepcopy(self.net), copy.deepcopy(self.net)
        stepped.zero_grad()
        self.cross_entropy(self.look(stepped, batch), batch).backward()
        self.backward += len(batch)
        with torch.no_grad():
            for parameter in stepped.parameters():
                parameter -= self.optimizer.param_groups[0]["lr"] * parameter.grad
            stepped.norm.load_state_dict({**stepped.norm.state_dict(), **dict(still.norm.named_buffers())})
            after_A, before_A = (
                F.cross_entropy(self.look(net.eval(), candidates), self.y[candidates], reduction="none")
                for net in (stepped, still)
            )
        return candidates[np.argsort((before_A - after_A).numpy(), kind="stable")[:REPLAY]]


class Der(Er):
    """Keeps the logits of replayed rows near those that they had in the round that bought them.

    Args:
        joint: as in `Er`.
        online: whether targets come from the first epoch's training passes, or from a pass when the round has ended.
    """

    def __init__(self, joint: bool = False, online: bool = False) -> None:
        super().__init__(joint)
        self.online = online

    def loss(self, batch: np.ndarray, draws: np.random.Generator) -> Tensor:
        self.batch = batch
        return super().loss(batch, draws)

    def trained(self, rows: np.ndarray) -> Tensor:
        logits_BC = super().trained(rows)
        if self.online and self.epoch == 0 and np.array_equal(rows[: len(self.batch)], self.batch):
            for row, logits_C in zip(self.batch, logits_BC.detach(), strict=False):
                self.stored[int(row)] = logits_C
        return logits_BC

    def end(self) -> None:
        if self.online:
            return
        self.net.eval()
        with torch.no_grad():
            self.stored |= dict(zip(self.current.tolist(), self.look(self.net, self.current), strict=True))

    def targets(self, rows: np.ndarray) -> Tensor:
        return torch.stack([self.stored[int(row)] for row in rows])

    def both(self, logits_BC: Tensor, rows: np.ndarray, old_BC: Tensor, old_rows: np.ndarray) -> Tensor:
        """CE(current) + alpha * mean square of (z - z') + beta * CE(replayed)."""
        distance = (old_BC - self.targets(old_rows)).square().mean()
        return self.cross_entropy(logits_BC, rows) + ALPHA * distance + BETA * self.cross_entropy(old_BC, old_rows)


class Sd(Der):
    """Weighs new against old rows by their share of the labels, and distils old rows from their stored outputs."""

    def both(self, logits_BC: Tensor, rows: np.ndarray, old_BC: Tensor, old_rows: np.ndarray) -> Tensor:
        """lambda CE(current) + (1 - lambda) (alpha KL(p' || p) + (1 - alpha) CE(replayed)), lambda = n / (n + |H|)."""
        share = len(self.bought[-1]) / len(self.labelled)
        p_BC = self.targets(old_rows).softmax(dim=1)
        divergence = (p_BC * (p_BC.log() - old_BC.log_softmax(dim=1))).sum(dim=1).mean()
        old = ALPHA * divergence + (1 - ALPHA) * self.cross_entropy(old_BC, old_rows)
        return share * self.cross_entropy(logits_BC, rows) + (1 - share) * old


class Sds2(Sd):
    """Replays the greedy maximiser of sum_i max_j w_ij + lambda log(1 + sum_j h_j) among candidates."""

    def replayed(self, batch: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        candidates = self.drawn(draws, CANDIDATES)
        self.forward += len(candidates)
        with torch.no_grad():
            features_AD = copy.deepcopy(self.net).eval().features(self.x[candidates])
            p_AC = self.net.last(features_AD).softmax(dim=1)
        entropy_A = -(p_AC * p_AC.log()).sum(dim=1)
        unit_AD = features_AD / features_AD.norm(dim=1, keepdim=True)
        squared_AA = (unit_AD[:, None] - unit_AD[None]).square().sum(dim=2)
        kernel_AA = torch.exp(-squared_AA / (2 * SIGMA**2))

        def value(summary: list[int]) -> float:
            covered = kernel_AA[:, summary].amax(dim=1).sum().item()
            return covered + UNCERTAINTY_WEIGHT * math.log1p(entropy_A[summary].sum().item())

        summary: list[int] = []
        for _ in range(REPLAY):
            left = [each for each in range(CANDIDATES) if each not in summary]
            summary.append(max(left, key=lambda each: value([*summary, each])))
        return candidates[summary]
