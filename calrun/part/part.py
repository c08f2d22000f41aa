"""A named module that trains beside the network or watches it: a head with a loss, a recorder, an observer.

An acquisition or an objective asks for parts by name; the method trains them, saves them and carries them on.
"""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from calrun.method.fit.beside import HeadOptimizer
from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.piece import Piece

if TYPE_CHECKING:
    from calrun.part.setup import Setup


class Part(nn.Module, Piece):
    """Trains its parameters with the network's own optimizer; buffers are saved with every checkpoint and carried on.

    `taps` names the inner activations that the part wants to find in `Batch.seen.taps`; `own_optimizer` what its
    parameters have of their own in that optimizer.
    """

    taps: tuple[str, ...] = ()
    own_optimizer = HeadOptimizer()

    def build(self, net: Classifier, setup: "Setup") -> None:
        """Makes new parameters and buffers on the host, with random numbers from torch's generator, which is seeded.

        It is called once for a run, and at the beginning of each round whose start rule remembers nothing.
        """

    def loss(self, current: Batch, replay: Batch | None) -> Tensor | None:
        """Returns what is added to the loss of a step; `None` adds nothing."""
        return None
