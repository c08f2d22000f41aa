"""Which arguments of Lightning's Trainer a configuration may set, and why not the others; imports no Lightning."""

import os
from typing import Any

from omegaconf import DictConfig, OmegaConf

NAMED = ("accelerator", "devices", "precision", "deterministic")
OPEN = ("benchmark", "detect_anomaly")
PRECISIONS = ("32-true", "32", "16-mixed", "16", "bf16-mixed", "bf16")  # as Lightning spells them
ENVIRONMENT = "PL_TRAINER_"  # beginning of variables that give Lightning's Trainer other defaults
REFUSED: dict[str, tuple[str, ...]] = {  # what to do instead, and the arguments that it replaces
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
    """Returns the arguments of Lightning's Trainer from the group `trainer`."""
    return {**{name: trainer[name] for name in NAMED}, **_further(trainer)}


def refused_arguments(trainer: DictConfig) -> list[str]:
    """Returns one sentence for each thing that the group `trainer` cannot ask of a fit, with what to do."""
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
    return problems


def _further(trainer: DictConfig) -> dict[str, Any]:
    further = trainer.lightning
    return OmegaConf.to_container(further, resolve=True) if isinstance(further, DictConfig) else {}  # type: ignore[return-value]
