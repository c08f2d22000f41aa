"""What every acquisition is given and what it must return.

Dimension key: N candidates, L labelled rows, C classes, D features, K Monte-Carlo samples, V validation rows.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from calrun.acquisition.kernel.cost import Cost, one_pass
from calrun.look.candidates import Candidates as Candidates
from calrun.look.candidates import Images as Images
from calrun.look.columns import COLUMNS, Column
from calrun.look.sizes import Sizes

if TYPE_CHECKING:
    from calrun.part.part import Part


class Acquisition(ABC):
    """Chooses the rows to label next.

    `needs` names the columns of `Candidates` that `select` reads; the loop computes exactly these in one pass.
    An acquisition that reads `mc_log_probs` says in `num_mc_samples` how many dropout passes it wants. One with columns
    of its own makes them in `columns`, and names in `parts` what trains or records for them during a fit. One whose
    work exceeds a single pass over its columns overrides `cost`, and names in `approximation` what to choose instead
    where it does not fit. One that asks the network itself for a row's one class says so in `classifies_rows`, one
    that means nothing with another head than that of method=ridge in `of_ridge_head`.
    """

    needs: frozenset[str] = frozenset()
    num_mc_samples: int = 0
    classifies_rows: bool = False
    of_ridge_head: bool = False
    approximation: str = "scale below 1, or acquisition=margin, which keeps one number per class and row"

    @property
    def called(self) -> str:
        """What sentences and plans call it."""
        return type(self).__name__

    @abstractmethod
    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        """Returns min(budget, N) distinct rows of `candidates.rows` as int64, in the order of choice."""

    def columns(self) -> dict[str, Column]:
        """Returns the columns that this acquisition makes itself, by name."""
        return {}

    def parts(self) -> dict[str, "Part"]:
        """Returns the modules that train beside the network or record its fits for this acquisition, by name."""
        return {}

    def wanted(self) -> list[Column]:
        """Returns the columns that `needs` names, in the order of their names."""
        known = {**COLUMNS, **self.columns()}
        return [known[name] for name in sorted(self.needs)]

    def looks_at_truth(self) -> bool:
        """Tells whether it looks at labels that nobody has bought."""
        return any("truth" in column.wants for column in self.wanted())

    def for_pixels(self) -> "Acquisition":
        """Returns what chooses in its place where a row has a class for each pixel: itself, unless it scores logits.

        There `logits` and `mc_log_probs` are those of the mean over pixels of the class probabilities: what a row holds
        and not how sure the network is of it.
        """
        return self

    def notes(self) -> dict[str, float]:
        """Returns what a round's line should say about the last choice."""
        return {}

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of `select`, estimated without running it: here a single pass over the columns."""
        return one_pass(self.wanted(), sizes)
