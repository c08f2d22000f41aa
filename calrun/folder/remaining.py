"""How long a run will still take at most: the work that is left, at the rate that this run has shown so far."""

import time
from typing import TYPE_CHECKING

from calrun.round import planned_rounds

AROUND_FIT = ("evaluate", "score", "select", "commit")

if TYPE_CHECKING:
    from calrun.experiment import Experiment
    from calrun.part.setup import FitWork


class Remaining:
    """Estimates the seconds that are left, at most: fits end early if their stopping rule says so.

    Args:
        exp: as built, before any round.
    """

    def __init__(self, exp: "Experiment") -> None:
        self.rounds = [exp.method.planned(this_round) for this_round in planned_rounds(exp.sizes, exp.seed)]
        self.samples = self.seconds = 0.0  # of fits so far
        self.others = [0.0]  # seconds of each finished round outside its fit
        self.number, self.epochs_done, self.since = 1, 0, time.monotonic()

    def epoch(self, number: int, done: int) -> None:
        """Takes the end of an epoch of a round; `done` counts from 1 in each phase."""
        now, fresh = time.monotonic(), number != self.number or done <= self.epochs_done
        if done > 1 and not fresh:
            self.samples += of_an_epoch(self.rounds[number - 1]) * (done - self.epochs_done)
            self.seconds += now - self.since
        self.number, self.epochs_done, self.since = number, done, now

    def round(self, line: "dict[str, dict[str, float]]") -> None:
        """Takes a committed round."""
        self.others.append(sum(line["seconds"].get(phase, 0.0) for phase in AROUND_FIT))

    def left(self, number: int, done: int) -> float | None:
        """Returns the seconds left after `done` epochs of round `number`; `None` while nothing has been timed."""
        if not self.samples:
            return None
        this, later = self.rounds[number - 1], self.rounds[number:]
        samples = of_an_epoch(this) * max(0, this.total_epochs - done) + sum(each.total_samples for each in later)
        others = sum(self.others) / max(1, len(self.others) - 1) * (len(later) + 1)
        return samples * self.seconds / self.samples + others


def of_an_epoch(work: "FitWork") -> float:
    """Returns the rows of an epoch, on average over the networks that a round trains."""
    return work.total_samples / max(1, work.total_epochs)
