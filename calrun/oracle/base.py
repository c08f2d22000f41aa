"""Who gives labels. Targets exist only behind an oracle: nobody reads a label that it has not given.

Dimension key: B rows whose labels are asked for.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from calrun.dataset.base import Source


class Oracle(ABC):
    """Answers with the labels of rows that a run has bought."""

    def begin(self, train: Source, class_names: list[str], folder: Path) -> None:  # noqa: B027 - may need none of it
        """Learns what the rows and classes are called, and where the run is kept; called once, before any question."""

    def problems(self) -> list[str]:
        """Returns a sentence for each thing that this oracle cannot be asked of the data set; found by `build()`."""
        return []

    @abstractmethod
    def answer(self, rows: np.ndarray, number: int) -> np.ndarray:
        """Returns the labels of the rows bought for a round (B, ...), in order; NO_CLASS for a row of no class.

        Raises:
            LabelsWanted: if labels are missing; its text says where to put them.
        """

    def truth(self, rows: np.ndarray) -> np.ndarray:
        """Returns the labels of any rows (B, ...), for acquisitions that declare that they cheat.

        Raises:
            ValueError: if this oracle knows only the labels that it has been asked for.
        """
        raise ValueError(
            f"{type(self).__name__} does not know labels that nobody has given, but an acquisition with `oracle` in "
            "its `needs` looks at them; choose another acquisition"
        )
