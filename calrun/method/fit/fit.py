"""The Lightning fits of one round: a new Trainer each, so that nothing of one round leaks into the next."""

import atexit
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from calrun.machine.files import load_tensors, readable, replace_file, replace_tensors
from calrun.method.composed import Composed, on_host
from calrun.method.fit.epochs import Epochs
from calrun.method.fit.restart import begins_again
from calrun.parallel import world
from calrun.part.figures import EpochFigures
from calrun.part.setup import FitResult
from calrun.round import Round
from calrun.text.say import warn
from calrun.training.energy import EnergyMeter
from calrun.training.loss_watch import LossWatch
from calrun.training.trainer import train

DIVERGED = 1e3  # ratio of the last epoch's loss to the first step's, above which a fit has diverged
SMALL_LOSS = 1e-3  # smallest first loss in that ratio: a warm start may begin with a loss near 0
BEGUN = count()  # runs of this process, but for those that have begun no fit
Progress = Callable[[int, int, EpochFigures, int], None]


@dataclass(frozen=True)
class Fitter:
    """Runs the fits of a round, one for each phase of the method.

    Args:
        trainer: arguments of Lightning's Trainer (accelerator, devices, precision, ...).
        checkpoint_every_seconds: how often, at the end of an epoch, a fit saves where it is.
        progress: called with (epoch, largest number of epochs, figures, phase from 0) at the end of each epoch.
        energy: whether the fits' energy is measured.
    """

    trainer: dict[str, Any]
    checkpoint_every_seconds: float
    progress: Progress
    energy: bool = False

    def __post_init__(self) -> None:
        if next(BEGUN):  # the run before this one is freed
            gc.unfreeze()
            gc.collect()
        gc.freeze()  # what exists before the first fit stays: the collections between fits need not look at it
        atexit.register(gc.unfreeze)  # or libraries that count their objects at exit complain of leaks

    def __call__(self, method: Composed, this_round: Round) -> FitResult:
        """Trains the method on what is labelled, from the last checkpoint if a killed attempt left one."""
        keepers = [self._phase(method, this_round, number) for number in range(len(method.phases))]
        seconds, kwh = self._end(method)
        epochs = [figures for keeper in keepers for figures in keeper.history]
        method.work.epochs = len(epochs)
        warning = "; ".join(filter(None, (keeper.warning() for keeper in keepers)))
        if warning:
            warn(warning)
        return FitResult(
            keepers[-1].reason,
            epochs[-1].train_accuracy,
            seconds=sum((keeper.seconds for keeper in keepers), seconds),
            energy_kwh=sum((keeper.meter.kwh for keeper in keepers), kwh),
            epochs=epochs,
            warning=warning,
        )

    def _end(self, method: Composed) -> tuple[float, float]:
        """Lets the method end its round, and so store targets; returns the seconds and kWh, which count as training."""
        if not method.works_on:
            return 0.0, 0.0
        with EnergyMeter(self.energy) as meter:
            started = time.perf_counter()
            method.end_round()
            seconds = time.perf_counter() - started
        return seconds, meter.kwh

    def _phase(self, method: Composed, this_round: Round, number: int) -> "EpochKeeper":
        keeper = EpochKeeper(method, number, this_round.folder / f"phase-{number}.ckpt", self)
        done = this_round.folder / f"phase-{number}.done.pt"
        if state := readable(done, load_tensors, "this phase is trained again"):
            keeper.load_state_dict(state["keeper"])
            method.load_state_dict(state["weights"])
            return keeper
        with keeper.meter:
            epochs = keeper.rule.max_epochs
            train(method, Epochs(method), [keeper.watch, keeper], keeper.path, max_epochs=epochs, **self.trainer)
        method.end_phase()
        gc.collect()  # a finished Trainer holds on to its model until the collector runs
        if number + 1 < len(method.phases) and world.is_first():
            replace_tensors(done, {"keeper": keeper.state_dict(), "weights": on_host(method)})
        return keeper


class EpochKeeper(Checkpoint):
    """Reads an epoch's figures, asks the stopping rule, and saves where the fit is.

    As a Checkpoint it runs after the method's own hook at the end of an epoch, so that the saved schedule has stepped.
    """

    def __init__(self, method: Composed, number: int, path: Path, fitter: Fitter) -> None:
        self.method, self.phase, self.path, self.fitter = method, number, path, fitter
        self.rule = method.begin_phase(number)
        self.reason = ""
        self.seconds_before = 0.0
        self.started = self.saved = time.perf_counter()
        self.finished: float | None = None
        self.meter = EnergyMeter(fitter.energy)
        self.where = f"round {method.this_round.number}"
        if len(method.phases) > 1:
            self.where += f", phase {number + 1}"
        cure = "lower optimizer.lr, or look for values that are far too large in the data set"
        self.watch = LossWatch(self.where, cure)
        self.history: list[EpochFigures] = []

    @property
    def seconds(self) -> float:
        """Seconds of this fit so far, with those of killed attempts up to the checkpoint they left."""
        return self.seconds_before + (self.finished or time.perf_counter()) - self.started

    def warning(self) -> str:
        """Returns what makes this fit doubtful; as a rule, an empty text."""
        first, last = self.watch.first_loss, self.history[-1].train_loss
        if first is None or last <= DIVERGED * max(first, SMALL_LOSS):
            return ""
        return f"{self.where}: the loss went from {first:.3g} to {last:.3g}, the fit has diverged; lower optimizer.lr"

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.history = self.method.end_epoch()
        phase = self.method.setup_.first_phase + self.phase
        self.fitter.progress(len(self.history), self.rule.max_epochs, self.history[-1], phase)
        self.reason = world.of_first(lambda: self.rule.reason(self.history)) or ""
        if not self.reason and world.of_first(lambda: begins_again(self.rule, self.history)):
            self.method.begin_again()
        now = time.perf_counter()
        if self.reason:
            self.finished = now
            trainer.should_stop = True
        elif now - self.saved >= self.fitter.checkpoint_every_seconds and world.is_first():
            replace_file(self.path, trainer.save_checkpoint)
            self.saved = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "first_loss": self.watch.first_loss,
            "seconds": self.seconds,
            "energy_kwh": self.meter.read(),
            "fit": self.method.fit_state(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.method.load_fit_state(state_dict["fit"])
        self.history = self.method.history
        self.reason, self.watch.first_loss = state_dict["reason"], state_dict["first_loss"]
        self.seconds_before, self.started = state_dict["seconds"], time.perf_counter()
        self.saved, self.finished = self.started, self.started if self.reason else None
        self.meter.go_on(state_dict["energy_kwh"])
