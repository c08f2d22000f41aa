"""Finds options that cannot work together, all at once and before the first fit."""

import os

from omegaconf import DictConfig
from torch import nn

from calrun.acquisition.base import Acquisition
from calrun.candidates import COLUMNS
from calrun.dataset.base import Dataset
from calrun.dropout import dropout_modules
from calrun.method.base import Method
from calrun.model.base import Classifier


def conflicts(cfg: DictConfig, data: Dataset, method: Method, acquisitions: dict[str, Acquisition]) -> list[str]:
    """Returns one sentence for each thing that cannot work."""
    problems = []
    for group, acquisition in acquisitions.items():
        problems += _unmet_needs(group, acquisition, data, method.net)
    rules = [method.stop, method.stop_later, *(phase.stop for phase in method.phases if phase.stop is not None)]
    if any(rule.needs_validation for rule in rules) and data.val is None:
        problems.append(
            "the stopping rule looks at a validation split, but this data set has none; set val_fraction above 0 or "
            "choose another stop"
        )
    num_tasks = int(os.environ.get("SLURM_NTASKS", "1"))
    if num_tasks > 1:
        problems.append(
            f"SLURM started {num_tasks} tasks (SLURM_NTASKS), but a run is one task and the others would train "
            "beside it without knowing of it; set tasks_per_node to 1"
        )
    if cfg.trainer.batch_size < 1:
        problems.append(f"trainer.batch_size wants at least 1 row, got {cfg.trainer.batch_size}")
    return problems


def _unmet_needs(group: str, acquisition: Acquisition, data: Dataset, net: Classifier) -> list[str]:
    needs, name = acquisition.needs, f"{group}={type(acquisition).__name__}"
    problems = []
    if unknown := needs - COLUMNS:
        problems.append(f"{name} needs {sorted(unknown)}, but candidates can hold {sorted(COLUMNS)}")
    if any(column.startswith("val_") for column in needs) and data.val is None:
        problems.append(f"{name} looks at a validation split, but this data set has none; set val_fraction above 0")
    if needs & {"head_weight", "head_bias"} and not isinstance(net.head, nn.Linear):
        problems.append(f"{name} measures distances to a linear head, but the model's head is not linear")
    if "mc_log_probs" in needs and not dropout_modules(net):
        problems.append(
            f"{name} wants a network with dropout, but this model has none; choose model=lenet or raise model.dropout"
        )
    return problems
