"""The line of rounds.jsonl: what a round cost, what it reached, and how balanced its labels are."""

import resource
import sys
from collections.abc import Mapping
from math import isnan
from typing import Any

import numpy as np
import torch
from scipy.stats import entropy

from calrun.experiment import Experiment
from calrun.part.setup import FitResult
from calrun.round import Round


def round_line(exp: Experiment, this_round: Round, result: FitResult, metrics: dict[str, Any]) -> dict[str, Any]:
    """Returns everything that is known of a finished round but for the seconds of its phases."""
    pool, work, labelled = exp.pool, exp.method.work, exp.pool.labelled
    device = exp.predictor.device
    return {
        "round": this_round.number,
        "rounds": this_round.num_rounds,
        "labelled": len(labelled),
        "labelled_fraction": len(labelled) / len(pool),
        **metrics,
        "train_accuracy": result.train_accuracy,
        "fit_seconds": result.seconds,
        **({} if isnan(result.energy_kwh) else {"energy_kwh": result.energy_kwh}),
        "steps": work.steps,
        "epochs": work.epochs,
        "samples_forward": work.samples_forward,
        "samples_backward": work.samples_backward,
        "stop_reason": result.stop_reason,
        **({"warning": result.warning} if result.warning else {}),
        "notes": plain({**exp.method.notes(), **({} if this_round.is_last else exp.acquisition.notes())}),
        **balance(exp.task.class_counts(pool.targets_of(labelled), pool.num_classes)),
        "peak_memory_bytes": peak_memory_bytes(device),
        "device": str(device),
    }


def plain(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns notes whose numbers are Python's own, whichever library they came from."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in notes.items()}


def balance(counts: np.ndarray) -> dict[str, Any]:
    """Returns class counts, their imbalance ratio and the entropy of the labels in nats (Emam et al. 2021, Sec. 5).

    The ratio is the largest count over the smallest of the classes that occur, so that an absent class, which
    `class_counts` shows, does not make it infinite.
    """
    return {
        "class_counts": counts.tolist(),
        "imbalance_ratio": float(counts.max() / counts[counts > 0].min()),
        "label_entropy": float(entropy(counts)),
    }


def peak_memory_bytes(device: torch.device) -> int:
    """Returns the most memory in use so far: the device's own where it counts it, else the process's."""
    module = torch.get_device_module(device)
    if hasattr(module, "max_memory_allocated"):
        return int(module.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
