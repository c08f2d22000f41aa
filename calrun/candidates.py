"""Fills the columns that an acquisition needs, with one pass over the rows that each concerns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.dataset.base import Dataset, Source
from calrun.model.base import Classifier
from calrun.pool import Pool
from calrun.predict import Predictor, mc_seeds
from calrun.round import Round

_PASSES = frozenset({"logits", "features", "mc_log_probs"})
COLUMNS = _PASSES | {
    "head_weight", "head_bias", "labelled_rows", "labelled_features", "labelled_logits", "labelled_targets",
    "val_logits", "val_features", "val_targets", "oracle", "images", "model", "scratch", "run_folder",
}  # fmt: skip


class PoolImages:
    """The pool's pictures for acquisitions that look at them, on the model's device."""

    def __init__(self, predictor: Predictor, source: Source) -> None:
        self.predictor, self.source = predictor, source

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yields (rows, x) in the order of `rows`."""
        for chunk, x in self.source.batches(rows, batch_size):
            yield chunk, x.to(self.predictor.device)


def gather(
    net: Classifier,
    data: Dataset,
    pool: Pool,
    acquisition: Acquisition,
    predictor: Predictor,
    this_round: Round,
) -> Candidates:
    """Returns the unlabelled rows with the columns that `acquisition.needs` names, and nothing else."""
    needs, rows, labelled = acquisition.needs, pool.unlabelled, pool.labelled
    columns: dict[str, Any] = {}
    if needs & _PASSES:
        seeds = mc_seeds(this_round.rng("dropout masks"), acquisition.num_mc_samples)
        columns |= predictor(net, data.train, rows, needs & _PASSES, seeds)
    columns |= _split("labelled", needs, net, data.train, labelled, predictor)
    if data.val is not None:
        columns |= _split("val", needs, net, data.val, np.arange(len(data.val)), predictor)
    available: dict[str, Any] = {
        "labelled_rows": lambda: labelled,
        "labelled_targets": lambda: torch.from_numpy(pool.targets_of(labelled)),
        "val_targets": lambda: torch.from_numpy(data.val.targets) if data.val is not None else None,
        "head_weight": lambda: net.head.weight.detach().float().cpu(),
        "head_bias": lambda: net.head.bias.detach().float().cpu(),
        "oracle": lambda: torch.from_numpy(pool.oracle(rows)),
        "images": lambda: PoolImages(predictor, data.train),
        "model": lambda: net.to(predictor.device).eval(),
        "scratch": lambda: this_round.folder,
        "run_folder": lambda: this_round.folder.parent,
    }
    columns |= {name: make() for name, make in available.items() if name in needs}
    return Candidates(rows, predictor.place(columns))


def _split(
    prefix: str, needs: frozenset[str], net: Classifier, source: Source, rows: np.ndarray, predictor: Predictor
) -> dict[str, Tensor]:
    wanted = frozenset(name for name in ("logits", "features") if f"{prefix}_{name}" in needs)
    if not wanted:
        return {}
    if not len(rows):
        head = net.head.weight
        shapes = {"logits": (0, head.shape[0]), "features": (0, head.shape[1])}
        return {f"{prefix}_{name}": torch.empty(shapes[name]) for name in wanted}
    return {f"{prefix}_{name}": column for name, column in predictor(net, source, rows, wanted).items()}
