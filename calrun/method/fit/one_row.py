"""Finds, before the first fit, steps that would send a single row through BatchNorm, which cannot normalise one."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from calrun.dataset.base import Source, StepRows
from calrun.errors import BUY_TWO
from calrun.method.visit import Visit
from calrun.model.adapt.mode import in_mode
from calrun.part.setup import Setup
from calrun.round import planned_rounds


def one_row_passes(net: nn.Module, visit: Visit, setup: Setup, sizes: Sequence[int]) -> list[str]:
    """Returns one sentence for the first round that would send a row alone through BatchNorm.

    Args:
        net: the network that is trained.
        visit: whose steps are checked, with arbitrary rows in place of those that would be chosen.
        setup: what the method trains with.
        sizes: labelled rows in each round.
    """
    if not training_norms(net):
        return []
    for this_round in planned_rounds(sizes):
        steps = visit.epoch(this_round, 0, setup.batch_size)
        if found := next(filter(None, (_pass_of_one(visit, setup.batch_size, step) for step in steps)), None):
            if not refuses_one_row(net, first_row(setup.train)):
                return []
            what, remedy = found
            when = f"round {this_round.number} of {this_round.num_rounds}"
            return [
                f"{when} would {what}, and the model's BatchNorm cannot normalise one row; {remedy}, or choose a model "
                "without BatchNorm"
            ]
    return []


def training_norms(net: nn.Module) -> list[nn.Module]:
    """Returns the BatchNorm layers that training leaves in training mode."""
    with in_mode(net, training=True):
        return [each for each in net.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm) and each.training]


def first_row(train: Source) -> Tensor:
    """Returns x of the first training row, (1, ...)."""
    return next(iter(train.batches(np.zeros(1, dtype=np.int64), 1)))[1]


def refuses_one_row(net: nn.Module, x: Tensor) -> bool:
    """Tells whether some BatchNorm sees a single value per channel when given one row; leaves `net` as it was.

    One row is enough where the layer's input is larger than one pixel.
    """
    norms = training_norms(net)
    with in_mode(net, training=False), torch.no_grad():
        for norm in norms:
            norm.train()
        copies = {name: buffer.clone() for name, buffer in net.named_buffers()}
        try:
            functional_call(net, copies, (x,))
        except ValueError as error:
            return "more than 1 value per channel" in str(error)
    return False


def _pass_of_one(visit: Visit, batch_size: int, step: StepRows) -> tuple[str, str] | None:
    """Returns which pass of a step would hold one row, and what to do about it; `None` if no pass would."""
    current = len(step.current)
    replayed = min(visit.replay_size, len(step.replay))
    apart = not replayed or visit.forward_mode == "separate"
    chooses = len(step.replay) > visit.replay_size
    if current == 1 and (apart or (chooses and visit.choose.steps_on_current)):
        if batch_size == 1:
            return "train on one new row at a time (trainer.batch_size)", "choose trainer.batch_size above 1"
        return "train on one new row", BUY_TWO
    if replayed == 1 and apart:
        return "replay one row a step", "raise method.visit.replay_size above 1"
    return None
