"""The Lightning fits of one round: a new Trainer each, so that nothing of one round leaks into the next."""

import atexit
import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from calrun.energy import EnergyMeter
from calrun.files import replace_file, replace_tensors
from calrun.loss_watch import LossWatch
from calrun.method.base import Epochs, Method
from calrun.method.setup import Work
from calrun.round import Round
from calrun.say import warn
from calrun.stop import EpochFigures
from calrun.trainer import readable_tensors, train

DIVERGED = 1e3  # the last epoch's loss over the first step's
SMALL_LOSS = 1e-3  # of a first step that fits already: a warm start may begin at next to nothing
Progress = Callable[[int, int, EpochFigures], None]


@dataclass(frozen=True)
class FitResult:
    """How a round's training went, stored targets included.

    `seconds` and `energy_kwh` count killed attempts up to the checkpoint they left.

    `energy_kwh` is NaN where it was not measured all along; `warning` says what makes the result doubtful.
    """

    stop_reason: str
    train_accuracy: float
    seconds: float
    energy_kwh: float
    epochs: list[EpochFigures]
    warning: str = ""


@dataclass(frozen=True)
class Fitter:
    """Runs the fits of a round, one for each phase of the method.

    Args:
        trainer: arguments of Lightning's Trainer (accelerator, devices, precision, ...).
        checkpoint_every_seconds: how often, at the end of an epoch, a fit saves where it is.
        progress: told (epoch, largest number of epochs, figures) at the end of each epoch.
        energy: whether the fits' energy is measured.
    """

    trainer: dict[str, Any]
    checkpoint_every_seconds: float
    progress: Progress
    energy: bool = False

    def __post_init__(self) -> None:
        gc.unfreeze()
        gc.collect()  # the run before this one, in a process that plays several
        gc.freeze()  # what stands before the first fit stays: the collections between fits need not look at it
        atexit.register(gc.unfreeze)  # or libraries that count their objects at exit complain of leaks

    def __call__(self, method: Method, this_round: Round) -> FitResult:
        """Trains the method on what is labelled, from the last checkpoint if a killed attempt left one."""
        keepers = [self._phase(method, this_round, number) for number in range(len(method.phases))]
        seconds, kwh = self._store(method, this_round) if method.objective.uses_stored else (0.0, 0.0)
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

    def _store(self, method: Method, this_round: Round) -> tuple[float, float]:
        """Lets the method store its targets, which is training work; returns the seconds and the kWh of it."""
        with EnergyMeter(self.energy) as meter:
            started = time.perf_counter()
            method.store_targets(this_round)
            seconds = time.perf_counter() - started
        return seconds, meter.kwh

    def _phase(self, method: Method, this_round: Round, number: int) -> "EpochKeeper":
        method.phase_number = number
        keeper = EpochKeeper(method, this_round.folder / f"phase-{number}.ckpt", self)
        done = this_round.folder / f"phase-{number}.done.pt"
        if state := readable_tensors(done, "this phase is trained again"):
            keeper.load_state_dict(state["keeper"])
            method.net.load_state_dict(state["net"])
            return keeper
        with keeper.meter:
            epochs = method.stop_rule().max_epochs
            train(method, Epochs(method), [keeper.watch, keeper], keeper.path, max_epochs=epochs, **self.trainer)
        if keeper.best is not None:
            method.net.load_state_dict(keeper.best)
        gc.collect()  # a finished Trainer holds on to its model until the collector runs
        if number + 1 < len(method.phases):
            replace_tensors(done, {"keeper": keeper.state_dict(), "net": method.net.state_dict()})
        return keeper


class EpochKeeper(Checkpoint):
    """Reads an epoch's figures, asks the stopping rule, and saves where the fit is.

    As a Checkpoint it runs after the method's own end of the epoch, so that the saved schedule has made its step.
    """

    def __init__(self, method: Method, path: Path, fitter: Fitter) -> None:
        self.method, self.path, self.fitter = method, path, fitter
        self.rule = method.stop_rule()
        self.history: list[EpochFigures] = []
        method.epoch = 0
        self.reason = ""
        self.best: dict[str, Tensor] | None = None
        self.seconds_before = 0.0
        self.started = self.saved = time.perf_counter()
        self.finished: float | None = None
        self.meter = EnergyMeter(fitter.energy)
        self.where = f"round {method.this_round.number}"
        if len(method.phases) > 1:
            self.where += f", phase {method.phase_number + 1}"
        cure = "lower optimizer.lr, or look for values that are far too large in the data set"
        self.watch = LossWatch(self.where, cure)

    @property
    def seconds(self) -> float:
        """Seconds of this fit so far, with those of killed attempts up to the checkpoint they left."""
        return self.seconds_before + (self.finished or time.perf_counter()) - self.started

    def warning(self) -> str:
        """Returns what makes this fit doubtful, nothing as a rule."""
        first, last = self.watch.first_loss, self.history[-1].train_loss
        if first is None or last <= DIVERGED * max(first, SMALL_LOSS):
            return ""
        return f"{self.where}: the loss went from {first:.3g} to {last:.3g}, the fit has diverged; lower optimizer.lr"

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.history.append(self.method.epoch_figures())
        self.method.epoch = len(self.history)
        self.fitter.progress(len(self.history), self.rule.max_epochs, self.history[-1])
        if self.rule.needs_validation and self._is_best():
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.method.net.state_dict().items()}
        self.reason = self.rule.reason(self.history) or ""
        now = time.perf_counter()
        if self.reason:
            self.finished = now
            trainer.should_stop = True
        elif now - self.saved >= self.fitter.checkpoint_every_seconds:
            replace_file(self.path, trainer.save_checkpoint)
            self.saved = time.perf_counter()

    def _is_best(self) -> bool:
        accuracies = [figures.val_accuracy or 0.0 for figures in self.history]
        return accuracies[-1] == max(accuracies)  # an equal accuracy is a new best, as in the code of Emam et al.

    def state_dict(self) -> dict[str, Any]:
        return {
            "history": [asdict(figures) for figures in self.history],
            "reason": self.reason,
            "best": self.best,
            "first_loss": self.watch.first_loss,
            "seconds": self.seconds,
            "energy_kwh": self.meter.read(),
            "work": asdict(self.method.work),
            "online": self.method.online,
            "kept": {} if self.method.visit.choose is None else self.method.visit.choose.kept,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = [EpochFigures(**figures) for figures in state_dict["history"]]
        self.method.epoch = len(self.history)
        self.reason, self.best = state_dict["reason"], state_dict["best"]
        self.watch.first_loss = state_dict["first_loss"]
        self.seconds_before, self.started = state_dict["seconds"], time.perf_counter()
        self.saved, self.finished = self.started, self.started if self.reason else None
        self.meter.go_on(state_dict["energy_kwh"])
        self.method.work, self.method.online = Work(**state_dict["work"]), state_dict["online"]
        if self.method.visit.choose is not None:
            self.method.visit.choose.kept = state_dict["kept"]
