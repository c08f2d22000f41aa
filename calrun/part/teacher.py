"""A teacher whose weights follow those of the network, and the semi-supervised loss that compares the two.

Huang et al. 2021, "Semi-Supervised Active Learning with Temporal Output Discrepancy", Sec. 3.4. A second linear head on
the network's features is pulled towards the network's own logits and towards those of the teacher, on the rows of a
step and on as many unlabelled ones.

Differs from the paper's code: unlabelled batches go over all unlabelled rows before one comes again (there the
iterator begins anew at every step); a start rule that makes a new network in each round makes a new teacher too.

Dimension key: B rows of a batch, C classes.
"""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calrun.model.base import Classifier, Output
from calrun.parallel import world
from calrun.part.batch import Batch
from calrun.part.part import Part
from calrun.part.piece import Look
from calrun.part.unlabelled import LEAST_ROWS, UnlabelledBatches
from calrun.round import Round

if TYPE_CHECKING:
    from calrun.part.setup import Setup

LARGEST_SHARE = 0.999  # of its own weights that the teacher keeps in a step


class Teacher(Part):
    """Adds weight * [MSE(z, z') + MSE(z', z_teacher)], on labelled rows and on unlabelled ones.

    z are the network's logits, z' those of the second head, z_teacher those of the teacher, without gradient. Its
    parameters follow the network's after each step; its BatchNorm buffers come from its own passes in training mode.

    Args:
        weight: of the loss.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.num_steps = self.num_unlabelled = 0

    def build(self, net: Classifier, setup: "Setup") -> None:
        refuse_unfit(setup)
        self.watched, self.setup_ = [net], setup  # in a list: the network is no part of this one
        self.teacher = deepcopy(net).requires_grad_(False)
        self.second = nn.Linear(net.head.in_features, setup.num_classes)
        self.num_steps = self.num_unlabelled = 0

    def begin_round(self, this_round: Round) -> None:
        self.this_round, self.num_unlabelled = this_round, 0

    def begin_epoch(self, look: Look, phase: int, epoch: int) -> None:
        setup = self.setup_
        self.unlabelled = UnlabelledBatches(setup.train, setup.batch_size, self.this_round, phase, epoch)
        self.is_in_step = False

    def loss(self, current: Batch, replay: Batch | None) -> Tensor | None:
        self._follow_modes()
        own = [current] if replay is None else [current, replay]
        x = current.x if replay is None else self.setup_.train.joined(current.x, replay.x)
        logits_BC = torch.cat([batch.logits for batch in own])
        loss = self._discrepancy(logits_BC, torch.cat([batch.features for batch in own]), x)
        unlabelled = self.unlabelled.next(current.x.device)
        if unlabelled is not None:
            x = laid_out(unlabelled, current.x)
            seen: Output = self.watched[0](x)
            self.num_unlabelled += len(x)
            loss = loss + self._discrepancy(seen.logits_BC, seen.features_BD, x)
        return self.weight * loss

    @torch.no_grad()
    def after_step(self, current: Batch, replay: Batch | None) -> None:
        self.num_steps += 1
        teacher, net = (list[Tensor](module.parameters()) for module in (self.teacher, self.watched[0]))
        torch._foreach_lerp_(teacher, net, 1 - kept_share(self.num_steps))

    def notes(self) -> dict[str, float]:
        return {"unlabelled_samples": float(self.num_unlabelled)}

    def fit_state(self) -> dict[str, Any]:
        return {"num_steps": self.num_steps, "num_unlabelled": self.num_unlabelled}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.num_steps, self.num_unlabelled = state["num_steps"], state["num_unlabelled"]

    def carried(self) -> dict[str, Any]:
        return {"num_steps": self.num_steps}

    def restore(self, carried: dict[str, Any]) -> None:
        self.num_steps = carried["num_steps"]

    def _discrepancy(self, logits_BC: Tensor, features_BD: Tensor, x: Tensor) -> Tensor:
        with torch.no_grad():
            taught_BC = self.teacher(x).logits_BC
        return discrepancy(logits_BC.float(), self.second(features_BD).float(), taught_BC.float())

    def _follow_modes(self) -> None:
        """Lets the teacher's modules train where the network's do, once an epoch: BatchNorm may be frozen."""
        if not self.is_in_step:
            for mine, theirs in zip(self.teacher.modules(), self.watched[0].modules(), strict=True):
                mine.training = theirs.training
        self.is_in_step = True


def discrepancy(logits_BC: Tensor, second_BC: Tensor, taught_BC: Tensor) -> Tensor:
    """Returns MSE(z, z') + MSE(z', z_teacher), means over rows and classes."""
    return F.mse_loss(second_BC, logits_BC) + F.mse_loss(second_BC, taught_BC)


def kept_share(step: int) -> float:
    """Returns how much of its weights the teacher keeps after a step, counted from 1: 1 - 1 / (step + 1) at most."""
    return min(1 - 1 / (step + 1), LARGEST_SHARE)


def laid_out(x: Tensor, like: Tensor) -> Tensor:
    """Returns pictures channels-last where the labelled ones are."""
    is_last = x.dim() == 4 and like.is_contiguous(memory_format=torch.channels_last)
    return x.contiguous(memory_format=torch.channels_last) if is_last else x


def refuse_unfit(setup: "Setup") -> None:
    """Raises a ValueError where the loss has no meaning."""
    if setup.train.targets.ndim > 1:
        raise ValueError(
            "acquisition.weight above 0 trains a second head on one feature vector of each row, but this data set has "
            "a class for each pixel; set acquisition.weight=0, which leaves the semi-supervised loss out"
        )
    if setup.batch_size < LEAST_ROWS:
        raise ValueError(
            f"acquisition.weight above 0 sends as many unlabelled rows through the network as a step has, {LEAST_ROWS} "
            f"or more, but trainer.batch_size is {setup.batch_size}; raise it, or set acquisition.weight=0"
        )
    if world.is_together():
        raise ValueError(
            "acquisition.weight above 0 sends unlabelled rows through the network, which trainer.processes above 1 "
            "does not share between processes; set trainer.processes=1, or acquisition.weight=0"
        )
