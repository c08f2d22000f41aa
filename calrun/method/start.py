"""Start rules: which weights a round begins with.

Cold and warm start: Das et al. 2023 (CAL), Sec. 4. Shrink-and-perturb: Ash and Adams 2020, "On Warm-Starting Neural
Network Training". Checkpoints: Emam et al. 2021, Sec. 5; Kumar et al. 2022 (LP-FT).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy

import torch

from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.base import Classifier
from calrun.text.legal import share


class Start(ABC):
    """Sets the weights of the network at the start of a round."""

    remembers: bool = False  # whether a round keeps anything of the last round's weights
    wants_path: bool = False  # whether it is made for a file of pre-trained weights, and has none

    @abstractmethod
    def apply(self, net: Classifier, fresh: Classifier) -> None:
        """Changes `net`, which holds the last round's weights; `fresh` is this round's new initialisation."""

    def first(self, net: Classifier, fresh: Classifier) -> None:
        """Sets the weights of round 1, which has no last round: the fresh ones."""
        net.load_state_dict(fresh.state_dict())

    def problems(self, net: Classifier) -> list[str]:
        """Returns one sentence for each thing that cannot work with a network, which stays as it is."""
        return []

    def of_head(self) -> "Start | None":
        """Returns what the rule does to the head alone; `None` if it does anything else to a backbone than fill it.

        With it, a head can be trained on the features of a backbone that is no longer there.
        """
        return None


class Cold(Start):
    """Every round starts from new random weights, BatchNorm statistics included."""

    def apply(self, net: Classifier, fresh: Classifier) -> None:
        net.load_state_dict(fresh.state_dict())

    def of_head(self) -> Start:
        return self


class Warm(Start):
    """Every round continues from the last round's weights and BatchNorm statistics."""

    remembers = True

    def apply(self, net: Classifier, fresh: Classifier) -> None:
        """Keeps the weights as they are."""

    def of_head(self) -> Start:
        return self


class ShrinkPerturb(Start):
    """Every round starts from shrink * (last weights) + perturb * (new random weights).

    Args:
        shrink: share of the last weights; Ash and Adams use 0.4, the CAL code 0.8.
        perturb: share of the new weights; Ash and Adams use 0.1, the CAL code 0.2.
        reset_bn_stats: whether BatchNorm's running statistics are reset.
    """

    remembers = True

    def __init__(self, shrink: float, perturb: float, reset_bn_stats: bool = True) -> None:
        share("method.start.shrink", shrink)
        share("method.start.perturb", perturb)
        self.shrink, self.perturb, self.reset_bn_stats = shrink, perturb, reset_bn_stats

    def apply(self, net: Classifier, fresh: Classifier) -> None:
        with torch.no_grad():
            for parameter, other in zip(net.parameters(), fresh.parameters(), strict=True):
                parameter.mul_(self.shrink).add_(other, alpha=self.perturb)
            if self.reset_bn_stats:
                for buffer, new in zip(net.buffers(), fresh.buffers(), strict=True):
                    buffer.copy_(new)


class Checkpoint(Start):
    """Every round starts from a backbone on disk and a new linear head, N(0, head_std) with bias 0 (Emam et al., code).

    Args:
        path: a file of backbone weights; `None` for random weights.
        prefix: what the backbone's keys begin with in the file; `None` finds it.
        leave_out: beginnings of further keys to pass over, such as the checkpoint's own head.
        head_std: standard deviation of the new head; `None` keeps the layer's own initialisation.
    """

    def __init__(
        self, path: str | None, prefix: str | None = None, leave_out: Sequence[str] = (), head_std: float | None = None
    ) -> None:
        if numbers := [each for each in leave_out if not isinstance(each, str)]:
            raise ValueError(
                f"method.start.leave_out wants beginnings of names, got the numbers {numbers}; put quotes around them, "
                "such as '0.'"
            )
        if head_std is not None and not 0 < head_std < math.inf:
            raise ValueError(
                f"method.start.head_std wants a number above 0, or null for the layer's own, got {head_std}; "
                "Emam et al. take 0.001"
            )
        self.path, self.prefix, self.leave_out, self.head_std = path, prefix, leave_out, head_std
        self.wants_path = path is None

    def fill(self, net: Classifier) -> None:
        """Puts the file's weights into a backbone.

        Raises:
            ValueError: if they do not fit; then it stays as it is.
        """
        if self.path is not None:
            load_backbone(net, self.path, self.prefix, self.leave_out)

    def problems(self, net: Classifier) -> list[str]:
        try:
            self.fill(deepcopy(net))
        except ValueError as error:
            return [str(error)]
        return []

    def apply(self, net: Classifier, fresh: Classifier) -> None:
        self.fill(fresh)
        net.load_state_dict(fresh.state_dict())
        if self.head_std is not None:
            # the fresh head is already random for this round: rescaling it keeps the one source of randomness
            with torch.no_grad():
                net.head.weight.mul_(self.head_std / net.head.weight.std())
                net.head.bias.zero_()

    def first(self, net: Classifier, fresh: Classifier) -> None:
        self.apply(net, fresh)

    def of_head(self) -> Start:
        return Checkpoint(None, head_std=self.head_std)
