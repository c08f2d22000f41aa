"""The stop set: rows of the pool, the same in every round, on which stopping rules look at a network's predictions.

Bloodgood and Vijay-Shanker 2009, "A Method for Stopping Active Learning Based on Stabilizing Predictions and the Need
for User-Adjustable Stopping", CoNLL, Sec. 4.1: chosen at random, never labelled for this purpose, 2,000 rows.

Dimension key: N rows of the stop set, C classes.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from calrun.experiment import Experiment
from calrun.look.predict import LOGITS
from calrun.machine.files import readable, replace_file
from calrun.parallel.world import is_first
from calrun.pool import Pool
from calrun.rng import numpy_rng
from calrun.round import Round

PREDICTIONS = "stop_set.npy"  # in a round's folder: the class that its network predicts for each row


def stop_rows(pool: Pool, size: int, seed: int) -> np.ndarray:
    """Returns the rows of the stop set in their order: at random among those of the pool that are not initial rows.

    A smaller set is a part of a larger one.
    """
    rows = np.flatnonzero((pool.round_of >= 0) & (pool.round_of != 1))
    return np.sort(rows[numpy_rng(seed, 0, "stop set").permutation(len(rows))[:size]])


def stop_set_numbers(exp: Experiment, this_round: Round) -> dict[str, float]:
    """Returns what a round's line holds of the stop set, if any, and keeps the predictions for the next round."""
    if not exp.record.stop_set:
        return {}
    rows = stop_rows(exp.pool, exp.record.stop_set, exp.seed)
    if not len(rows):
        return {"rows": 0}
    logits_NC = exp.predictor(exp.method.evaluated(), exp.data.train, rows, LOGITS)["logits"]
    predicted_N = logits_NC.argmax(dim=1).numpy().astype(np.int32)
    before_N = readable(this_round.folder.parent / f"round-{this_round.number - 1}" / PREDICTIONS, np.load)
    if is_first():
        replace_file(this_round.folder / PREDICTIONS, partial(_save, array=predicted_N))
    known = {} if before_N is None or len(before_N) != len(rows) else {"kappa": kappa(before_N, predicted_N)}
    round_of_N = exp.pool.round_of[rows]
    is_unlabelled_N = torch.from_numpy((round_of_N == 0) | (round_of_N > this_round.number))
    return {"rows": len(rows), **known, **uncertainty(logits_NC[is_unlabelled_N])}


def uncertainty(logits_NC: Tensor) -> dict[str, float]:
    """Returns the mean entropy in nats, and mean and variance of the probability of the predicted class.

    Empty if no row is given.
    """
    if not len(logits_NC):
        return {}
    log_probs_NC = logits_NC.double().log_softmax(dim=1)
    confidence_N = log_probs_NC.amax(dim=1).exp()
    return {
        "unlabelled": len(logits_NC),
        "entropy": -(log_probs_NC.exp() * log_probs_NC).sum(dim=1).mean().item(),
        "confidence": confidence_N.mean().item(),
        "confidence_variance": confidence_N.var(correction=0).item(),
    }


def kappa(first_N: np.ndarray, second_N: np.ndarray) -> float:
    """Returns Cohen's kappa of two lists of classes; 1 if both are all of one and the same class.

    Cohen 1960: (a - e) / (1 - e) with a the share of equal entries and e that which chance would give.
    """
    count = int(max(first_N.max(), second_N.max())) + 1
    shares_2C = np.stack([np.bincount(each, minlength=count) / len(each) for each in (first_N, second_N)])
    by_chance = float((shares_2C[0] * shares_2C[1]).sum())
    agreement = float((first_N == second_N).mean())
    return 1.0 if by_chance == 1 else (agreement - by_chance) / (1 - by_chance)


def _save(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)
