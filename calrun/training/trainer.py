"""One Lightning fit, as every fit of a run is made: silent, on one device, without signal handlers, and resumable.

Lightning would end on SIGTERM with exit code 0, and on SIGINT with 1 and no message; calrun/machine/signals.py, or
whoever owns the process, handles them instead.
"""

import logging
import signal
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.connectors.signal_connector import _SignalConnector

from calrun.machine.files import load_tensors, readable

OURS: dict[str, Any] = {  # arguments of Lightning's Trainer that are the same in every fit
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "limit_val_batches": 0,
    "use_distributed_sampler": False,
}


class NoHandlers(_SignalConnector):
    """Leaves every signal to its present handler."""

    def register_signal_handlers(self) -> None:
        pass


def silence_lightning() -> None:
    """Keeps Lightning from repeating at every fit what the run says once."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")


def train(
    module: pl.LightningModule,
    batches: Iterable[Any],
    callbacks: list[Callback],
    resume: Path,
    **arguments: Any,
) -> None:
    """Trains a module, from a checkpoint if an interrupted fit has left one that can be read.

    Args:
        module: what is trained.
        batches: iterated once an epoch.
        callbacks: Lightning's.
        resume: the file in which an interrupted fit has saved itself, in a folder of its own: under SLURM, Lightning
            loads any hpc_ckpt that it finds there.
        **arguments: of Lightning's Trainer.

    Raises:
        KeyboardInterrupt: on Ctrl-C, which Lightning would turn into SystemExit.
    """
    trainer = pl.Trainer(
        **arguments,
        **OURS,
        callbacks=callbacks,
        default_root_dir=resume.parent,
        plugins=[LightningEnvironment()],  # a scheduler's tasks and requeues do not concern a fit
    )
    trainer._signal_connector = NoHandlers(trainer)
    interrupt = signal.getsignal(signal.SIGINT)
    checkpoint = resume if readable(resume, load_tensors, "the fit begins anew") else None
    try:
        trainer.fit(module, train_dataloaders=batches, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as ended:
        if not isinstance(ended.__context__, KeyboardInterrupt):
            raise
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # Lightning ignores Ctrl-C after the first one
        raise KeyboardInterrupt from ended  # Lightning has turned it into an exit
