"""Which arguments of Lightning's Trainer a configuration may set, and why not the others."""

import os
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from calrun.training.trainer import OURS

NAMED = ("accelerator", "devices", "precision", "deterministic")
OPEN = ("benchmark", "detect_anomaly")
PRECISIONS = ("32-true", "32", "16-mixed", "16", "bf16-mixed", "bf16")  # as Lightning spells them
ENVIRONMENT = "PL_TRAINER_"  # variables that give Lightning's Trainer other defaults
REFUSED: dict[str, tuple[str, ...]] = {  # what to do instead, and for which arguments
    "a fit ends when the stopping rule says so: choose stop=... and trainer.max_epochs": (
        *("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time", "fast_dev_run", "barebones"),
        *("limit_train_batches", "overfit_batches"),
    ),
    "an optimizer steps after every batch as its recipe says: choose optimizer=... and trainer.batch_size": (
        *("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
    ),
    "a run trains on one device: choose trainer.accelerator and trainer.devices": (
        *("strategy", "num_nodes", "sync_batchnorm", "use_distributed_sampler"),
    ),
    "a run evaluates after its fits by itself: leave it out": (
        *("limit_val_batches", "limit_test_batches", "limit_predict_batches", "val_check_interval"),
        *("check_val_every_n_epoch", "num_sanity_val_steps", "inference_mode"),
    ),
    "a run has its own files, lines and loggers: choose logger=... and trainer.checkpoint_every_seconds": (
        *("logger", "callbacks", "plugins", "default_root_dir", "enable_checkpointing", "enable_progress_bar"),
        *("enable_model_summary", "log_every_n_steps", "profiler", "enable_autolog_hparams", "model_registry"),
    ),
    "a run plans the batches of every epoch itself: leave it out": ("reload_dataloaders_every_n_epochs",),
    "it has a key of its own: set it as trainer.NAME, without `lightning`": NAMED,
}


def trainer_arguments(trainer: DictConfig) -> dict[str, Any]:
    """Returns the arguments of Lightning's Trainer out of the group `trainer`."""
    return {**{name: trainer[name] for name in NAMED}, **_further(trainer)}


def refusals(trainer: DictConfig) -> list[str]:
    """Returns what cannot be asked of a fit by the group `trainer`, each with what to do."""
    problems = [
        f"trainer.lightning sets {', '.join(taken)}, but {instead}"
        for instead, names in REFUSED.items()
        if (taken := sorted(_further(trainer).keys() & names))
    ]
    problems += [
        f"trainer.{key}={trainer[key]} is none of {', '.join(PRECISIONS)}; choose one of them: weights stay float32 "
        "from round to round"
        for key in ("precision", "predict_precision")
        if str(trainer[key]) not in PRECISIONS
    ]
    if variables := sorted(name for name in os.environ if name.startswith(ENVIRONMENT)):
        problems.append(
            f"the environment sets {', '.join(variables)}, which changes every fit of Lightning's without a trace; "
            "unset it"
        )
    return problems or _refused_by_lightning(trainer_arguments(trainer))


def _further(trainer: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(trainer.lightning, resolve=True) or {} if trainer.lightning else {}  # type: ignore[return-value]


def _refused_by_lightning(arguments: dict[str, Any]) -> list[str]:
    """Returns what Lightning says against the arguments, and whether they are for more than one device."""
    try:
        made = pl.Trainer(**arguments, **OURS, enable_checkpointing=False, plugins=[LightningEnvironment()])
    except (MisconfigurationException, RuntimeError, TypeError, ValueError) as error:
        if "No supported gpu backend" in str(error):
            return ["the trainer wants a GPU, but this machine has none that torch can use; choose trainer=cpu"]
        return [f"trainer: Lightning refuses {arguments} ({error}); correct it"]
    if made.world_size != 1:
        return [
            f"trainer: a run trains on one device, but {arguments} asks for {made.world_size}; set trainer.devices to 1"
        ]
    return []
