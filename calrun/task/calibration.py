"""How far predicted probabilities can be believed: calibration error, Brier score, negative log-likelihood.

Guo et al. 2017, "On Calibration of Modern Neural Networks", ICML, Sec. 2; Brier 1950, "Verification of Forecasts
Expressed in Terms of Probability", Monthly Weather Review 78(1).

Dimension key: N rows of a split, C classes.
"""

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

BINS = 15  # of the confidence, equally wide (Guo et al. 2017)
BELOW_ONE = 1 - 2**-24  # largest confidence in single precision; torchmetrics gives 1 itself a bin of its own


def ece(logits_NC: Tensor, targets_N: np.ndarray) -> Iterable[tuple[str, float]]:
    """Yields the expected calibration error: |accuracy - mean confidence| of each bin, weighted by its rows."""
    probs_NC = logits_NC.softmax(dim=1).clamp(max=BELOW_ONE)
    targets = torch.from_numpy(targets_N)
    yield "ece", multiclass_calibration_error(probs_NC, targets, logits_NC.shape[1], BINS, norm="l1").item()


def brier(logits_NC: Tensor, targets_N: np.ndarray) -> Iterable[tuple[str, float]]:
    """Yields the mean over rows of the squared distance of probabilities from the label's, summed over classes."""
    probs_NC = logits_NC.double().softmax(dim=1)
    probs_NC[torch.arange(len(probs_NC)), torch.from_numpy(targets_N)] -= 1
    yield "brier", probs_NC.square().sum(dim=1).mean().item()


def nll(logits_NC: Tensor, targets_N: np.ndarray) -> Iterable[tuple[str, float]]:
    """Yields the mean negative log-probability of the label, in nats."""
    yield "nll", F.cross_entropy(logits_NC.double(), torch.from_numpy(targets_N)).item()
