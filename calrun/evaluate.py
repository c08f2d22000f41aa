"""Metrics of a network on the test sets.

Dimension key: N rows, C classes.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from calrun.experiment import Experiment
from calrun.files import replace_file
from calrun.round import Round

LOGITS = frozenset({"logits"})


def evaluate(exp: Experiment, this_round: Round) -> dict[str, Any]:
    """Returns the metrics of each test set, and what `record` asks for besides."""
    net, tests = exp.method.net, exp.data.tests
    logits = {name: exp.predictor(net, test, np.arange(len(test)), LOGITS)["logits"] for name, test in tests.items()}
    line: dict[str, Any] = {"test": {name: split_metrics(logits[name], test.targets) for name, test in tests.items()}}
    if exp.record.accuracy_by_round:
        line["accuracy_by_round"] = accuracy_by_round(exp, this_round)
    if exp.record.test_entropy:
        entropy_N = entropy(next(iter(logits.values()))).numpy()
        replace_file(this_round.folder / "test_entropy.npy", lambda path: _save_array(path, entropy_N))
    return line


def split_metrics(logits_NC: Tensor, targets: np.ndarray) -> dict[str, float]:
    """Returns accuracy, balanced accuracy (mean recall of the classes that occur) and mean cross-entropy."""
    targets_N = torch.from_numpy(targets)
    num_classes = logits_NC.shape[1]
    recall_C = multiclass_accuracy(logits_NC, targets_N, num_classes, average="none")
    occurs_C = torch.bincount(targets_N, minlength=num_classes) > 0
    return {
        "accuracy": accuracy(logits_NC, targets_N),
        "balanced_accuracy": recall_C[occurs_C].double().mean().item(),
        "loss": F.cross_entropy(logits_NC.double(), targets_N).item(),
    }


def accuracy(logits_NC: Tensor, targets_N: Tensor) -> float:
    """Returns the share of rows whose largest logit is their class."""
    return (logits_NC.argmax(dim=1) == targets_N).double().mean().item()


def entropy(logits_NC: Tensor) -> Tensor:
    """Returns the entropy of each row's prediction (N,), in nats."""
    log_probs_NC = logits_NC.log_softmax(dim=1)
    return -(log_probs_NC.exp() * log_probs_NC).sum(dim=1)


def accuracy_by_round(exp: Experiment, this_round: Round) -> list[float]:
    """Returns the accuracy on each D_1..D_t without augmentation: a row of the forgetting matrix (Das et al. 2023)."""
    pool, labelled = exp.pool, np.flatnonzero((exp.pool.round_of > 0) & (exp.pool.round_of <= this_round.number))
    logits_NC = exp.method.predict(labelled)["logits"]
    correct_N = logits_NC.argmax(dim=1).numpy() == pool.targets_of(labelled)
    bought_N = pool.round_of[labelled]
    return [float(correct_N[bought_N == number].mean()) for number in range(1, this_round.number + 1)]


def _save_array(path: Any, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)
