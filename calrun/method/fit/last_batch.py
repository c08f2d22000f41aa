"""Finds, before the first fit, what the rows that fill no step would do: leave no step, or a poor one to BatchNorm.

BatchNorm normalises a step of a few rows by the mean and variance of these alone: its gradient is poor, and they go
into the running statistics, by which the network is evaluated.
"""

from collections.abc import Sequence

from torch import nn

from calrun.dataset.base import StepRows
from calrun.method.fit.one_row import training_norms
from calrun.method.fit.step_sizes import DROP, KEEP
from calrun.method.visit import Visit
from calrun.part.setup import Setup
from calrun.round import planned_rounds


def no_steps(visit: Visit, setup: Setup, sizes: Sequence[int]) -> list[str]:
    """Returns one sentence if leaving out what fills no step would leave a round without any.

    Args:
        visit: whose rounds are checked, with arbitrary rows in place of those that would be chosen.
        setup: what the method trains with.
        sizes: labelled rows in each round.
    """
    if setup.last_batch != DROP:
        return []
    for this_round in planned_rounds(sizes):
        num_rows = len(visit.current_rows(this_round))
        if num_rows < setup.batch_size:
            return [
                f"trainer.last_batch=drop leaves out the rows that fill no step, but round {this_round.number} of "
                f"{this_round.num_rounds} visits {num_rows:,} rows and a step has {setup.batch_size:,}, so that there "
                "would be none; choose trainer.last_batch=even, or fewer rows a step"
            ]
    return []


def least_normalised(net: nn.Module, visit: Visit, setup: Setup, steps: Sequence[StepRows]) -> int | None:
    """Returns how many rows the last step sends through BatchNorm together if it has fewer than half of the others.

    `None` if it has more, or stands alone, or there is no BatchNorm.

    Args:
        net: the network that is trained.
        visit: which made the steps.
        setup: what the method trains with.
        steps: of an epoch.
    """
    last = steps[-1]
    is_short = len(steps) > 1 and 2 * len(last.current) < setup.batch_size
    if setup.last_batch != KEEP or not is_short or not training_norms(net):
        return None
    replayed = min(visit.replay_size, len(last.replay))
    return len(last.current) + (replayed if visit.forward_mode == "joint" else 0)
