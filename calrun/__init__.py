"""calrun: a config-driven runner for deep active-learning experiments."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import calrun.check.resolvers  # noqa: F401 - so that whoever composes calrun's YAMLs can read them

__version__ = "0.1.0"

if TYPE_CHECKING:
    from calrun.network.load import Trained


def load(run: "str | PathLike[str]", number: int | None = None) -> "Trained":
    """Returns the network that a run has trained, with its transform and class names; the data need not be there.

    Args:
        run: the run folder, wherever it lies.
        number: of the round; `None` is the last that is committed.

    Raises:
        ValueError: if the folder is not a run's, or lacks what the network is made of.
    """
    from calrun.network.load import load as of_network  # here: `import calrun` imports nothing that trains

    return of_network(Path(run), number)
