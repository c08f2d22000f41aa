"""The Lightning fits of one round: a new Trainer each, so that nothing of one round leaks into the next."""

import atexit
import gc
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from calrun.energy import EnergyMeter
from calrun.files import replace_file, replace_tensors
from calrun.method.base import Epochs, Method
from calrun.method.setup import Work
from calrun.round import Round
from calrun.stop import EpochFigures

OURS: dict[str, Any] = {  # arguments of Lightning's Trainer that a run does not leave open
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "limit_val_batches": 0,
    "use_distributed_sampler": False,
}
NOT_OPEN = ("max_epochs", "callbacks", "default_root_dir", "plugins", "gradient_clip_val", "accumulate_grad_batches")
Progress = Callable[[int, int, EpochFigures], None]


@dataclass(frozen=True)
class FitResult:
    """How a round's training went; `seconds` and `energy_kwh` count killed attempts up to the checkpoint they left.

    `energy_kwh` is NaN where it was not measured all along.
    """

    stop_reason: str
    train_accuracy: float
    seconds: float
    energy_kwh: float
    epochs: list[EpochFigures]


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
        epochs = [figures for keeper in keepers for figures in keeper.history]
        method.work.epochs = len(epochs)
        return FitResult(
            keepers[-1].reason,
            epochs[-1].train_accuracy,
            seconds=sum(keeper.seconds for keeper in keepers),
            energy_kwh=sum(keeper.meter.kwh for keeper in keepers),
            epochs=epochs,
        )

    def _phase(self, method: Method, this_round: Round, number: int) -> "EpochKeeper":
        method.phase_number = number
        keeper = EpochKeeper(method, this_round.folder / f"phase-{number}.ckpt", self)
        done = this_round.folder / f"phase-{number}.done.pt"
        if done.exists():
            state = torch.load(done, weights_only=True)
            keeper.load_state_dict(state["keeper"])
            method.net.load_state_dict(state["net"])
            return keeper
        self._fit(method, keeper, this_round.folder)
        if number + 1 < len(method.phases):
            replace_tensors(done, {"keeper": keeper.state_dict(), "net": method.net.state_dict()})
        return keeper

    def _fit(self, method: Method, keeper: "EpochKeeper", folder: Path) -> None:
        trainer = pl.Trainer(
            **self.trainer,
            **OURS,
            max_epochs=method.stop_rule().max_epochs,
            callbacks=[keeper],
            default_root_dir=folder,  # its own: under SLURM Lightning loads any hpc_ckpt that it finds there
            plugins=[LightningEnvironment()],  # one owner of signals and requeueing, and it is not Lightning
        )
        resume = keeper.path if keeper.path.exists() else None
        with keeper.meter:
            try:
                trainer.fit(method, train_dataloaders=Epochs(method), ckpt_path=resume, weights_only=True)
            except SystemExit as ended:
                if isinstance(ended.__context__, KeyboardInterrupt):  # what Lightning makes of Ctrl-C
                    raise KeyboardInterrupt from ended
                raise
        if keeper.best is not None:
            method.net.load_state_dict(keeper.best)
        gc.collect()  # a finished Trainer holds on to its model until the collector runs


def trainer_arguments(trainer: DictConfig) -> dict[str, Any]:
    """Returns the arguments of Lightning's Trainer out of the group `trainer`."""
    named = {name: trainer[name] for name in ("accelerator", "devices", "precision", "deterministic")}
    return {**named, **(OmegaConf.to_container(trainer.lightning, resolve=True) or {})}  # type: ignore[dict-item]


def refusals(trainer: dict[str, Any]) -> list[str]:
    """Returns what Lightning says against arguments of its Trainer, and whether they are for more than one device."""
    if taken := sorted(trainer.keys() & {*OURS, *NOT_OPEN}):
        return [f"trainer.lightning sets {taken}, which a run does not leave open; leave them out"]
    try:
        made = pl.Trainer(**trainer, **OURS, enable_checkpointing=False, plugins=[LightningEnvironment()])
    except (MisconfigurationException, RuntimeError, TypeError, ValueError) as error:
        if "No supported gpu backend" in str(error):
            return ["the trainer wants a GPU, but this machine has none that torch can use; choose trainer=cpu"]
        return [f"trainer: Lightning refuses {trainer} ({error}); correct it"]
    if made.world_size != 1:
        return [
            f"trainer: a run trains on one device, but {trainer} asks for {made.world_size}; set trainer.devices to 1"
        ]
    return []


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
        self.handler = signal.getsignal(signal.SIGTERM)

    @property
    def seconds(self) -> float:
        """Seconds of this fit so far, with those of killed attempts up to the checkpoint they left."""
        return self.seconds_before + (self.finished or time.perf_counter()) - self.started

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if signal.getsignal(signal.SIGTERM) != self.handler and self.handler is not None:
            # Lightning would turn SIGTERM into an exit with code 0, and nobody would run the job again
            signal.signal(signal.SIGTERM, self.handler)

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
        self.seconds_before, self.started = state_dict["seconds"], time.perf_counter()
        self.saved, self.finished = self.started, self.started if self.reason else None
        self.meter.go_on(state_dict["energy_kwh"])
        self.method.work, self.method.online = Work(**state_dict["work"]), state_dict["online"]
        if self.method.visit.choose is not None:
            self.method.visit.choose.kept = state_dict["kept"]
