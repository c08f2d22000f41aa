"""What `record` asks a run to write down besides accuracy and loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from calrun.training.energy import require_energy


@dataclass(frozen=True)
class RecordOptions:
    """What a run writes down besides the metrics.

    Args:
        accuracy_by_round: the accuracy on each round's rows after every round (the forgetting matrix).
        further_tests: after which rounds the data set's further test sets are evaluated: `never`, `last` or `every`.
        metrics: further metrics of the test sets, those of the task's `more`.
        test_entropy: the entropy of each test row's prediction after every round.
        keep_states: whether every round's state stays on disk; otherwise only the last one's.
        dynamics: how the fits of each round see every row they train on (see calrun/part/dynamics.py).
        stop_set: how many rows of the pool stopping rules look at after every round (see calrun/folder/stop_set.py);
            0 and `None`: none.
        energy: the energy of each fit, which needs codecarbon (see calrun/training/energy.py).

    Raises:
        ValueError: energy is wanted and cannot be measured here.
    """

    accuracy_by_round: bool = False
    further_tests: Literal["never", "last", "every"] = "never"
    metrics: Sequence[str] = ()
    test_entropy: bool = False
    keep_states: bool = False
    dynamics: bool = False
    stop_set: int | None = 0
    energy: bool = False

    def __post_init__(self) -> None:
        if self.energy:
            require_energy()
